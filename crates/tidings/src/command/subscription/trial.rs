//! `tidings subscription test`: what would have matched, over all parts of the answer.

use std::collections::BTreeMap;

use tidings_client::Client;
use tidings_client::documents::{
    PeakDocument, TestDocument, TestRequestDocument, TopicCountDocument,
};

use crate::cli::SubscriptionTestArgs;
use crate::failure::Failure;
use crate::output;

pub(super) async fn run(args: SubscriptionTestArgs, as_json: bool) -> Result<(), Failure> {
    let client = Client::connect(&args.server.server).await?;
    let mut request = TestRequestDocument {
        topics: args.topics,
        filter: args.filter,
        from: args.from,
        to: args.to,
        samples: Some(args.samples),
    };
    let mut whole = ask(&client, args.name.as_deref(), &request).await?;
    request.to = Some(whole.to.clone());
    while let Some(next) = whole.next.take() {
        request.from = Some(next);
        let shown = u32::try_from(whole.samples.len()).unwrap_or(u32::MAX);
        request.samples = Some(args.samples.saturating_sub(shown));
        let part = ask(&client, args.name.as_deref(), &request).await?;
        add(&mut whole, part);
    }
    if as_json { output::json(&whole) } else { show(&whole) }
}

async fn ask(
    client: &Client,
    name: Option<&str>,
    request: &TestRequestDocument,
) -> Result<TestDocument, Failure> {
    let rest = client.rest();
    Ok(match name {
        Some(name) => rest.test_subscription(name, request).await?,
        None => rest.test_filter(request).await?,
    })
}

/// Adds a later part.
fn add(whole: &mut TestDocument, part: TestDocument) {
    whole.looked.events += part.looked.events;
    whole.looked.bytes += part.looked.bytes;
    whole.matched.events += part.matched.events;
    whole.matched.bytes += part.matched.bytes;
    let most = |peak: &Option<_>| peak.as_ref().map_or(0, |p: &PeakDocument| p.events);
    if most(&part.peak) > most(&whole.peak) {
        whole.peak = part.peak;
    }
    whole.first = whole.first.take().or(part.first);
    whole.last = part.last.or(whole.last.take());
    let mut topics: BTreeMap<String, TopicCountDocument> =
        whole.topics.drain(..).map(|count| (count.topic.clone(), count)).collect();
    for count in part.topics {
        let known = topics.entry(count.topic.clone()).or_insert_with(|| TopicCountDocument {
            topic: count.topic.clone(),
            ..TopicCountDocument::default()
        });
        known.looked += count.looked;
        known.matched += count.matched;
    }
    whole.topics = topics.into_values().collect();
    if let (Some(whole), Some(part)) = (&mut whole.compared, part.compared) {
        whole.both += part.both;
        whole.only_old += part.only_old;
        whole.only_new += part.only_new;
    }
    whole.unreadable += part.unreadable;
    whole.samples.extend(part.samples);
    whole.next = part.next;
}

fn show(found: &TestDocument) -> Result<(), Failure> {
    let (matched, looked) = (found.matched, found.looked);
    output::line(&format!(
        "{} of {} events match, {} bytes, from {} to {}",
        matched.events, looked.events, matched.bytes, found.from, found.to
    ))?;
    if let Some(peak) = &found.peak {
        output::line(&format!("  peak: {} in the second of {}", peak.events, peak.at))?;
    }
    for count in &found.topics {
        output::line(&format!("  {}: {} of {}", count.topic, count.matched, count.looked))?;
    }
    if let Some(compared) = found.compared {
        output::line(&format!(
            "  in force and tried: {}; only in force: {}; only tried: {}",
            compared.both, compared.only_old, compared.only_new
        ))?;
    }
    if found.unreadable > 0 {
        output::line(&format!("  damaged, not looked at: {}", found.unreadable))?;
    }
    for note in &found.notes {
        output::line(&format!("  note: {note}"))?;
    }
    found.samples.iter().try_for_each(|sample| {
        output::line(&format!("  {} {}", sample.position, sample.event.get()))
    })
}
