//! The answer to a publish: one result an event, in input order.

use axum::response::Response;
use http::StatusCode;
use serde::{Serialize, Serializer};
use tidings_admit::{Outcome, Rejected};
use tidings_event::{Code, Refusal, format_event_id};
use tidings_wire::ProblemDocument;
use tidings_wire::rest::WrittenResult;

use crate::refused::{Refused, problem_response};
use crate::rest::Answer;
use crate::rest::ask::json;

/// One outcome per event of the request: refused while reading, or as admission said.
pub(crate) fn merged(read: Vec<Result<(), Box<Rejected>>>, admitted: Vec<Outcome>) -> Vec<Outcome> {
    if admitted.len() == read.len() {
        return admitted;
    }
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

/// The answer to a request of one event or of a batch.
pub(crate) fn answer(outcomes: &[Outcome], single: bool, atomic: bool, request_id: &str) -> Answer {
    if single && let [Err(rejected)] = outcomes {
        return Err(rejected.refusal.clone().into());
    }
    let failed = outcomes.iter().any(Result::is_err);
    let results = InOrder { outcomes, request_id };
    if failed && atomic {
        return refused_batch(results, request_id);
    }
    let status = if failed { StatusCode::MULTI_STATUS } else { StatusCode::OK };
    json(status, &Results { results })
}

/// What a `PublishDocument` is written from.
#[derive(Serialize)]
pub(crate) struct Results<T> {
    pub(crate) results: T,
}

/// The results of a batch, each made when it is written: those of a large batch are never all there
/// at once.
struct InOrder<'a> {
    outcomes: &'a [Outcome],
    request_id: &'a str,
}

impl Serialize for InOrder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let numbered = (0u32..).zip(self.outcomes);
        serializer.collect_seq(numbered.map(|(at, one)| result(at, one, self.request_id)))
    }
}

/// A refused atomic batch: a problem, with the answer per event beside it.
fn refused_batch(results: InOrder<'_>, request_id: &str) -> Result<Response, Refused> {
    #[derive(Serialize)]
    struct Aborted<'a> {
        #[serde(flatten)]
        problem: ProblemDocument,
        results: InOrder<'a>,
    }
    let refusal = Refusal::new(Code::BatchAborted, "an event of the batch was refused")
        .with_hint("results says which; nothing was stored");
    let problem = ProblemDocument::new(&refusal, request_id);
    let document = serde_json::to_vec(&Aborted { problem, results })
        .map_err(|error| Refusal::new(Code::Internal, format!("answer: {error}")))?;
    Ok(problem_response(&refusal, document))
}

fn result<'a>(index: u32, outcome: &'a Outcome, request_id: &str) -> WrittenResult<'a> {
    match outcome {
        Ok(placed) => WrittenResult {
            index,
            id: Some(format_event_id(&placed.id)),
            topic: Some(placed.topic.name.path()),
            partition: Some(placed.partition.0),
            offset: placed.offset.map(|offset| offset.0),
            epoch: Some(placed.epoch.0),
            duplicate: Some(placed.duplicate),
            durability: Some(placed.durability.name()),
            error: None,
        },
        Err(rejected) => WrittenResult {
            index,
            id: rejected.id.as_ref().map(format_event_id),
            topic: None,
            partition: None,
            offset: None,
            epoch: None,
            duplicate: None,
            durability: None,
            error: Some(ProblemDocument::new(&rejected.refusal, request_id)),
        },
    }
}
