//! `POST /api/v1/events`.

use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use tidings_admit::{Batch, Outcome, Rejected};
use tidings_event::{Code, Refusal, format_event_id};
use tidings_wire::ProblemDocument;
use tidings_wire::input::not_available;
use tidings_wire::rest::{PublishDocument, PublishResultDocument};

use crate::refusals;
use crate::refused::problem_response;
use crate::rest::Answer;
use crate::rest::ask::{Ask, content_type_refusal, json};
use crate::rest::events_body::{self, Reader};

const SERVED: &str = "application/json, application/x-ndjson or application/x-protobuf";

pub(crate) async fn publish(mut ask: Ask) -> Answer {
    let topic = ask.query.text("topic")?;
    let topic = topic.map(|t| refusals::topic_name(ask.tenant(), t, "topic")).transpose()?;
    let atomic = ask.query.parsed("atomic", "true or false")?.unwrap_or(false);
    let durability = ask.query.text("durability")?.map(refusals::durability).transpose()?;
    ask.query.end()?;
    let batch = read(&mut ask).await?;
    if batch.read.is_empty() {
        return Err(Refusal::new(Code::BatchEmpty, "the body holds no event").into());
    }
    let refused = batch.read.iter().any(Result::is_err);
    let outcomes = if batch.body.is_empty() || (atomic && refused) {
        Vec::new()
    } else {
        let batch =
            Batch { body: batch.body, topic, atomic, durability, assigned_ids: batch.assigned_ids };
        ask.doors.parts.admission.publish(ask.tenant(), batch).await?
    };
    let outcomes = merged(batch.read, outcomes);
    answer(outcomes, batch.single, atomic, &ask.id.0)
}

async fn read(ask: &mut Ask) -> Result<events_body::Batch, Refusal> {
    let kind = ask.content_type();
    match kind.as_str() {
        "" | "application/json" | "application/x-ndjson" | "application/x-protobuf" => {}
        "application/avro"
        | "application/cloudevents+json"
        | "application/cloudevents-batch+json" => {
            return Err(not_available("content-type", format!("`{kind}` is not served yet"))
                .with_hint(format!("send {SERVED}")));
        }
        other => return Err(content_type_refusal(other, SERVED)),
    }
    let body = ask.body().await?;
    let parts = &ask.doors.parts;
    let reader = Reader { clock: &*parts.clock, max: parts.limits.batch_events };
    match kind.as_str() {
        "application/x-ndjson" => reader.lines(&body),
        "application/x-protobuf" => reader.protobuf(body),
        _ => reader.json(&body),
    }
}

/// One outcome per event of the request: refused while reading, or as admission said.
fn merged(read: Vec<Result<(), Box<Rejected>>>, admitted: Vec<Outcome>) -> Vec<Outcome> {
    let mut admitted = admitted.into_iter();
    let mut outcomes = Vec::with_capacity(read.len());
    for event in read {
        outcomes.push(match event {
            Err(rejected) => Err(*rejected),
            Ok(()) => match admitted.next() {
                Some(outcome) => outcome,
                None => Err(aborted()),
            },
        });
    }
    outcomes
}

/// What an event is answered whose batch was not admitted because of another.
fn aborted() -> Rejected {
    let refusal = Refusal::new(Code::BatchAborted, "another event of the batch was refused");
    Rejected { id: None, refusal }
}

fn answer(outcomes: Vec<Outcome>, single: bool, atomic: bool, request_id: &str) -> Answer {
    if single && let [Err(rejected)] = &outcomes[..] {
        return Err(rejected.refusal.clone().into());
    }
    let failed = outcomes.iter().any(Result::is_err);
    let results: Vec<_> = (0u32..)
        .zip(&outcomes)
        .map(|(index, outcome)| result(index, outcome, request_id))
        .collect();
    if failed && atomic {
        return refused_batch(results, request_id);
    }
    let status = if failed { StatusCode::MULTI_STATUS } else { StatusCode::OK };
    json(status, &PublishDocument { results })
}

/// A refused atomic batch: a problem, with the answer per event beside it.
fn refused_batch(
    results: Vec<PublishResultDocument>,
    request_id: &str,
) -> Result<Response, crate::refused::Refused> {
    #[derive(Serialize)]
    struct Aborted {
        #[serde(flatten)]
        problem: ProblemDocument,
        results: Vec<PublishResultDocument>,
    }
    let refusal = Refusal::new(Code::BatchAborted, "an event of the batch was refused")
        .with_hint("results says which; nothing was stored");
    let problem = ProblemDocument::new(&refusal, request_id);
    let document = serde_json::to_vec(&Aborted { problem, results })
        .map_err(|error| Refusal::new(Code::Internal, format!("answer: {error}")))?;
    Ok(problem_response(&refusal, document))
}

fn result(index: u32, outcome: &Outcome, request_id: &str) -> PublishResultDocument {
    match outcome {
        Ok(placed) => PublishResultDocument {
            index,
            id: Some(format_event_id(&placed.id)),
            topic: Some(placed.topic.name.path().to_owned()),
            partition: Some(placed.partition.0),
            offset: placed.offset.map(|offset| offset.0),
            epoch: Some(placed.epoch.0),
            duplicate: Some(placed.duplicate),
            durability: Some(placed.durability.name().to_owned()),
            error: None,
        },
        Err(rejected) => PublishResultDocument {
            index,
            id: rejected.id.as_ref().map(format_event_id),
            error: Some(ProblemDocument::new(&rejected.refusal, request_id)),
            ..PublishResultDocument::default()
        },
    }
}
