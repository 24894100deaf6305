//! `GET /api/v1/subscriptions/{name}/stream`: consuming by server-sent events, with a cursor or, as
//! `?ephemeral=true`, without one.

mod frames;
mod ids;
mod progress;
mod sessions;
mod stream;
mod unresolved;

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use tidings_catalog::Start;
use tidings_deliver::{AckState, Attach, Nack, Run, Session};
use tidings_event::{Code, Refusal, Timestamp};

use crate::consuming::Consuming;
use crate::doors::Doors;
use crate::handover::Lasting;
use crate::rest::Answer;
use crate::rest::ask::Ask;
use crate::subscribing;
use ids::SentId;
use progress::Progress;
use stream::EventStream;
use unresolved::Unresolved;

pub(crate) use sessions::Sessions;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const CONSUMER: &str = "default";
const WINDOW_MAX: u32 = 65_536;

/// What the query asks for.
struct Wanted {
    consumer: String,
    max_in_flight: Option<u32>,
    ephemeral: bool,
    start: Option<Start>,
    last: Option<String>,
}

/// Streams events as server-sent events
#[utoipa::path(
    get, path = "/api/v1/subscriptions/{name}/stream", operation_id = "stream", tag = "delivery",
    params(
        ("consumer" = Option<String>, Query, description = "Name of this consumer, for health and logs."),
        ("max_in_flight" = Option<u32>, Query, description = "Most events sent and not settled, 1..=65536."),
        ("ephemeral" = Option<bool>, Query, description = "Without a cursor: progress is the client's."),
        ("start" = Option<String>, Query, description = "Of an ephemeral stream: latest, earliest, or a time."),
        ("last-event-id" = Option<String>, Header, description = "Acknowledges up to it, and goes on after it."),
    ),
    responses(
        (status = 200, description = "Events until either side ends it.", content_type = "text/event-stream", body = String),
    ),
    extensions(("x-codes" = json!(["SUBSCRIPTION_UNKNOWN", "SUBSCRIPTION_BUSY", "SUBSCRIPTION_GONE", "STREAM_ID_INVALID", "POSITION_INVALID", "OFFSET_OUT_OF_RANGE", "FIELD_INVALID", "SHUTTING_DOWN"]))),
)]
pub(crate) async fn stream(ask: Ask) -> Answer {
    let wanted = wanted(&ask)?;
    let subscription = subscribing::found(&ask.doors, ask.tenant(), ask.param("name"))?;
    let (session, progress) = if wanted.ephemeral {
        let patterns = subscription.spec.topics.to_vec();
        let start = match &wanted.last {
            Some(id) => Start::Positions(progress::read(id)?),
            None => wanted.start.unwrap_or(Start::Latest),
        };
        let session = ask.doors.parts.deliver.ephemeral(ask.tenant(), patterns, start).await?;
        let progress = Progress::positions(&session);
        (session, progress)
    } else {
        attach(&ask.doors, (ask.tenant(), ask.param("name")), wanted).await?
    };
    session.grant(u64::MAX, u64::MAX);
    let consuming = Consuming::over(&ask.doors, session);
    let events = EventStream::new(&ask, consuming, progress);
    Ok(response(Body::from_stream(events.run())))
}

fn response(body: Body) -> Response {
    let mut response = body.into_response();
    response.extensions_mut().insert(Lasting);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // What lies between must not collect it.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn wanted(ask: &Ask) -> Result<Wanted, Refusal> {
    let query = &ask.query;
    let consumer = query.text("consumer")?.unwrap_or(CONSUMER).to_owned();
    let max_in_flight = query.parsed::<u32>("max_in_flight", "a number of events")?;
    let ephemeral = query.parsed::<bool>("ephemeral", "true or false")?.unwrap_or(false);
    let start = query.text("start")?.map(start).transpose()?;
    query.end()?;
    if max_in_flight.is_some_and(|most| !(1..=WINDOW_MAX).contains(&most)) {
        let detail = format!("it is not in 1..={WINDOW_MAX}");
        return Err(Refusal::new(Code::FieldInvalid, detail).at_field("max_in_flight"));
    }
    for (given, field, of) in [
        (start.is_some() && !ephemeral, "start", "a stream without a cursor: `ephemeral=true`"),
        (max_in_flight.is_some() && ephemeral, "max_in_flight", "a stream with a cursor"),
    ] {
        if given {
            let detail = format!("`{field}` belongs to {of}");
            return Err(Refusal::new(Code::FieldInvalid, detail).at_field(field));
        }
    }
    let last = ask.header(&LAST_EVENT_ID)?.filter(|id| !id.is_empty());
    Ok(Wanted { consumer, max_in_flight, ephemeral, start, last })
}

fn start(text: &str) -> Result<Start, Refusal> {
    match text {
        "latest" => Ok(Start::Latest),
        "earliest" => Ok(Start::Earliest),
        time => time.parse::<Timestamp>().map(Start::Time).map_err(|_| {
            let shown: String = time.chars().take(40).collect();
            Refusal::new(Code::FieldInvalid, format!("`{shown}` is not a start"))
                .at_field("start")
                .with_hint("latest, earliest, or an RFC 3339 UTC time")
        }),
    }
}

/// Attaches; an id of an earlier session acknowledges up to it, and takes over from a connection
/// that is still thought to be there.
async fn attach(
    doors: &Doors,
    (tenant, name): (&str, &str),
    wanted: Wanted,
) -> Result<(Session, Progress), Refusal> {
    let last = wanted.last.as_deref().map(str::parse::<SentId>).transpose()?;
    let now = doors.parts.clock.monotonic();
    let earlier = last.and_then(|last| doors.streams.find(last.session, tenant, name, now));
    let attach = Attach {
        consumer: wanted.consumer,
        max_in_flight: wanted.max_in_flight,
        ack_deadline: None,
        hears_pauses: true,
        follows: earlier.as_ref().map(|earlier| earlier.latest),
    };
    let deliver = &doors.parts.deliver;
    let session = deliver.attach_with(tenant, name, attach)?;
    if let (Some(last), Some(earlier)) = (last, &earlier) {
        let runs = lock(&earlier.sent).take_up_to(last.number);
        deliver.ack_sent(tenant, name, last.session, vec![runs]).await?;
    }
    let place = (tenant.into(), name.to_owned());
    let follows = last.map(|last| last.session).filter(|_| earlier.is_some());
    let sent = doors.streams.sign_on(session.number(), place, follows);
    Ok((session, Progress::numbers(sent)))
}

fn lock(sent: &Mutex<Unresolved>) -> std::sync::MutexGuard<'_, Unresolved> {
    sent.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether an id of an ack is one of a stream's events.
pub(crate) fn is_sent_id(text: &str) -> bool {
    text.parse::<SentId>().is_ok()
}

/// Acknowledges events of a stream by their ids; one state for each, `up_to` first.
pub(crate) async fn ack(
    doors: &Arc<Doors>,
    (tenant, name): (&str, &str),
    (up_to, ids): (&[String], &[String]),
) -> Result<Vec<(String, AckState)>, Refusal> {
    let mut answers = Vec::with_capacity(up_to.len() + ids.len());
    for (text, below) in up_to.iter().map(|t| (t, true)).chain(ids.iter().map(|t| (t, false))) {
        let id: SentId = text.parse()?;
        let runs = sent(doors, (tenant, name), id, below);
        let deliver = &doors.parts.deliver;
        let states = deliver.ack_sent(tenant, name, id.session, vec![runs]).await?;
        answers.push((text.clone(), states.first().copied().unwrap_or(AckState::Stale)));
    }
    Ok(answers)
}

/// Gives events of a stream back by their ids.
pub(crate) fn nack(
    doors: &Arc<Doors>,
    (tenant, name): (&str, &str),
    (ids, nack): (&[String], &Nack),
) -> Result<Vec<(String, AckState)>, Refusal> {
    let mut answers = Vec::with_capacity(ids.len());
    for text in ids {
        let id: SentId = text.parse()?;
        let runs = sent(doors, (tenant, name), id, false);
        let states = doors.parts.deliver.nack_sent(tenant, name, id.session, (&runs, nack))?;
        answers.push((text.clone(), states.first().copied().unwrap_or(AckState::Stale)));
    }
    Ok(answers)
}

/// What an id stands for; nothing when it was resolved, or its session is forgotten.
fn sent(doors: &Doors, (tenant, name): (&str, &str), id: SentId, below: bool) -> Vec<Run> {
    let now = doors.parts.clock.monotonic();
    let Some(known) = doors.streams.find(id.session, tenant, name, now) else { return Vec::new() };
    let mut sent = lock(&known.sent);
    if below { sent.take_up_to(id.number) } else { sent.take(id.number).into_iter().collect() }
}
