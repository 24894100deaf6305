//! What a consuming client asks and is told, as messages of `tidings.v1`.

use std::time::Duration;

use tidings_deliver::{Delivery, Digest, GapNotice, Nack, Run};
use tidings_event::{Code, Epoch, Offset, PartitionId, Position, Refusal, Timestamp, TopicId};
use tidings_wire::problem;
use tidings_wire::v1;
use tidings_wire::v1::consume_request::Message as Wanted;
use tidings_wire::v1::consume_response::Message;

use super::attachment::Attachment;
use super::{Asked, Opening, Said, settling};
use crate::grpc::out_of_turn;
use crate::subscribing::terms::compression;

/// What the client of one attachment asks.
pub(crate) fn asked(request: v1::ConsumeRequest) -> Result<Asked, Refusal> {
    if request.attachment != 0 {
        let refusal = out_of_turn("attachments have numbers in `ConsumeMany` only");
        return Err(refusal.at_field("attachment"));
    }
    wanted(request.message)
}

/// What is asked of one of many attachments, or of the only one.
pub(super) fn wanted(message: Option<Wanted>) -> Result<Asked, Refusal> {
    Ok(match message {
        Some(Wanted::Open(open)) => Asked::Open(Opening {
            compression: compression("open.compression", open.compression.as_deref())?,
            ack_deadline: settling::ack_deadline("open.ack_deadline_ms", open.ack_deadline_ms)?,
            subscription: open.subscription,
            consumer: open.consumer,
        }),
        Some(Wanted::Credit(credit)) => {
            Asked::Credit { events: credit.events, bytes: credit.bytes }
        }
        Some(Wanted::Ack(ack)) => {
            Asked::Ack { up_to: positions(&ack.up_to), runs: runs(&ack.runs)? }
        }
        Some(Wanted::Nack(nack)) => {
            let runs = runs(&nack.runs)?;
            let nack = Nack::new(Duration::from_millis(nack.delay_ms), &nack.detail);
            Asked::Nack { runs, nack }
        }
        Some(Wanted::Extend(extend)) => Asked::Extend {
            runs: runs(&extend.runs)?,
            by: settling::extension("extend.by_ms", extend.by_ms)?,
        },
        Some(Wanted::Close(_)) => {
            return Err(out_of_turn("`close` ends an attachment of `ConsumeMany`; end the stream"));
        }
        None => return Err(out_of_turn("a message without open, credit, ack, nack or extend")),
    })
}

/// What a client is told. Windows are not told of in this form: its client grants credit.
pub(crate) fn said(
    said: Said,
    attachment: &Attachment,
) -> Result<Option<v1::ConsumeResponse>, Refusal> {
    let message = match said {
        Said::Opened { session, events, bytes } => Message::Opened(v1::ConsumeOpened {
            session,
            max_in_flight_events: events,
            max_in_flight_bytes: bytes,
        }),
        Said::Topic(topic) => Message::Topic(v1::TopicName {
            topic_id: topic.id.0,
            name: topic.name.path().to_owned(),
        }),
        Said::Delivery(delivered) => Message::Delivery(delivery(delivered, attachment)?),
        Said::Confirmed { runs, stale } => Message::Confirmed(confirmed(&runs, &stale)),
        Said::Extended { runs, stale } => Message::Extended(v1::Extended {
            runs: runs.iter().map(run_message).collect(),
            stale: stale.iter().map(run_message).collect(),
        }),
        Said::Gap(notice) => Message::Gap(gap(&notice)),
        Said::Paused { .. } | Said::Resumed { .. } => return Ok(None),
        Said::Heartbeat { last_sent, lag } => Message::Heartbeat(v1::Heartbeat {
            last_sent: last_sent.iter().map(position_message).collect(),
            lag_events: lag,
        }),
    };
    Ok(Some(response(message)))
}

/// The end.
pub(crate) fn error(refusal: &Refusal, request_id: &str) -> v1::ConsumeResponse {
    response(Message::Error(problem::to_proto(refusal, request_id)))
}

/// A message of a stream with one attachment, or of the stream itself.
pub(super) fn response(message: Message) -> v1::ConsumeResponse {
    v1::ConsumeResponse { message: Some(message), attachment: 0 }
}

/// A delivery, with its body.
pub(crate) fn delivery(
    delivery: Delivery,
    attachment: &Attachment,
) -> Result<v1::Delivery, Refusal> {
    let (body, codec) = attachment.body(&delivery)?;
    let run = |&(first, count): &(Offset, u32)| v1::OffsetRun { first: first.0, count };
    let attempt = |&(first, count, attempt): &(Offset, u32, u32)| v1::AttemptRun {
        first: first.0,
        count,
        attempt,
    };
    Ok(v1::Delivery {
        topic_id: delivery.topic.id.0,
        partition: delivery.partition.0,
        epoch: delivery.epoch.0,
        offsets: delivery.offsets.iter().map(run).collect(),
        attempts: delivery.attempts.iter().map(attempt).collect(),
        redelivered: delivery.redelivered.iter().map(run).collect(),
        ingested_at: delivery.ingested_at.0,
        later: delivery.later.iter().map(later).collect(),
        body,
        skipped_to_dead_letter: delivery.skipped_to_dead_letter.iter().map(|o| o.0).collect(),
        redriven: delivery.redriven.iter().map(run).collect(),
        codec,
        digests: delivery.digests.iter().map(|(offset, told)| digest(*offset, told)).collect(),
    })
}

fn later(&(first, at): &(Offset, Timestamp)) -> v1::LaterBlock {
    v1::LaterBlock { first: first.0, ingested_at: at.0 }
}

pub(crate) fn digest(offset: Offset, digest: &Digest) -> v1::Digest {
    v1::Digest {
        count: digest.count,
        ids: digest.ids.iter().map(|id| id.to_vec().into()).collect(),
        first_ingested_at: digest.first_ingested_at.0,
        last_ingested_at: digest.last_ingested_at.0,
        offset: offset.0,
    }
}

pub(crate) fn gap(gap: &GapNotice) -> v1::Gap {
    v1::Gap {
        topic_id: gap.topic.id.0,
        epoch: gap.epoch.0,
        partition: gap.partition.0,
        from: gap.from.0,
        to: gap.to.0,
        count: gap.count,
        reason: gap.reason.as_str().to_owned(),
    }
}

fn confirmed(runs: &[Run], stale: &[Run]) -> v1::AckConfirmed {
    v1::AckConfirmed {
        runs: runs.iter().map(run_message).collect(),
        stale: stale.iter().map(run_message).collect(),
    }
}

fn run_message(run: &Run) -> v1::PositionRun {
    v1::PositionRun {
        topic_id: run.topic.0,
        epoch: run.epoch.0,
        partition: run.partition.0,
        first: run.first.0,
        last: run.last.0,
    }
}

/// Runs of a client; one that ends before it starts is a fault of the client.
fn runs(messages: &[v1::PositionRun]) -> Result<Vec<Run>, Refusal> {
    let read = messages.iter().enumerate().map(|(at, m)| {
        if m.last < m.first {
            let detail = format!("a run ends at {} before it starts at {}", m.last, m.first);
            let refusal = Refusal::new(Code::PositionInvalid, detail);
            return Err(refusal.at_field(format!("runs[{at}]")));
        }
        Ok(Run {
            topic: TopicId(m.topic_id),
            epoch: Epoch(m.epoch),
            partition: PartitionId(m.partition),
            first: Offset(m.first),
            last: Offset(m.last),
        })
    });
    read.collect()
}

pub(crate) fn positions(messages: &[v1::Position]) -> Vec<Position> {
    let position = |m: &v1::Position| Position {
        topic: TopicId(m.topic_id),
        epoch: Epoch(m.epoch),
        partition: PartitionId(m.partition),
        offset: Offset(m.offset),
    };
    messages.iter().map(position).collect()
}

pub(crate) fn position_message(position: &Position) -> v1::Position {
    v1::Position {
        topic_id: position.topic.0,
        epoch: position.epoch.0,
        partition: position.partition.0,
        offset: position.offset.0,
    }
}
