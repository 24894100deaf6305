//! `/api/v1/topics`.

use std::time::Duration;

use axum::response::IntoResponse;
use http::StatusCode;
use tidings_catalog::{Applied, Topic, TopicRequest};
use tidings_event::{Code, Refusal};
use tidings_log::Retention;
use tidings_wire::input::not_served;
use tidings_wire::rest::{
    RetentionDocument, TopicDocument, TopicListDocument, TopicRequestDocument,
};

use crate::refusals;
use crate::rest::Answer;
use crate::rest::ask::{Ask, json};
use crate::rest::page::Page;

pub(crate) async fn list(ask: Ask) -> Answer {
    let page = Page::of(&ask.query)?;
    ask.query.end()?;
    let snapshot = ask.doors.parts.catalog.snapshot();
    let (topics, next) = page.cut(snapshot.topics(ask.tenant()), |topic| topic.name.path());
    let topics = topics.into_iter().map(|topic| document(topic)).collect();
    json(StatusCode::OK, &TopicListDocument { topics, next })
}

pub(crate) async fn show(ask: Ask) -> Answer {
    ask.query.end()?;
    let name = ask.topic_name()?;
    let snapshot = ask.doors.parts.catalog.snapshot();
    let topic = snapshot.topic(&name).ok_or_else(|| unknown(name.path()))?;
    json(StatusCode::OK, &document(topic))
}

pub(crate) async fn put(mut ask: Ask) -> Answer {
    ask.query.end()?;
    let name = ask.topic_name()?;
    let wanted: TopicRequestDocument = ask.document().await?;
    not_served("template", &wanted.template)?;
    let retention =
        wanted.retention.map(|r| Retention { age: Duration::from_secs(r.seconds), bytes: r.bytes });
    let durability = wanted.durability.as_deref().map(refusals::durability).transpose()?;
    let request = TopicRequest { partitions: wanted.partitions, retention, durability };
    let (status, topic) = match ask.doors.parts.catalog.put_topic(name, request).await? {
        Applied::Created(topic) => (StatusCode::CREATED, topic),
        Applied::Same(topic) | Applied::Updated(topic) => (StatusCode::OK, topic),
    };
    json(status, &document(&topic))
}

pub(crate) async fn delete(ask: Ask) -> Answer {
    ask.query.end()?;
    ask.doors.parts.catalog.delete_topic(&ask.topic_name()?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The refusal of a topic that is not there.
pub(crate) fn unknown(path: &str) -> Refusal {
    Refusal::new(Code::TopicUnknown, format!("there is no topic `{path}`"))
}

fn document(topic: &Topic) -> TopicDocument {
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
    }
}
