//! The platform's stream: what is published from now on, filtered by the service.

use std::sync::Arc;

use bytes::Bytes;
use tidings_event::v1::Kind;
use tidings_event::{Epoch, Offset, PartitionId, Position, Timestamp, TopicId};
use tidings_wire::v1;
use tidings_wire::v1::analysis_message::Message as Said;
use tonic::Streaming;

use crate::{Client, ClientError, Gap};

/// Which events an [`Analysis`] stream is given. Empty lists let everything pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnalysisOptions {
    /// Topic patterns; empty: `analysis/**`.
    pub topics: Vec<String>,
    /// Instruments; a correlation goes by its matrix id.
    pub symbols: Vec<String>,
    /// Kinds of event.
    pub kinds: Vec<Kind>,
    /// Timeframes; an event without one does not pass.
    pub timeframes: Vec<String>,
    /// Goes on where this subscription is instead, and settles what was handed over. Its topics
    /// are its own.
    pub subscription: Option<String>,
}

/// What an [`Analysis`] stream is given.
#[derive(Clone, Debug)]
pub enum AnalysisItem {
    /// One event.
    Event(AnalysisEvent),
    /// Events that will never come.
    Gap(Gap),
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnalysisEvent {
    /// Name of its topic.
    pub topic: Arc<str>,
    /// Where it is stored.
    pub position: Position,
    /// When the service took it in.
    pub ingested_at: Timestamp,
    /// It may have been delivered before.
    pub redelivered: bool,
    /// Its canonical bytes.
    pub event: Bytes,
}

/// An open stream: no credit, no acks, no place of its own. It does not connect again by itself,
/// since it would not know what it missed: a [`Consumer`](crate::Consumer) does.
#[derive(Debug)]
pub struct Analysis {
    said: Streaming<v1::AnalysisMessage>,
}

impl Analysis {
    pub(crate) async fn open(
        client: &Client,
        options: AnalysisOptions,
    ) -> Result<Self, ClientError> {
        let request = v1::StreamRequest {
            symbols: options.symbols,
            data_types: options.kinds.into_iter().map(Into::into).collect(),
            subscription_name: options.subscription.unwrap_or_default(),
            timeframes: options.timeframes,
            topics: options.topics,
        };
        let said = client.analysis_calls().stream_analysis(request).await?.into_inner();
        Ok(Self { said })
    }

    /// The next thing; heartbeats are left out. `None` when the service ended the stream well.
    /// Safe to drop and call again.
    ///
    /// # Errors
    /// Why the stream ended.
    pub async fn next(&mut self) -> Result<Option<AnalysisItem>, ClientError> {
        while let Some(message) = self.said.message().await? {
            match message.message {
                Some(Said::Event(event)) => return Ok(Some(AnalysisItem::Event(read(event)?))),
                Some(Said::Gap(gap)) => {
                    let run = gap.gap.ok_or_else(|| incomplete("gap"))?;
                    return Ok(Some(AnalysisItem::Gap(Gap::read(gap.topic.into(), run))));
                }
                Some(Said::Heartbeat(_)) | None => {}
            }
        }
        Ok(None)
    }
}

fn incomplete(what: &str) -> ClientError {
    ClientError::Protocol(format!("a {what} without its place"))
}

fn read(event: v1::AnalysisEvent) -> Result<AnalysisEvent, ClientError> {
    let at = event.position.ok_or_else(|| incomplete("delivery"))?;
    Ok(AnalysisEvent {
        topic: event.topic.into(),
        position: Position {
            topic: TopicId(at.topic_id),
            epoch: Epoch(at.epoch),
            partition: PartitionId(at.partition),
            offset: Offset(at.offset),
        },
        ingested_at: Timestamp(event.ingested_at),
        redelivered: event.redelivered,
        event: event.event,
    })
}
