//! Pulling in Protobuf: the events as they are stored, unpacked where they came packed.

use bytes::Bytes;
use http::Method;
use prost::Message;
use tidings_event::block::events;
use tidings_event::packed;
use tidings_wire::rest::PullRequestDocument;
use tidings_wire::v1;

use super::{Rest, subscription_path};
use crate::ClientError;

/// What a pull in Protobuf brings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PulledBatch {
    /// What is known of each event, and its canonical bytes.
    pub events: Vec<(v1::PulledEvent, Bytes)>,
    /// Events that will never come.
    pub gaps: Vec<v1::PulledGap>,
    /// Bytes of the events as they came.
    pub packed_bytes: usize,
}

impl Rest {
    /// As [`Rest::pull`], in Protobuf, where the request or the subscription may ask for packed events.
    ///
    /// # Errors
    /// As [`Rest::pull`]; [`ClientError::Protocol`] for an answer that contradicts itself.
    pub async fn pull_batch(
        &self,
        name: &str,
        request: &PullRequestDocument,
    ) -> Result<PulledBatch, ClientError> {
        let wrong = |error: &dyn std::fmt::Display| ClientError::Protocol(error.to_string());
        let body = serde_json::to_vec(request).map_err(|error| wrong(&error))?;
        let path = subscription_path(name, "/pull");
        let media = "application/x-protobuf";
        let answer = self.exchange_for(Method::POST, &path, Some(body.into()), media).await?;
        let answer = v1::PullResponse::decode(answer).map_err(|error| wrong(&error))?;
        let packed_bytes = answer.body.len();
        let body = packed::unpack(answer.body, answer.codec).map_err(|error| wrong(&error))?;
        let found: Vec<_> = events(&body).collect::<Result<_, _>>().map_err(|e| wrong(&e))?;
        if found.len() != answer.events.len() {
            return Err(wrong(&"a pull has not one event per entry"));
        }
        let events = found.into_iter().map(|event| body.slice_ref(event));
        let events = answer.events.into_iter().zip(events).collect();
        Ok(PulledBatch { events, gaps: answer.gaps, packed_bytes })
    }
}
