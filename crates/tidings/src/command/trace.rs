//! `tidings trace`: where one event went.

use tidings_client::Client;
use tidings_client::documents::{TraceDocument, TraceSubscriptionDocument};

use crate::cli::TraceArgs;
use crate::failure::Failure;
use crate::output;

use super::dead_letter::show_attempt;

pub(super) async fn run(args: TraceArgs, as_json: bool) -> Result<(), Failure> {
    let client = Client::connect(&args.server.server).await?;
    let topic = args.topic.map(|name| name.replace('/', ":"));
    let given = [
        ("position", &args.position),
        ("topic", &topic),
        ("source", &args.source),
        ("from", &args.from),
        ("to", &args.to),
    ];
    let clues = given.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)));
    let clues: Vec<_> = clues.collect();
    let trace = client.rest().trace(&args.id, &clues).await?;
    if as_json { output::json(&trace) } else { show(&trace) }
}

fn show(trace: &TraceDocument) -> Result<(), Failure> {
    let TraceDocument { topic, partition, offset, position, .. } = trace;
    output::line(&format!("{topic}, partition {partition}, offset {offset} ({position})"))?;
    for stage in &trace.stages {
        output::line(&format!("{} at {}", stage.stage, stage.at))?;
    }
    if let Some(key_seq) = &trace.key_seq {
        let expected = key_seq.expected.map_or(String::new(), |n| format!(", {n} was in line"));
        output::line(&format!("key_seq {}: {}{expected}", key_seq.seen, key_seq.state))?;
    }
    trace.subscriptions.iter().try_for_each(show_subscription)?;
    if trace.looked.is_cut {
        output::line("not every settlement was read: an outcome may be older than the last")?;
    }
    if trace.next.is_some() {
        output::line("there are more subscriptions")?;
    }
    Ok(())
}

fn show_subscription(of: &TraceSubscriptionDocument) -> Result<(), Failure> {
    let mut line = format!("{}: {}", of.name, of.outcome);
    let facts = [
        of.reason.clone(),
        (of.deliveries > 1).then(|| format!("{} deliveries", of.deliveries)),
        of.consumer.as_ref().map(|consumer| format!("by {consumer}")),
        of.settled_at.as_ref().map(|at| format!("at {at}")),
        of.letter.as_ref().map(|state| format!("the letter is {state}")),
        of.deleted_at.as_ref().map(|at| format!("the subscription was deleted at {at}")),
    ];
    for fact in facts.into_iter().flatten() {
        line.push_str(", ");
        line.push_str(&fact);
    }
    output::line(&line)?;
    of.attempts.iter().try_for_each(show_attempt)
}
