//! What a consuming client asks and is told, as JSON frames.

use tidings_catalog::Compression;
use tidings_deliver::{AckId, Delivery, Digest, Run};
use tidings_event::{Code, Offset, Position, Refusal, format_event_id};
use tidings_wire::ProblemDocument;
use tidings_wire::rest::DigestDocument;
use tidings_wire::stream::{BatchHead, EventLine, Frame, RunLine, StreamRequest};

use super::attachment::Attachment;
use super::encoded::EventTexts;
use super::{Asked, Opening, Said, settling};
use crate::subscribing::terms::compression;

/// Room for what a frame says besides its events, and besides each event.
const FRAME_BYTES: usize = 256;
const LINE_BYTES: usize = 128;

/// What a client asks.
pub(crate) fn asked(text: &[u8]) -> Result<Asked, Refusal> {
    Ok(match StreamRequest::read(text)? {
        StreamRequest::Open { subscription, consumer, compression, ack_deadline_ms } => {
            let compression = unpacked("compression", compression.as_deref())?;
            let ack_deadline = settling::ack_deadline("ack_deadline_ms", ack_deadline_ms)?;
            Asked::Open(Opening { subscription, consumer, compression, ack_deadline })
        }
        StreamRequest::Credit { events, bytes } => {
            Asked::Credit { events, bytes: bytes.unwrap_or(u64::MAX) }
        }
        StreamRequest::Ack { up_to, ack_ids } => {
            if up_to.is_empty() && ack_ids.is_empty() {
                let refusal = Refusal::new(Code::FieldMissing, "give `up_to` or `ack_ids`");
                return Err(refusal.at_field("ack_ids"));
            }
            let up_to = settling::ack_ids("up_to", &up_to)?;
            Asked::AckIds { up_to, ack_ids: settling::ack_ids("ack_ids", &ack_ids)? }
        }
        StreamRequest::Nack { ack_ids, delay_ms, detail } => {
            let nack = settling::nack(delay_ms, &detail)?;
            let runs = settling::ack_ids("ack_ids", &ack_ids)?;
            let runs = runs.iter().map(|id| Run::of(id.position())).collect();
            Asked::Nack { runs, nack }
        }
        StreamRequest::Extend { ack_ids, by_ms } => {
            settling::some(&ack_ids)?;
            let by = settling::extension("by_ms", by_ms)?;
            Asked::ExtendIds { ack_ids: settling::ack_ids("ack_ids", &ack_ids)?, by }
        }
    })
}

/// Refuses what is only done to Protobuf.
pub(crate) fn unpacked(field: &str, given: Option<&str>) -> Result<Option<Compression>, Refusal> {
    match compression(field, given)? {
        Some(Compression::Lz4) => {
            let refusal = Refusal::new(Code::FieldInvalid, "JSON is never packed").at_field(field);
            Err(refusal.with_hint("speak Protobuf: gRPC, or the subprotocol tidings.v1.protobuf"))
        }
        other => Ok(other),
    }
}

/// What a client is told; topics are named where they are used.
pub(crate) fn said(said: Said, attachment: &Attachment) -> Result<Option<String>, Refusal> {
    let line = |run: &Run| run_line(run, attachment);
    let frame = match &said {
        Said::Opened { session, events, bytes } => Frame::opened(session, *events, *bytes),
        Said::Topic(_) => return Ok(None),
        Said::Delivery(delivery) => batch(delivery, attachment)?,
        Said::Confirmed { runs, stale } => {
            Frame::confirmed(runs.iter().map(line), stale.iter().map(line))
        }
        Said::Extended { runs, stale } => {
            Frame::extended(runs.iter().map(line), stale.iter().map(line))
        }
        Said::Gap(gap) => {
            let run = RunLine {
                topic: gap.topic.name.path(),
                partition: gap.partition.0,
                epoch: gap.epoch.0,
                from: gap.from.0,
                to: gap.to.0,
            };
            Frame::gap(&run, gap.count, gap.reason.as_str())
        }
        Said::Paused { in_flight } => Frame::window("pause", *in_flight),
        Said::Resumed { in_flight } => Frame::window("resume", *in_flight),
        Said::Heartbeat { last_sent, lag } => {
            let runs: Vec<_> = last_sent.iter().copied().map(Run::of).collect();
            Frame::heartbeat(runs.iter().map(line), *lag)
        }
    };
    Ok(Some(frame.into_text()))
}

/// The end.
pub(crate) fn error(refusal: &Refusal, request_id: &str) -> String {
    Frame::error(&ProblemDocument::new(refusal, request_id)).into_text()
}

fn run_line<'a>(run: &Run, attachment: &'a Attachment) -> RunLine<'a> {
    RunLine {
        topic: attachment.topic(run.topic),
        partition: run.partition.0,
        epoch: run.epoch.0,
        from: run.first.0,
        to: run.last.0,
    }
}

fn batch(delivery: &Delivery, attachment: &Attachment) -> Result<Frame, Refusal> {
    let texts = attachment.texts(delivery)?;
    let room = texts.len() + FRAME_BYTES + delivery.count as usize * LINE_BYTES;
    let mut frame = Frame::batch(&head(delivery, &texts), room);
    each(delivery, &texts, |line, position| {
        let ack_id = attachment.session().ack_id(position, line.attempt);
        frame.event(&EventLine { ack_id: Some(ack_id), ..line });
    });
    frame.end_batch();
    Ok(frame)
}

/// What the events of a delivery share.
pub(crate) fn head<'a>(delivery: &'a Delivery, texts: &'a EventTexts) -> BatchHead<'a> {
    BatchHead {
        topic: delivery.topic.name.path(),
        partition: delivery.partition.0,
        epoch: delivery.epoch.0,
        ingested_at: &texts.ingested_at,
    }
}

/// Every event of a delivery with its place, in order.
pub(crate) fn each(
    delivery: &Delivery,
    texts: &EventTexts,
    mut with: impl FnMut(EventLine<'_, AckId>, Position),
) {
    let runs = delivery.offsets.iter();
    let offsets = runs.flat_map(|&(first, count)| first.0..first.0 + u64::from(count));
    let mut skipped = delivery.skipped_to_dead_letter.as_slice();
    for (offset, event) in offsets.zip(texts.iter()) {
        let holds =
            |first: Offset, count: u32| (first.0..first.0 + u64::from(count)).contains(&offset);
        let again = delivery.attempts.iter().find(|(first, count, _)| holds(*first, *count));
        let told = delivery.digests.iter().find(|(told_by, _)| told_by.0 == offset);
        let told = told.map(|(_, digest)| digest_text(digest));
        let line = EventLine {
            offset,
            ack_id: None,
            attempt: again.map_or(1, |(.., attempt)| *attempt),
            redelivered: delivery.redelivered.iter().any(|&(first, count)| holds(first, count)),
            redriven: delivery.redriven.iter().any(|&(first, count)| holds(first, count)),
            skipped: std::mem::take(&mut skipped),
            ingested_at: Some(delivery.ingested_at(offset))
                .filter(|at| *at != delivery.ingested_at),
            digest: told.as_deref(),
            event,
        };
        let position = Position {
            topic: delivery.topic.id,
            epoch: delivery.epoch,
            partition: delivery.partition,
            offset: Offset(offset),
        };
        with(line, position);
    }
}

fn digest_text(digest: &Digest) -> String {
    serde_json::to_string(&digest_document(digest)).unwrap_or_default()
}

/// A digest as JSON has it.
pub(crate) fn digest_document(digest: &Digest) -> DigestDocument {
    DigestDocument {
        count: digest.count,
        ids: digest.ids.iter().map(format_event_id).collect(),
        first_ingested_at: digest.first_ingested_at.to_string(),
        last_ingested_at: digest.last_ingested_at.to_string(),
    }
}
