//! `/api/v1/subscriptions/{name}/dead-letters`: what could not be delivered.

use http::StatusCode;
use tidings_catalog::Snapshot;
use tidings_deliver::{Chosen, DeadLetter, Selection};
use tidings_event::Refusal;
use tidings_wire::rest::{
    DeadLetterDocument, DeadLetterListDocument, DeadLetterSelectionDocument,
    DeadLettersChangedDocument, FailedAttemptDocument,
};

use crate::dead_letters;
use crate::page::List;
use crate::rest::Answer;
use crate::rest::ask::{Ask, json};
use crate::rest::browse::raw_json;

/// Lists dead letters
///
/// Events that failed until nothing more was tried, with their original bytes and every attempt.
#[utoipa::path(
    get, path = "/api/v1/subscriptions/{name}/dead-letters", operation_id = "list_dead_letters", tag = "dead letters",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "Most entries; 100 by default."),
        ("cursor" = Option<String>, Query, description = "`next` of the part before."),
    ),
    responses(
        (status = 200, description = "A part of the list.", body = DeadLetterListDocument),
    ),
    extensions(("x-codes" = json!(["SUBSCRIPTION_UNKNOWN", "CURSOR_INVALID", "SHUTTING_DOWN"]))),
)]
pub(crate) async fn list(ask: Ask) -> Answer {
    let page = ask.page(List::DeadLetters)?;
    ask.query.end()?;
    let listed = dead_letters::list(&ask.doors, (ask.tenant(), ask.param("name")), &page).await?;
    let snapshot = ask.doors.parts.catalog.snapshot();
    let letters = listed.letters.iter().map(|letter| document(letter, &snapshot));
    json(
        StatusCode::OK,
        &DeadLetterListDocument {
            dead_letters: letters.collect::<Result<_, _>>()?,
            next: listed.next,
            letters: listed.counts.letters,
            bytes: listed.counts.bytes,
        },
    )
}

/// One dead letter
#[utoipa::path(
    get, path = "/api/v1/subscriptions/{name}/dead-letters/{position}", operation_id = "show_dead_letter", tag = "dead letters",
    responses(
        (status = 200, description = "The event, why it is here, and what was tried.", body = DeadLetterDocument),
    ),
    extensions(("x-codes" = json!(["SUBSCRIPTION_UNKNOWN", "DEAD_LETTER_UNKNOWN", "POSITION_INVALID", "SHUTTING_DOWN"]))),
)]
pub(crate) async fn show(ask: Ask) -> Answer {
    ask.query.end()?;
    let position = dead_letters::position(ask.param("position"), "position")?;
    let parts = &ask.doors.parts;
    let letter = parts.deliver.dead_letter(ask.tenant(), ask.param("name"), position).await?;
    json(StatusCode::OK, &document(&letter, &parts.catalog.snapshot())?)
}

/// Delivers dead letters again
///
/// Each re-enters behind what of its key is in flight and ahead of what was not sent yet, flagged
/// `redriven`, its attempts counted anew. It stays a dead letter until it is settled.
#[utoipa::path(
    post, path = "/api/v1/subscriptions/{name}/dead-letters/redrive", operation_id = "redrive_dead_letters", tag = "dead letters",
    request_body(content = DeadLetterSelectionDocument, example = json!({"all": true})),
    responses(
        (status = 200, description = "That they are delivered again is durable.", body = DeadLettersChangedDocument),
    ),
    extensions(("x-codes" = json!(["@document", "@write", "SUBSCRIPTION_UNKNOWN", "POSITION_INVALID"]))),
)]
pub(crate) async fn redrive(mut ask: Ask) -> Answer {
    let selection = selected(&mut ask).await?;
    let deliver = &ask.doors.parts.deliver;
    let chosen = deliver.redrive(ask.tenant(), ask.param("name"), selection).await?;
    json(StatusCode::OK, &changed(chosen))
}

/// Removes dead letters for good
///
/// A settlement says so. Those that are being delivered again stay.
#[utoipa::path(
    post, path = "/api/v1/subscriptions/{name}/dead-letters/discard", operation_id = "discard_dead_letters", tag = "dead letters",
    request_body(content = DeadLetterSelectionDocument, example = json!({"positions": ["p1-1-1-0-5"]})),
    responses(
        (status = 200, description = "They are gone.", body = DeadLettersChangedDocument),
    ),
    extensions(("x-codes" = json!(["@document", "@write", "SUBSCRIPTION_UNKNOWN", "POSITION_INVALID"]))),
)]
pub(crate) async fn discard(mut ask: Ask) -> Answer {
    let selection = selected(&mut ask).await?;
    let deliver = &ask.doors.parts.deliver;
    let chosen = deliver.discard(ask.tenant(), ask.param("name"), selection).await?;
    let (request, subscription) = (&ask.id.0, ask.param("name"));
    tracing::info!(%request, subscription, letters = chosen.letters, "dead letters were discarded");
    json(StatusCode::OK, &changed(chosen))
}

async fn selected(ask: &mut Ask) -> Result<Selection, Refusal> {
    ask.query.end()?;
    let wanted: DeadLetterSelectionDocument = ask.document().await?;
    let range = (wanted.from.as_deref(), wanted.to.as_deref());
    dead_letters::selection(&wanted.positions, range, wanted.all)
}

fn changed(chosen: Chosen) -> DeadLettersChangedDocument {
    let missing = chosen.missing.iter().map(ToString::to_string).collect();
    DeadLettersChangedDocument { letters: chosen.letters, missing }
}

fn document(letter: &DeadLetter, snapshot: &Snapshot) -> Result<DeadLetterDocument, Refusal> {
    let position = letter.position;
    let topic = snapshot.topic_by_id(position.topic);
    let attempts = letter.attempts.iter().map(|attempt| FailedAttemptDocument {
        at: attempt.at.to_string(),
        consumer: attempt.consumer.to_string(),
        outcome: attempt.outcome.as_str().to_owned(),
        detail: attempt.detail.to_string(),
    });
    Ok(DeadLetterDocument {
        position: position.to_string(),
        topic: topic.map_or_else(String::new, |topic| topic.name.path().to_owned()),
        partition: position.partition.0,
        offset: position.offset.0,
        event: letter.event.as_deref().map(raw_json).transpose()?,
        reason: letter.reason.as_str().to_owned(),
        state: letter.state.as_str().to_owned(),
        dead_since: letter.dead_since.to_string(),
        attempts: attempts.collect(),
    })
}
