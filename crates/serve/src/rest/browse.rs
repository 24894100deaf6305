//! `GET /api/v1/topics/{name}/events`: one partition of the log, as it is stored.

use http::StatusCode;
use serde_json::value::RawValue;
use tidings_event::block::events;
use tidings_event::hop::Committed;
use tidings_event::{
    Code, Offset, PartitionId, Refusal, Timestamp, TopicPartition, json as canonical,
};
use tidings_log::PartitionLog;
use tidings_wire::rest::{BrowseDocument, BrowsedDocument};

use crate::refusals::of_read;
use crate::rest::ask::{Ask, json};
use crate::rest::{Answer, page, topics};

/// Bytes of blocks read for one answer: it ends there, and `next` continues.
const READ_BYTES: usize = 1 << 20;

pub(crate) async fn browse(ask: Ask) -> Answer {
    let query = &ask.query;
    query.planned(&["filter"])?;
    let partition = query.parsed("partition", "a partition's number")?.unwrap_or(0);
    let offset = query.parsed::<u64>("offset", "an offset")?.map(Offset);
    let time = query.parsed::<Timestamp>("time", "an RFC 3339 UTC time")?;
    let limit = page::limit(query)?;
    query.end()?;
    if offset.is_some() && time.is_some() {
        let refusal = Refusal::new(Code::FieldInvalid, "`time` and `offset` exclude each other");
        return Err(refusal.at_field("time").into());
    }
    let name = ask.topic_name()?;
    let snapshot = ask.doors.parts.catalog.snapshot();
    let topic = snapshot.topic(&name).ok_or_else(|| topics::unknown(name.path()))?;
    if partition >= topic.partitions {
        let detail = format!("partition {partition} of a topic with {}", topic.partitions);
        return Err(Refusal::new(Code::FieldInvalid, detail).at_field("partition").into());
    }
    let partition = TopicPartition { topic: topic.id, partition: PartitionId(partition) };
    let log = &*ask.doors.parts.log;
    let from = start(log, partition, offset, time).await?;
    let blocks = log.read(partition, from, READ_BYTES).await.map_err(|e| of_read(&e))?;
    json(StatusCode::OK, &document(&blocks, from, limit)?)
}

async fn start(
    log: &dyn PartitionLog,
    partition: TopicPartition,
    offset: Option<Offset>,
    time: Option<Timestamp>,
) -> Result<Offset, Refusal> {
    match (offset, time) {
        (Some(offset), _) => Ok(offset),
        (None, Some(time)) => log.resolve_time(partition, time).await.map_err(|e| of_read(&e)),
        (None, None) => log.bounds(partition).map(|b| b.trim).map_err(|e| of_read(&e)),
    }
}

fn document(blocks: &[Committed], from: Offset, limit: usize) -> Result<BrowseDocument, Refusal> {
    let mut browsed = BrowseDocument { events: Vec::new(), next: from.0 };
    for committed in blocks {
        let header = &committed.block.header;
        let ingested_at = header.ingested_at.to_string();
        for (offset, event) in (header.base_offset.0..).zip(events(&committed.block.body)) {
            if offset < from.0 {
                continue;
            }
            if browsed.events.len() == limit {
                return Ok(browsed);
            }
            let event = event.map_err(|e| Refusal::new(Code::Internal, e.to_string()))?;
            let event = raw_json(event)?;
            browsed.events.push(BrowsedDocument {
                offset,
                ingested_at: ingested_at.clone(),
                event,
            });
            browsed.next = offset + 1;
        }
    }
    Ok(browsed)
}

/// A stored event's canonical JSON.
pub(crate) fn raw_json(event: &[u8]) -> Result<Box<RawValue>, Refusal> {
    RawValue::from_string(canonical::to_json(event)?)
        .map_err(|error| Refusal::new(Code::Internal, format!("canonical JSON: {error}")))
}
