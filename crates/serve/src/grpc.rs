//! The gRPC door: publisher, consumer, admin, the platform's stream, health and reflection.

mod admin;
mod admin_messages;
mod admin_subscriptions;
mod analysis_stream;
mod consume;
mod consume_many;
mod dead_letters;
mod deadline;
mod framing;
mod health;
mod holding;
mod publish;
mod publish_messages;
mod publish_stream;
mod subscription_messages;
mod trial_messages;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use http::Extensions;
use tidings_event::{Code, Refusal};
use tidings_wire::problem;
use tidings_wire::v1;
use tidings_wire::v1::admin_server::AdminServer;
use tidings_wire::v1::analysis_stream_server::AnalysisStreamServer;
use tidings_wire::v1::consumer_server::ConsumerServer;
use tidings_wire::v1::dead_letters_server::DeadLettersServer;
use tidings_wire::v1::publisher_server::PublisherServer;
use tonic::service::Routes;
use tonic::{Request, Status};
use tonic_health::pb::health_server::HealthServer;

use crate::answer::library_refusal;
use crate::caller::{Caller, RequestId};
use crate::doors::Doors;

/// Room for what surrounds a batch at its limit.
const MESSAGE_SLACK_BYTES: usize = 64 << 10;

/// Most bytes of a request that carries no events.
const SMALL_MESSAGE_BYTES: usize = 1 << 20;

/// All services.
pub(crate) fn router(doors: &Arc<Doors>) -> Router {
    let max = doors.parts.limits.now().body_bytes + MESSAGE_SLACK_BYTES;
    let publisher = PublisherServer::new(publish::PublisherDoor(Arc::clone(doors)));
    let consumer = ConsumerServer::new(consume::ConsumerDoor(Arc::clone(doors)));
    let admin = AdminServer::new(admin::AdminDoor(Arc::clone(doors)));
    let letters = DeadLettersServer::new(dead_letters::DeadLettersDoor(Arc::clone(doors)));
    let analysis = analysis_stream::AnalysisStreamDoor(Arc::clone(doors));
    let analysis = AnalysisStreamServer::new(analysis);
    let health = HealthServer::new(health::HealthDoor(Arc::clone(doors)));
    let mut routes = Routes::default()
        .add_service(publisher.max_decoding_message_size(max))
        .add_service(consumer.max_decoding_message_size(SMALL_MESSAGE_BYTES))
        .add_service(admin.max_decoding_message_size(SMALL_MESSAGE_BYTES))
        .add_service(letters.max_decoding_message_size(SMALL_MESSAGE_BYTES))
        .add_service(analysis.max_decoding_message_size(SMALL_MESSAGE_BYTES))
        .add_service(health.max_decoding_message_size(SMALL_MESSAGE_BYTES));
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(v1::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1();
    match reflection {
        Ok(reflection) => routes = routes.add_service(reflection),
        Err(error) => tracing::error!(%error, "reflection is off"),
    }
    let bound = from_fn_with_state(Arc::clone(doors), deadline::bound);
    let hold = from_fn_with_state(Arc::clone(doors), holding::hold);
    routes.prepare().into_axum_router().layer(hold).layer(bound).layer(from_fn(framing::check))
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
