//! `Publisher`: describe, one batch, or a stream of blocks.

use std::pin::Pin;
use std::sync::Arc;

use bytes::BytesMut;
use futures::Stream;
use tidings_admit::Batch;
use tidings_event::block::{BODY_BYTES_MAX, EVENT_BYTES_MAX};
use tidings_event::{Code, Refusal};
use tidings_wire::v1;
use tonic::{Request, Response, Status, Streaming};

use crate::connection::PublishCredit;
use crate::doors::Doors;
use crate::grpc::Ask;
use crate::grpc::publish_messages as messages;
use crate::grpc::publish_stream::{self, Opening};
use crate::refusals;
use crate::rest::frame;

pub(crate) struct PublisherDoor(pub(crate) Arc<Doors>);

const KEY_HASH: &str = "xxh3-64(venue 0x1F instrument) mod partitions";
const EVENT_FRAME_BYTES: usize = 5;

#[tonic::async_trait]
impl v1::publisher_server::Publisher for PublisherDoor {
    type PublishStreamStream =
        Pin<Box<dyn Stream<Item = Result<v1::PublishStreamResponse, Status>> + Send>>;

    async fn describe(
        &self,
        request: Request<v1::DescribeRequest>,
    ) -> Result<Response<v1::DescribeResponse>, Status> {
        let ask = Ask::of(&request);
        let limits = self.0.parts.limits.now();
        let snapshot = self.0.parts.catalog.snapshot();
        let topics = snapshot.topics(ask.tenant()).map(|topic| messages::topic_info(topic));
        Ok(Response::new(v1::DescribeResponse {
            templates: snapshot.templates().iter().map(messages::template).collect(),
            topics: topics.collect(),
            key_hash: KEY_HASH.to_owned(),
            max_event_bytes: u32::try_from(EVENT_BYTES_MAX).unwrap_or(u32::MAX),
            max_block_bytes: u32::try_from(BODY_BYTES_MAX).unwrap_or(u32::MAX),
            max_batch_bytes: u32::try_from(limits.body_bytes).unwrap_or(u32::MAX),
            max_batch_events: u32::try_from(limits.batch_events).unwrap_or(u32::MAX),
            service_version: env!("CARGO_PKG_VERSION").to_owned(),
            tenant: ask.tenant().to_owned(),
        }))
    }

    async fn publish(
        &self,
        request: Request<v1::PublishRequest>,
    ) -> Result<Response<v1::PublishResponse>, Status> {
        let ask = Ask::of(&request);
        let request = request.into_inner();
        // Released once the answer is made.
        let room = self.0.room.to_work_on(framed_bytes(&request)).await;
        let _room = room.map_err(|refusal| ask.status(&refusal))?;
        let batch = self.batch(request, &ask).map_err(|refusal| ask.status(&refusal))?;
        let published = self.0.parts.admission.publish(ask.tenant(), batch).await;
        let outcomes = published.map_err(|refusal| ask.status(&refusal))?;
        let results = (0u32..).zip(&outcomes).map(|(index, o)| messages::result(index, o, &ask));
        Ok(Response::new(v1::PublishResponse { results: results.collect() }))
    }

    async fn publish_stream(
        &self,
        request: Request<Streaming<v1::PublishStreamRequest>>,
    ) -> Result<Response<Self::PublishStreamStream>, Status> {
        let ask = Ask::of(&request);
        let credit = request
            .extensions()
            .get()
            .cloned()
            .unwrap_or_else(|| PublishCredit::new(self.0.parts.limits.now().publish_credit));
        let opening =
            Opening { doors: Arc::clone(&self.0), ask, credit, inbound: request.into_inner() };
        Ok(Response::new(Box::pin(publish_stream::answers(opening))))
    }
}

/// Bytes of the batch that a request's events make, at most.
fn framed_bytes(request: &v1::PublishRequest) -> usize {
    request.events.iter().map(|event| event.len() + EVENT_FRAME_BYTES).sum()
}

impl PublisherDoor {
    fn batch(&self, request: v1::PublishRequest, ask: &Ask) -> Result<Batch, Refusal> {
        let max = self.0.parts.limits.now().batch_events;
        if request.events.len() > max {
            let detail = format!("{} events, at most {max} a batch", request.events.len());
            return Err(Refusal::new(Code::BatchTooLarge, detail).at_field("events"));
        }
        if request.events.is_empty() {
            let refusal = Refusal::new(Code::BatchEmpty, "the batch holds no event");
            return Err(refusal.at_field("events"));
        }
        if let Some(at) = request.events.iter().position(|event| event.len() > EVENT_BYTES_MAX) {
            let detail = format!("an event has more than {EVENT_BYTES_MAX} bytes");
            let refusal = Refusal::new(Code::EventTooLarge, detail);
            return Err(refusal.at_field(format!("events[{at}]")));
        }
        let topic = match request.topic.as_str() {
            "" => None,
            name => Some(refusals::topic_name(ask.tenant(), name, "topic")?),
        };
        let mut body = BytesMut::with_capacity(framed_bytes(&request));
        for event in &request.events {
            frame(&mut body, event);
        }
        Ok(Batch {
            body: body.freeze(),
            topic,
            atomic: request.atomic,
            durability: messages::durability(request.durability)?,
            assigned_ids: false,
        })
    }
}
