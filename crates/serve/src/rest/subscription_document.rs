//! A subscription between its document and the catalog's form.

use std::time::Duration;

use tidings_catalog::{DeliveryKind, Mode, Start, Subscription, SubscriptionSpec};
use tidings_event::{Code, Epoch, Position, Refusal};
use tidings_wire::input::{not_available, not_served};
use tidings_wire::rest::{
    DeliveryDocument, PullOptions, StartDocument, StreamOptions, SubscriptionDocument,
    SubscriptionRequest,
};

use crate::etag;
use crate::subscribing::{ACK_DEADLINE, max_in_flight, patterns};

/// What a request asks for; what it asks for and is not served is refused by name.
pub(crate) fn spec(wanted: SubscriptionRequest) -> Result<SubscriptionSpec, Refusal> {
    not_served("filter", &wanted.filter)?;
    not_served("retry", &wanted.retry)?;
    only("mode", wanted.mode.as_deref(), "ordered", &["parallel"])?;
    only("format", wanted.format.as_deref(), "json", &["avro", "protobuf"])?;
    let (delivery, ack_deadline) = delivery(wanted.delivery.unwrap_or_default())?;
    Ok(SubscriptionSpec {
        start: start(wanted.start.unwrap_or(StartDocument::Latest))?,
        max_in_flight: wanted.max_in_flight.unwrap_or(max_in_flight(delivery)),
        delivery,
        labels: wanted.labels,
        owner: wanted.owner,
        ack_deadline,
        ..SubscriptionSpec::new(wanted.name, patterns(&wanted.topics)?)
    })
}

/// Refuses every value of a member but one: those planned as such, others as unknown.
fn only(field: &str, given: Option<&str>, served: &str, planned: &[&str]) -> Result<(), Refusal> {
    match given {
        None => Ok(()),
        Some(value) if value == served => Ok(()),
        Some(value) if planned.contains(&value) => {
            Err(not_available(field, format!("{field} `{value}` is not served yet")))
        }
        Some(value) => {
            let shown: String = value.chars().take(40).collect();
            Err(Refusal::new(Code::FieldInvalid, format!("`{shown}` is not a {field}"))
                .at_field(field)
                .with_hint(served))
        }
    }
}

fn delivery(wanted: DeliveryDocument) -> Result<(DeliveryKind, Duration), Refusal> {
    not_served("delivery.webhook", &wanted.webhook)?;
    match (wanted.pull, wanted.stream) {
        (Some(_), Some(_)) => {
            let refusal = Refusal::new(Code::FieldInvalid, "a subscription has one delivery");
            Err(refusal.at_field("delivery").with_hint("pull or stream"))
        }
        (None, Some(StreamOptions {})) => Ok((DeliveryKind::Stream, ACK_DEADLINE)),
        (pull, None) => {
            let deadline = pull.and_then(|p| p.ack_deadline_ms).map(Duration::from_millis);
            Ok((DeliveryKind::Pull, deadline.unwrap_or(ACK_DEADLINE)))
        }
    }
}

fn start(wanted: StartDocument) -> Result<Start, Refusal> {
    Ok(match wanted {
        StartDocument::Latest => Start::Latest,
        StartDocument::Earliest => Start::Earliest,
        StartDocument::Time(text) => {
            let time = tidings_wire::spelling::parse_time(&text);
            Start::Time(time.map_err(|refusal| refusal.at_field("start.time"))?)
        }
        StartDocument::Positions(texts) => {
            let parsed = texts.iter().enumerate().map(|(at, text)| {
                text.parse::<Position>().map_err(|error| {
                    Refusal::new(Code::PositionInvalid, error.to_string())
                        .at_field(format!("start.positions[{at}]"))
                })
            });
            Start::Positions(parsed.collect::<Result<_, _>>()?)
        }
    })
}

/// The document of a subscription.
pub(crate) fn document(subscription: &Subscription, epoch: Epoch) -> SubscriptionDocument {
    let spec = &subscription.spec;
    let boundary = subscription.boundary.iter().map(|(at, &offset)| {
        Position { topic: at.topic, epoch, partition: at.partition, offset }.to_string()
    });
    SubscriptionDocument {
        name: spec.name.clone(),
        topics: spec.topics.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
        mode: match spec.mode {
            Mode::Ordered => "ordered".to_owned(),
            Mode::Parallel => "parallel".to_owned(),
        },
        format: "json".to_owned(),
        delivery: delivery_document(spec),
        start: start_document(&spec.start),
        max_in_flight: spec.max_in_flight,
        labels: spec.labels.clone(),
        owner: spec.owner.clone(),
        created_at: subscription.created_at.to_string(),
        boundary: boundary.collect(),
        etag: etag::of(subscription.version(), epoch),
    }
}

fn delivery_document(spec: &SubscriptionSpec) -> DeliveryDocument {
    let millis = u64::try_from(spec.ack_deadline.as_millis()).ok();
    match spec.delivery {
        DeliveryKind::Pull => DeliveryDocument {
            pull: Some(PullOptions { ack_deadline_ms: millis }),
            ..DeliveryDocument::default()
        },
        DeliveryKind::Stream => {
            DeliveryDocument { stream: Some(StreamOptions {}), ..DeliveryDocument::default() }
        }
    }
}

fn start_document(start: &Start) -> StartDocument {
    match start {
        // The document cannot say it yet.
        Start::Latest | Start::LastPerKey => StartDocument::Latest,
        Start::Earliest => StartDocument::Earliest,
        Start::Time(time) => StartDocument::Time(time.to_string()),
        Start::Positions(list) => {
            StartDocument::Positions(list.iter().map(Position::to_string).collect())
        }
    }
}
