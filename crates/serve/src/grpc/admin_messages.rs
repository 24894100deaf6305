//! Topics and subscriptions, as messages of `Admin`, and back.

use std::time::Duration;

use tidings_catalog::{Applied, Start, Topic, TopicRequest};
use tidings_deliver::{MemberStatus, SubscriptionStatus};
use tidings_event::{Code, Epoch, Refusal, Timestamp};
use tidings_log::Retention;
use tidings_wire::v1;
use tidings_wire::v1::start::Start as Asked;

use crate::consuming::proto::{position_message, positions};
use crate::etag;
use crate::grpc::publish_messages;
use crate::page::{self, List, Page};

/// The part of a list that is asked for.
pub(crate) fn page(list: List, asked: Option<v1::Page>) -> Result<Page, Refusal> {
    let asked = asked.unwrap_or_default();
    Page::new(list, limit(asked.limit), &asked.cursor).map_err(|refusal| {
        let field = format!("page.{}", refusal.field);
        refusal.at_field(field)
    })
}

/// How many entries are asked for: 0 leaves it to the service.
pub(crate) fn limit(asked: u32) -> usize {
    if asked == 0 { page::LIMIT } else { asked as usize }
}

pub(crate) fn topic(topic: &Topic, epoch: Epoch) -> v1::Topic {
    v1::Topic {
        name: topic.name.path().to_owned(),
        topic_id: topic.id.0,
        partitions: topic.partitions,
        retention: Some(v1::Retention {
            seconds: topic.retention.age.as_secs(),
            bytes: topic.retention.bytes,
        }),
        durability: publish_messages::durability_number(topic.durability),
        template: topic.template.clone().unwrap_or_default(),
        created_at: topic.created_at.0,
        etag: etag::of(topic.version(), epoch),
    }
}

/// What a put asks for.
pub(crate) fn topic_request(asked: &v1::PutTopicRequest) -> Result<TopicRequest, Refusal> {
    let retention = asked
        .retention
        .as_ref()
        .map(|r| Retention { age: Duration::from_secs(r.seconds), bytes: r.bytes });
    Ok(TopicRequest {
        partitions: asked.partitions,
        retention,
        durability: publish_messages::durability(asked.durability)?,
    })
}

/// A thing and what its request has done.
pub(crate) fn applied<T>(applied: Applied<T>) -> (T, i32) {
    let (thing, done) = match applied {
        Applied::Created(thing) => (thing, v1::Applied::Created),
        Applied::Updated(thing) => (thing, v1::Applied::Updated),
        Applied::Same(thing) => (thing, v1::Applied::Same),
    };
    (thing, done.into())
}

/// Where a new subscription starts; latest when it does not say.
pub(crate) fn start(asked: Option<v1::Start>) -> Result<Start, Refusal> {
    Ok(match asked.and_then(|asked| asked.start) {
        None | Some(Asked::Latest(_)) => Start::Latest,
        Some(Asked::Earliest(_)) => Start::Earliest,
        Some(Asked::LastPerKey(_)) => Start::LastPerKey,
        Some(Asked::Time(nanos)) => Start::Time(Timestamp(nanos)),
        Some(Asked::Positions(list)) if list.positions.is_empty() => {
            let refusal = Refusal::new(Code::FieldMissing, "name at least one position");
            return Err(refusal.at_field("start.positions"));
        }
        Some(Asked::Positions(list)) => Start::Positions(positions(&list.positions)),
    })
}

pub(crate) fn status(name: &str, status: SubscriptionStatus) -> v1::SubscriptionStatus {
    v1::SubscriptionStatus {
        name: name.to_owned(),
        state: status.state.as_str().to_owned(),
        consumer: status.consumer.unwrap_or_default(),
        lag_events: status.lag_events,
        in_flight: status.in_flight,
        settled_below: status.low_water.iter().map(position_message).collect(),
        health: status.health.to_string(),
        lag_seconds: status.lag.map(|lag| lag.as_secs_f64()),
        members: status.members.into_iter().map(member).collect(),
        failing: status.failing,
        held: status.held,
        waiting: status.waiting,
        folded: status.folded,
    }
}

fn member(member: MemberStatus) -> v1::SubscriptionMember {
    v1::SubscriptionMember {
        consumer: member.consumer,
        session: member.session.to_string(),
        active: member.is_active,
        in_flight: member.in_flight,
    }
}
