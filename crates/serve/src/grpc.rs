//! The gRPC door: publisher, consumer, health and reflection.

mod consume;
mod consume_messages;
mod publish;
mod publish_messages;
mod publish_stream;

use std::sync::Arc;

use axum::Router;
use http::Extensions;
use tidings_event::{Code, Refusal};
use tidings_wire::problem;
use tidings_wire::v1;
use tidings_wire::v1::consumer_server::ConsumerServer;
use tidings_wire::v1::publisher_server::PublisherServer;
use tonic::service::Routes;
use tonic::{Request, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};

use crate::answer::library_refusal;
use crate::caller::{Caller, RequestId};
use crate::doors::Doors;

/// Room for what surrounds a batch at its limit.
const MESSAGE_SLACK_BYTES: usize = 64 << 10;

/// All services.
pub(crate) async fn router(doors: &Arc<Doors>) -> Router {
    let max = doors.parts.limits.body_bytes + MESSAGE_SLACK_BYTES;
    let publisher = PublisherServer::new(publish::PublisherDoor(Arc::clone(doors)));
    let consumer = ConsumerServer::new(consume::ConsumerDoor(Arc::clone(doors)));
    let mut routes = Routes::default()
        .add_service(publisher.max_decoding_message_size(max))
        .add_service(consumer.max_decoding_message_size(max))
        .add_service(health().await);
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(v1::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1();
    match reflection {
        Ok(reflection) => routes = routes.add_service(reflection),
        Err(error) => tracing::error!(%error, "reflection is off"),
    }
    routes.prepare().into_axum_router()
}

/// The names of the services, and of the server as a whole, as health checks ask for them.
const SERVICES: [&str; 3] = ["", "tidings.v1.Publisher", "tidings.v1.Consumer"];

/// Serving while the process answers at all; `/readyz` says whether it can do its work.
async fn health() -> HealthServer<impl Health> {
    let (reporter, server) = tonic_health::server::health_reporter();
    for name in SERVICES {
        reporter.set_service_status(name, ServingStatus::Serving).await;
    }
    server
}

/// Whom a call is answered for, and under which id.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) caller: Caller,
    pub(crate) id: RequestId,
}

impl Ask {
    pub(crate) fn of<T>(request: &Request<T>) -> Self {
        Self::of_extensions(request.extensions())
    }

    fn of_extensions(extensions: &Extensions) -> Self {
        Self { caller: Caller::of(extensions), id: RequestId::of(extensions) }
    }

    pub(crate) fn tenant(&self) -> &str {
        &self.caller.tenant
    }

    /// A refusal as the end of a call.
    pub(crate) fn status(&self, refusal: &Refusal) -> Status {
        problem::to_status(refusal, &self.id.0)
    }

    /// A refusal as part of an answer.
    pub(crate) fn problem(&self, refusal: &Refusal) -> v1::Problem {
        problem::to_proto(refusal, &self.id.0)
    }
}

/// Why the next message of a stream could not be read.
pub(crate) fn unreadable(status: &Status) -> Refusal {
    problem::of_status(status)
        .and_then(|problem| problem::from_proto(&problem))
        .unwrap_or_else(|| library_refusal(status))
}

/// The refusal of a message that carries none of its members, or one out of turn.
pub(crate) fn out_of_turn(detail: &str) -> Refusal {
    Refusal::new(Code::RequestMalformed, detail)
}
