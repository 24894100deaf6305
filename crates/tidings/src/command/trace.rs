//! `tidings trace`: where one event went.

use tidings_client::Client;
use tidings_client::documents::TraceDocument;

use crate::cli::TraceArgs;
use crate::failure::Failure;
use crate::output;

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
    for subscription in &trace.subscriptions {
        output::line(&format!("{}: {}", subscription.name, subscription.outcome))?;
    }
    if trace.next.is_some() {
        output::line("there are more subscriptions")?;
    }
    Ok(())
}
