//! `/api/v1/topics`.

use std::sync::Arc;
use std::time::Duration;

use axum::response::IntoResponse;
use http::StatusCode;
use tidings_catalog::{Applied, Topic, TopicRequest};
use tidings_event::{Epoch, Refusal};
use tidings_log::Retention;
use tidings_wire::input::not_served;
use tidings_wire::rest::{
    GuaranteeDocument, GuaranteesDocument, RetentionDocument, TopicDocument, TopicListDocument,
    TopicRequestDocument,
};

use crate::page::List;
use crate::rest::Answer;
use crate::rest::ask::{Ask, json};
use crate::{etag, guarantees, refusals};

/// Lists topics
#[utoipa::path(
    get, path = "/api/v1/topics", operation_id = "list_topics", tag = "topics",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "Most entries; 100 by default."),
        ("cursor" = Option<String>, Query, description = "`next` of the part before."),
    ),
    responses(
        (status = 200, description = "A part of the list.", body = TopicListDocument),
    ),
    extensions(("x-codes" = json!(["CURSOR_INVALID"]))),
)]
pub(crate) async fn list(ask: Ask) -> Answer {
    let page = ask.page(List::Topics)?;
    ask.query.end()?;
    let parts = &ask.doors.parts;
    let snapshot = parts.catalog.snapshot();
    let (topics, next) = page.cut(snapshot.topics(ask.tenant()), |topic| topic.name.path());
    let topics = topics.into_iter().map(|topic| document(topic, parts.log.epoch())).collect();
    json(StatusCode::OK, &TopicListDocument { topics, next })
}

/// Shows a topic
#[utoipa::path(
    get, path = "/api/v1/topics/{name}", operation_id = "show_topic", tag = "topics",
    params(
        ("if-none-match" = Option<String>, Header, description = "Tags that the reader has: 304 when one is current."),
    ),
    responses(
        (status = 200, description = "The topic; its tag is in `etag`.", body = TopicDocument),
        (status = 304, description = "The reader has it."),
    ),
    extensions(("x-codes" = json!(["TOPIC_UNKNOWN", "TOPIC_NAME_INVALID"]))),
)]
pub(crate) async fn show(ask: Ask) -> Answer {
    ask.query.end()?;
    let topic = document(&*found(&ask)?, ask.doors.parts.log.epoch());
    ask.resource(StatusCode::OK, &topic, &topic.etag)
}

/// What the running configuration really promises for a topic, and why
#[utoipa::path(
    get, path = "/api/v1/topics/{name}/guarantees", operation_id = "show_guarantees", tag = "topics",
    responses(
        (status = 200, description = "The guarantee sheet.", body = GuaranteesDocument),
    ),
    extensions(("x-codes" = json!(["TOPIC_UNKNOWN", "TOPIC_NAME_INVALID"]))),
)]
pub(crate) async fn guarantees(ask: Ask) -> Answer {
    ask.query.end()?;
    let topic = found(&ask)?;
    let guarantees = guarantees::of(&topic, &ask.doors.parts);
    let guarantees = guarantees.into_iter().map(|promise| GuaranteeDocument {
        name: promise.name.to_owned(),
        level: promise.level.to_owned(),
        detail: promise.detail,
        reason: promise.reason,
    });
    let (topic, guarantees) = (topic.name.path().to_owned(), guarantees.collect());
    json(StatusCode::OK, &GuaranteesDocument { topic, guarantees })
}

/// Creates a topic, or changes what may change
#[utoipa::path(
    put, path = "/api/v1/topics/{name}", operation_id = "put_topic", tag = "topics",
    params(
        ("if-match" = Option<String>, Header, description = "Tag that must be current, else 412."),
        ("if-none-match" = Option<String>, Header, description = "`*`: only create, else 412."),
    ),
    request_body(
        content = TopicRequestDocument,
        example = json!({"partitions": 4, "retention": "30d", "durability": "durable"}),
    ),
    responses(
        (status = 201, description = "It was created.", body = TopicDocument),
        (status = 200, description = "It is so now.", body = TopicDocument),
    ),
    extensions(("x-codes" = json!(["@document", "@write", "TOPIC_NAME_INVALID", "TOPIC_EXISTS", "TOPIC_LIMIT", "ETAG_MISMATCH"]))),
)]
pub(crate) async fn put(mut ask: Ask) -> Answer {
    ask.query.end()?;
    let name = ask.topic_name()?;
    let wanted: TopicRequestDocument = ask.document().await?;
    not_served("template", &wanted.template)?;
    let retention =
        wanted.retention.map(|r| Retention { age: Duration::from_secs(r.seconds), bytes: r.bytes });
    let durability = wanted.durability.as_deref().map(refusals::durability).transpose()?;
    let request = TopicRequest { partitions: wanted.partitions, retention, durability };
    let (parts, expected) = (&ask.doors.parts, ask.expected()?);
    let (status, topic) = match parts.catalog.put_topic_if(name, request, expected).await? {
        Applied::Created(topic) => (StatusCode::CREATED, topic),
        Applied::Same(topic) | Applied::Updated(topic) => (StatusCode::OK, topic),
    };
    let topic = document(&topic, parts.log.epoch());
    ask.resource(status, &topic, &topic.etag)
}

/// Deletes a topic and its events
#[utoipa::path(
    delete, path = "/api/v1/topics/{name}", operation_id = "delete_topic", tag = "topics",
    params(
        ("if-match" = Option<String>, Header, description = "Tag that must be current, else 412."),
    ),
    responses(
        (status = 204, description = "It is gone."),
    ),
    extensions(("x-codes" = json!(["@write", "TOPIC_UNKNOWN", "TOPIC_NAME_INVALID", "ETAG_MISMATCH"]))),
)]
pub(crate) async fn delete(ask: Ask) -> Answer {
    ask.query.end()?;
    let (name, expected) = (ask.topic_name()?, ask.expected()?);
    ask.doors.parts.catalog.delete_topic_if(&name, expected).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn found(ask: &Ask) -> Result<Arc<Topic>, Refusal> {
    let name = ask.topic_name()?;
    let snapshot = ask.doors.parts.catalog.snapshot();
    snapshot.topic(&name).map(Arc::clone).ok_or_else(|| refusals::topic_unknown(name.path()))
}

fn document(topic: &Topic, epoch: Epoch) -> TopicDocument {
    TopicDocument {
        name: topic.name.path().to_owned(),
        partitions: topic.partitions,
        retention: RetentionDocument {
            seconds: topic.retention.age.as_secs(),
            bytes: topic.retention.bytes,
        },
        durability: topic.durability.name().to_owned(),
        template: topic.template.clone(),
        created_at: topic.created_at.to_string(),
        etag: etag::of(topic.version(), epoch),
    }
}
