//! `tidings dead-letter`: list, show, redrive, discard.

use tidings_client::Client;
use tidings_client::documents::{
    DeadLetterDocument, DeadLetterSelectionDocument, DeadLettersChangedDocument,
    FailedAttemptDocument,
};

use crate::cli::{DeadLetterCommand, DeadLetterSelectArgs};
use crate::failure::Failure;
use crate::output;

pub(super) async fn run(command: DeadLetterCommand, as_json: bool) -> Result<(), Failure> {
    match command {
        DeadLetterCommand::List(args) => {
            let client = Client::connect(&args.server.server).await?;
            let cursor = args.cursor.as_deref();
            let list = client.rest().dead_letters(&args.name, args.limit, cursor).await?;
            if as_json {
                return output::json(&list);
            }
            list.dead_letters.iter().try_for_each(show)?;
            output::line(&format!("{} letters, {} bytes", list.letters, list.bytes))?;
            list.next.map_or(Ok(()), |next| output::line(&format!("more: --cursor {next}")))
        }
        DeadLetterCommand::Show(args) => {
            let client = Client::connect(&args.server.server).await?;
            let letter = client.rest().dead_letter(&args.name, &args.position).await?;
            if as_json {
                return output::json(&letter);
            }
            show(&letter)?;
            letter.attempts.iter().try_for_each(show_attempt)?;
            output::line(letter.event.as_ref().map_or("  its bytes are damaged", |e| e.get()))
        }
        DeadLetterCommand::Redrive(args) => {
            let client = Client::connect(&args.server.server).await?;
            let redriven = client.rest().redrive(&args.name, &selection(&args)).await?;
            tell(&redriven, "are delivered again", as_json)
        }
        DeadLetterCommand::Discard(args) => {
            let client = Client::connect(&args.server.server).await?;
            let discarded = client.rest().discard(&args.name, &selection(&args)).await?;
            tell(&discarded, "are gone", as_json)
        }
    }
}

fn selection(args: &DeadLetterSelectArgs) -> DeadLetterSelectionDocument {
    DeadLetterSelectionDocument {
        positions: args.position.clone(),
        from: args.from.clone(),
        to: args.to.clone(),
        all: args.all,
    }
}

fn tell(changed: &DeadLettersChangedDocument, what: &str, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return output::json(changed);
    }
    output::line(&format!("{} letters {what}", changed.letters))?;
    changed.missing.iter().try_for_each(|position| output::line(&format!("no letter: {position}")))
}

fn show(letter: &DeadLetterDocument) -> Result<(), Failure> {
    let DeadLetterDocument { position, topic, partition, offset, reason, state, .. } = letter;
    let (attempts, since) = (letter.attempts.len(), &letter.dead_since);
    output::line(&format!(
        "{position}: {topic}, partition {partition}, offset {offset}; {reason} after {attempts} \
         attempts, {state} since {since}"
    ))
}

/// An attempt that failed.
pub(super) fn show_attempt(attempt: &FailedAttemptDocument) -> Result<(), Failure> {
    let FailedAttemptDocument { at, consumer, outcome, detail } = attempt;
    let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
    output::line(&format!("  {at} {outcome} by {consumer}{detail}"))
}
