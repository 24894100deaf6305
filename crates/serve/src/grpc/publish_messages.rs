//! What admission says, as messages of `Publisher`.

use tidings_admit::{BlockPlaced, Outcome, Placed};
use tidings_catalog::{Durability, Topic};
use tidings_event::Refusal;
use tidings_event::v1::Kind;
use tidings_wire::input::not_available;
use tidings_wire::v1;

use crate::grpc::Ask;

pub(crate) fn durability(asked: i32) -> Result<Option<Durability>, Refusal> {
    match v1::Durability::try_from(asked) {
        Ok(v1::Durability::Unspecified) => Ok(None),
        Ok(v1::Durability::Memory) => Ok(Some(Durability::Memory)),
        Ok(v1::Durability::Durable) => Ok(Some(Durability::Durable)),
        Ok(v1::Durability::Replicated) => {
            Err(not_available("durability", "REPLICATED needs an engine that is not served yet"))
        }
        Err(_) => Err(Refusal::new(
            tidings_event::Code::FieldInvalid,
            format!("{asked} is not a durability"),
        )
        .at_field("durability")),
    }
}

pub(crate) fn durability_number(durability: Durability) -> i32 {
    match durability {
        Durability::Memory => v1::Durability::Memory.into(),
        Durability::Durable => v1::Durability::Durable.into(),
    }
}

/// One event's answer.
pub(crate) fn result(index: u32, outcome: &Outcome, ask: &Ask) -> v1::PublishResult {
    match outcome {
        Ok(placed) => v1::PublishResult {
            index,
            id: placed.id.to_vec().into(),
            topic: placed.topic.name.path().to_owned(),
            partition: placed.partition.0,
            offset: placed.offset.map(|offset| offset.0),
            epoch: placed.epoch.0,
            duplicate: placed.duplicate,
            durability: durability_number(placed.durability),
            error: None,
        },
        Err(rejected) => v1::PublishResult {
            index,
            id: rejected.id.map_or_else(Vec::new, |id| id.to_vec()).into(),
            error: Some(ask.problem(&rejected.refusal)),
            ..v1::PublishResult::default()
        },
    }
}

/// A sequenced block's answer.
pub(crate) fn block_ack(request_id: u64, placed: &BlockPlaced) -> v1::PublishAck {
    v1::PublishAck {
        request_id,
        topic: placed.topic.name.path().to_owned(),
        partition: placed.partition.0,
        base_offset: placed.base_offset.map(|offset| offset.0),
        epoch: placed.epoch.0,
        duplicate: placed.duplicate,
        durability: durability_number(placed.durability),
        error: None,
        results: Vec::new(),
    }
}

/// The answer to a block whose events templates placed: one place where one says it all, else an
/// answer per event.
pub(crate) fn batch_ack(request_id: u64, outcomes: &[Outcome], ask: &Ask) -> v1::PublishAck {
    if let Some((first, base_offset)) = one_place(outcomes) {
        return v1::PublishAck {
            request_id,
            topic: first.topic.name.path().to_owned(),
            partition: first.partition.0,
            base_offset: Some(base_offset),
            epoch: first.epoch.0,
            duplicate: false,
            durability: durability_number(first.durability),
            error: None,
            results: Vec::new(),
        };
    }
    let results = (0u32..).zip(outcomes).map(|(index, outcome)| result(index, outcome, ask));
    v1::PublishAck { request_id, results: results.collect(), ..v1::PublishAck::default() }
}

/// The place of a block whose events all went, in order and for the first time, to one partition.
fn one_place(outcomes: &[Outcome]) -> Option<(&Placed, u64)> {
    let first = outcomes.first()?.as_ref().ok()?;
    let base = first.offset?.0;
    let in_line = (base..).zip(outcomes).all(|(offset, outcome)| {
        outcome.as_ref().is_ok_and(|placed| {
            !placed.duplicate
                && placed.offset.is_some_and(|o| o.0 == offset)
                && placed.partition == first.partition
                && placed.topic.id == first.topic.id
        })
    });
    in_line.then_some((first, base))
}

/// A block that was refused as a whole.
pub(crate) fn refused_ack(request_id: u64, refusal: &Refusal, ask: &Ask) -> v1::PublishAck {
    let error = Some(ask.problem(refusal));
    v1::PublishAck { request_id, error, ..v1::PublishAck::default() }
}

pub(crate) fn topic_info(topic: &Topic) -> v1::TopicInfo {
    v1::TopicInfo {
        name: topic.name.path().to_owned(),
        topic_id: topic.id.0,
        partitions: topic.partitions,
    }
}

pub(crate) fn template(template: &tidings_catalog::Template) -> v1::TopicTemplate {
    v1::TopicTemplate {
        template: template.pattern.clone(),
        kind: Kind::into(template.kind),
        partitions: template.partitions,
    }
}
