//! Blocks over HTTP, and the producers that count them.

use http::StatusCode;
use prost::Message;
use tidings_admit::{BlockPlaced, Producer, SequencedBlock};
use tidings_event::block::{crc32c, events};
use tidings_event::{Code, Refusal};
use tidings_wire::rest::{
    BlockResultDocument, ProducerDocument, ProducerRequestDocument, SequenceDocument,
};
use tidings_wire::v1::PublishBlock;

use crate::refusals;
use crate::rest::Answer;
use crate::rest::ask::{Ask, json};
use crate::rest::events::{Publishing, admit};
use crate::rest::events_answer::Results;
use crate::rest::events_body::protobuf;

/// Who counts a block, and in which epoch.
pub(crate) struct Counting {
    producer: String,
    epoch: u32,
}

/// Grants a producer its epoch
#[utoipa::path(
    post, path = "/api/v1/producers", operation_id = "open_producer", tag = "events",
    request_body = ProducerRequestDocument,
    responses((status = 200, description = "The epoch, and where the producer goes on.", body = ProducerDocument)),
    extensions(("x-codes" = json!(["@document", "@write", "PRODUCER_ID_INVALID", "PRODUCER_FENCED", "PRODUCER_UNKNOWN", "PRODUCER_LIMIT"]))),
)]
pub(crate) async fn open(mut ask: Ask) -> Answer {
    ask.query.end()?;
    let request: ProducerRequestDocument = ask.document().await?;
    let admission = &ask.doors.parts.admission;
    let epoch = request.producer_epoch;
    let producer = admission.open_producer(ask.tenant(), &request.producer_id, epoch).await?;
    let next = producer.grant().sequences.iter().map(|(topic, partition, next)| SequenceDocument {
        topic: topic.name.path().to_owned(),
        partition: partition.0,
        next_sequence: *next,
    });
    let document = ProducerDocument { producer_epoch: producer.epoch(), sequences: next.collect() };
    json(StatusCode::OK, &document)
}

/// The producer that the parameters name.
pub(crate) fn producer(ask: &Ask) -> Result<Option<Counting>, Refusal> {
    let producer = ask.query.text("producer")?.map(str::to_owned);
    let epoch = ask.query.parsed("producer_epoch", "an epoch")?;
    let missing = |field: &str| {
        let refusal = Refusal::new(Code::FieldMissing, "a producer has an id and an epoch");
        Err(refusal.at_field(field).with_hint("POST /api/v1/producers grants an epoch"))
    };
    match (producer, epoch) {
        (None, None) => Ok(None),
        (Some(producer), Some(epoch)) => Ok(Some(Counting { producer, epoch })),
        (None, Some(_)) => missing("producer"),
        (Some(_), None) => missing("producer_epoch"),
    }
}

/// Publishes a serialised `PublishBlock`: a producer's, stored whole or not at all, or one whose
/// events templates place.
pub(crate) async fn publish(
    mut ask: Ask,
    publishing: Publishing,
    counting: Option<Counting>,
) -> Answer {
    let body = ask.events_body().await?;
    let block = PublishBlock::decode(body).map_err(|error| {
        let detail = format!("the body is no tidings.v1.PublishBlock: {error}");
        Refusal::new(Code::RequestMalformed, detail)
    })?;
    match counting {
        Some(counting) => sequenced(&mut ask, &publishing, &counting, block).await,
        None => placed(&mut ask, publishing, block).await,
    }
}

async fn sequenced(
    ask: &mut Ask,
    publishing: &Publishing,
    counting: &Counting,
    block: PublishBlock,
) -> Answer {
    for (name, given) in [
        ("topic", publishing.topic.is_some()),
        ("atomic", publishing.atomic),
        ("durability", publishing.durability.is_some()),
    ] {
        if given {
            let detail = "a producer's block names its topic, and is stored whole and durably";
            return Err(Refusal::new(Code::FieldInvalid, detail).at_field(name).into());
        }
    }
    let admission = &ask.doors.parts.admission;
    let block = SequencedBlock {
        topic: refusals::topic_name(ask.tenant(), &block.topic, "topic")?,
        body: block.body,
        body_crc: block.body_crc,
        count: block.count,
        partition: block.partition,
        partitions: block.partitions,
        first_sequence: block.first_sequence,
    };
    let Counting { producer, epoch } = counting;
    let producer: Producer = admission.open_producer(ask.tenant(), producer, Some(*epoch)).await?;
    let placed = admission.submit_block(&producer, block).await?.settled().await?;
    json(StatusCode::OK, &Results { results: vec![result(&placed)] })
}

fn result(placed: &BlockPlaced) -> BlockResultDocument {
    BlockResultDocument {
        index: 0,
        topic: placed.topic.name.path().to_owned(),
        partition: placed.partition.0,
        base_offset: placed.base_offset.map(|offset| offset.0),
        count: placed.count,
        epoch: placed.epoch.0,
        duplicate: placed.duplicate,
        durability: placed.durability.name().to_owned(),
    }
}

/// A block without a producer is a batch whose bytes are checked first.
async fn placed(ask: &mut Ask, mut publishing: Publishing, block: PublishBlock) -> Answer {
    let corrupt = |detail: String| Err(Refusal::new(Code::BlockCorrupt, detail).into());
    if crc32c(&block.body) != block.body_crc {
        return corrupt("the body does not fit its checksum".to_owned());
    }
    let count = events(&block.body).take_while(Result::is_ok).count();
    if count != block.count as usize {
        return corrupt(format!("the body holds {count} events, not {}", block.count));
    }
    if !block.topic.is_empty() {
        let named = refusals::topic_name(ask.tenant(), &block.topic, "topic")?;
        if publishing.topic.as_ref().is_some_and(|topic| *topic != named) {
            let detail = "the block and the parameter name two topics";
            return Err(Refusal::new(Code::FieldInvalid, detail).at_field("topic").into());
        }
        publishing.topic = Some(named);
    }
    let max = ask.doors.parts.limits.now().batch_events;
    admit(ask, publishing, protobuf(block.body, max)?).await
}
