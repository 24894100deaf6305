//! A subscription between its document and the catalog's form.

use std::time::Duration;

use tidings_catalog::{
    DeliveryKind, Filter, Revision, Start, Subscription, SubscriptionSpec, TopicPattern,
};
use tidings_event::{Code, Epoch, Position, Refusal};
use tidings_wire::input::{not_available, not_served};
use tidings_wire::rest::{
    DeliveryDocument, PullOptions, RevisionDocument, StartDocument, StreamOptions,
    SubscriptionDocument, SubscriptionRequest,
};

use super::{ACK_DEADLINE, max_in_flight, patterns, terms};
use crate::etag;

/// What a request asks for; what it asks for and is not served is refused by name.
pub(crate) fn spec(mut wanted: SubscriptionRequest) -> Result<SubscriptionSpec, Refusal> {
    let asked = wanted.start.take().unwrap_or(StartDocument::Latest);
    spec_from(wanted, start("start", asked)?)
}

/// As [`spec`], starting where another document says.
pub(crate) fn spec_from(
    wanted: SubscriptionRequest,
    start: Start,
) -> Result<SubscriptionSpec, Refusal> {
    only("format", wanted.format.as_deref(), "json", &["avro", "protobuf"])?;
    let (delivery, ack_deadline) = delivery(wanted.delivery.unwrap_or_default())?;
    Ok(SubscriptionSpec {
        filter: wanted.filter.map(|text| Filter::compile(&text)).transpose()?,
        start,
        max_in_flight: wanted.max_in_flight.unwrap_or(max_in_flight(delivery)),
        mode: terms::mode(wanted.mode.as_deref())?,
        delivery,
        sharing: terms::sharing(wanted.sharing.as_deref())?,
        retry: terms::retry(wanted.retry.unwrap_or_default())?,
        batching: terms::batching(wanted.batch.unwrap_or_default())?,
        folding: wanted.fold.as_ref().map(terms::folding),
        expires_after: wanted.expires_after_ms.map(Duration::from_millis),
        labels: wanted.labels,
        owner: wanted.owner,
        ack_deadline,
        ..SubscriptionSpec::new(wanted.name, patterns(&wanted.topics)?)
    })
}

/// The request that asks for just this.
pub(crate) fn request(spec: &SubscriptionSpec) -> SubscriptionRequest {
    SubscriptionRequest {
        name: spec.name.clone(),
        topics: texts(&spec.topics),
        filter: spec.filter.as_ref().map(|filter| filter.text().to_owned()),
        mode: Some(terms::mode_name(spec.mode)),
        sharing: Some(terms::sharing_name(spec.sharing)),
        format: Some(FORMAT.to_owned()),
        delivery: Some(delivery_document(spec)),
        start: Some(start_document(&spec.start)),
        retry: Some(terms::retry_document(&spec.retry)),
        batch: Some(terms::batch_document(&spec.batching)),
        fold: spec.folding.map(terms::fold_document),
        expires_after_ms: spec.expires_after.map(terms::millis),
        max_in_flight: Some(spec.max_in_flight),
        labels: spec.labels.clone(),
        owner: spec.owner.clone(),
    }
}

const FORMAT: &str = "json";

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

/// Where to start, from what the member `field` says.
pub(crate) fn start(field: &str, wanted: StartDocument) -> Result<Start, Refusal> {
    Ok(match wanted {
        StartDocument::Latest => Start::Latest,
        StartDocument::Earliest => Start::Earliest,
        StartDocument::LastPerKey => Start::LastPerKey,
        StartDocument::Time(text) => {
            let time = tidings_wire::spelling::parse_time(&text);
            Start::Time(time.map_err(|refusal| refusal.at_field(within(field, "time")))?)
        }
        StartDocument::Positions(texts) => {
            let parsed = texts.iter().enumerate().map(|(at, text)| {
                text.parse::<Position>().map_err(|error| {
                    Refusal::new(Code::PositionInvalid, error.to_string())
                        .at_field(within(field, &format!("positions[{at}]")))
                })
            });
            Start::Positions(parsed.collect::<Result<_, _>>()?)
        }
    })
}

fn within(field: &str, member: &str) -> String {
    if field.is_empty() { member.to_owned() } else { format!("{field}.{member}") }
}

/// What whoever saves this should know.
pub(crate) fn notes(spec: &SubscriptionSpec) -> Vec<String> {
    spec.filter.as_ref().map(Filter::notes).unwrap_or_default()
}

/// The document in an answer to a save.
pub(crate) fn saved(subscription: &Subscription, epoch: Epoch) -> SubscriptionDocument {
    let notes = notes(&subscription.spec);
    SubscriptionDocument { notes, ..document(subscription, epoch) }
}

/// The document of a subscription.
pub(crate) fn document(subscription: &Subscription, epoch: Epoch) -> SubscriptionDocument {
    let spec = &subscription.spec;
    let revision = subscription.revision();
    let boundary = revision.map_or(&subscription.boundary, |revision| &revision.boundary);
    let boundary = boundary.iter().map(|(at, offset)| {
        Position { topic: at.topic, epoch, partition: at.partition, offset }.to_string()
    });
    SubscriptionDocument {
        name: spec.name.clone(),
        topics: texts(&spec.topics),
        filter: spec.filter.as_ref().map(|filter| filter.text().to_owned()),
        mode: terms::mode_name(spec.mode),
        sharing: terms::sharing_name(spec.sharing),
        format: FORMAT.to_owned(),
        delivery: delivery_document(spec),
        start: start_document(&spec.start),
        max_in_flight: spec.max_in_flight,
        retry: terms::retry_document(&spec.retry),
        batch: terms::batch_document(&spec.batching),
        fold: spec.folding.map(terms::fold_document),
        expires_after_ms: spec.expires_after.map(terms::millis),
        paused: subscription.is_paused,
        revision: revision.map_or(0, |revision| revision.number),
        revisions: subscription.revisions.iter().map(revision_document).collect(),
        labels: spec.labels.clone(),
        owner: spec.owner.clone(),
        created_at: subscription.created_at.to_string(),
        boundary: boundary.collect(),
        etag: etag::of(subscription.version(), epoch),
        notes: Vec::new(),
    }
}

fn revision_document(revision: &Revision) -> RevisionDocument {
    RevisionDocument {
        revision: revision.number,
        at: revision.at.to_string(),
        topics: texts(&revision.topics),
        filter: revision.filter.as_ref().map(|filter| filter.text().to_owned()),
    }
}

fn texts(patterns: &[TopicPattern]) -> Vec<String> {
    patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect()
}

fn delivery_document(spec: &SubscriptionSpec) -> DeliveryDocument {
    let millis = Some(terms::millis(spec.ack_deadline));
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
        Start::Latest => StartDocument::Latest,
        Start::LastPerKey => StartDocument::LastPerKey,
        Start::Earliest => StartDocument::Earliest,
        Start::Time(time) => StartDocument::Time(time.to_string()),
        Start::Positions(list) => {
            StartDocument::Positions(list.iter().map(Position::to_string).collect())
        }
    }
}
