//! What a trace says: the event, what was noted of it, what became of it in each subscription.

use tidings_deliver::{Attempt, DeadLetter, EventOutcome};
use tidings_event::block::{BlockHeader, KeyNotes};
use tidings_event::{Code, Offset, Position, Refusal, Timestamp, v1};
use tidings_insight::{Fate, LookedFor, Traced};
use tidings_wire::rest::{
    FailedAttemptDocument, TraceDocument, TraceKeySeqDocument, TraceLookedDocument,
    TraceStageDocument, TraceSubscriptionDocument,
};

use crate::doors::Doors;
use crate::finding::Found;
use crate::rest::browse::raw_json;

/// The document of a trace.
pub(super) fn of(
    found: &Found,
    (subscriptions, next): (Vec<TraceSubscriptionDocument>, Option<String>),
    looked: LookedFor,
    follows: bool,
) -> Result<TraceDocument, Refusal> {
    let (position, header) = (&found.position, &found.header);
    let seen = tidings_event::scan(&found.event)?.key_seq;
    let key_seq = seen.map(|seen| key_seq(header, position.offset, seen, follows));
    let at = header.ingested_at.to_string();
    Ok(TraceDocument {
        event: raw_json(&found.event)?,
        position: position.to_string(),
        topic: found.topic.name.path().to_owned(),
        partition: position.partition.0,
        offset: position.offset.0,
        epoch: position.epoch.0,
        stages: vec![TraceStageDocument { stage: "admitted".to_owned(), at }],
        key_seq,
        subscriptions,
        next,
        looked: TraceLookedDocument {
            by: found.by.to_owned(),
            blocks: found.blocks,
            settlement_blocks: looked.blocks,
            is_cut: looked.is_cut || looked.damaged > 0,
        },
    })
}

/// What became of the event in one subscription; nothing when it is gone meanwhile.
pub(super) async fn subscription(
    (doors, tenant): (&Doors, &str),
    position: &Position,
    traced: Traced,
) -> Result<Option<TraceSubscriptionDocument>, Refusal> {
    let name = traced.subscription.spec.name.clone();
    let mut document = TraceSubscriptionDocument {
        name: name.clone(),
        revision: traced.revision,
        deleted_at: traced.deleted_at.map(|at| at.to_string()),
        ..TraceSubscriptionDocument::default()
    };
    match traced.fate {
        Fate::NotMatched => document.outcome = "not_matched".to_owned(),
        Fate::BeforeStart => document.outcome = "before_start".to_owned(),
        Fate::Filtered => document.outcome = "filtered".to_owned(),
        Fate::Ended(settlement) => {
            ended(&mut document, &settlement);
            let may_be_there = traced.deleted_at.is_none()
                && settlement.outcome() == v1::settlement::Outcome::DeadLettered;
            if may_be_there {
                match doors.parts.deliver.dead_letter(tenant, &name, *position).await {
                    Ok(letter) => buried(&mut document, &letter),
                    Err(refusal) if refusal.code == Code::DeadLetterUnknown => {}
                    Err(refusal) => return Err(refusal),
                }
            }
        }
        Fate::Open if traced.deleted_at.is_some() => document.outcome = "deleted".to_owned(),
        Fate::Open => match doors.parts.deliver.outcome(tenant, &name, position) {
            Ok(outcome) => open(&mut document, outcome),
            Err(refusal) if refusal.code == Code::SubscriptionUnknown => return Ok(None),
            Err(refusal) => return Err(refusal),
        },
    }
    Ok(Some(document))
}

/// What a settlement says.
fn ended(document: &mut TraceSubscriptionDocument, settlement: &v1::Settlement) {
    let time = |nanos: u64| (nanos > 0).then(|| Timestamp(nanos).to_string());
    document.outcome = settlement.outcome().as_str_name().to_ascii_lowercase();
    document.reason = said(&settlement.reason);
    document.consumer = said(&settlement.consumer);
    document.first_sent = time(settlement.first_sent);
    document.settled_at = time(settlement.settled_at);
    document.deliveries = settlement.attempts;
}

fn said(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// What was tried before the event became a dead letter.
fn buried(document: &mut TraceSubscriptionDocument, letter: &DeadLetter) {
    document.letter = Some(letter.state.as_str().to_owned());
    document.attempts = letter.attempts.iter().map(attempt).collect();
}

/// What is not written down yet.
fn open(document: &mut TraceSubscriptionDocument, outcome: EventOutcome) {
    let name = match outcome {
        EventOutcome::Settled => "settled",
        EventOutcome::InFlight => "in_flight",
        EventOutcome::Pending => "pending",
        EventOutcome::Retrying(attempts) => {
            document.attempts = attempts.iter().map(attempt).collect();
            "retrying"
        }
        EventOutcome::Held => "held",
        EventOutcome::NotMatched => "not_matched",
        EventOutcome::BeforeStart => "before_start",
    };
    document.outcome = name.to_owned();
}

fn attempt(attempt: &Attempt) -> FailedAttemptDocument {
    FailedAttemptDocument {
        at: attempt.at.to_string(),
        consumer: attempt.consumer.to_string(),
        outcome: attempt.outcome.as_str().to_owned(),
        detail: attempt.detail.to_string(),
    }
}

/// What admission noted of the event's number. Nothing noted is in line, unless notes were left out.
fn key_seq(header: &BlockHeader, offset: Offset, seen: u64, follows: bool) -> TraceKeySeqDocument {
    let notes = KeyNotes::of(header).unwrap_or_default();
    let index = offset.0 - header.base_offset.0;
    let note = notes.notes.iter().find(|note| u64::from(note.index) == index);
    let last = notes.notes.last().map_or(0, |note| u64::from(note.index));
    let (state, expected) = match note {
        Some(note) => (note.state.as_str(), Some(note.expected)),
        None if !follows || (notes.overflow > 0 && index > last) => ("unknown", None),
        None => ("ok", Some(seen)),
    };
    TraceKeySeqDocument { state: state.to_owned(), expected, seen }
}
