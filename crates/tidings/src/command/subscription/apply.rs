//! `tidings subscription apply`: makes subscriptions be as a file says. What the file leaves out has
//! its default, also where it was something else before.

use std::path::Path;

use serde_json::{Map, Value, json};
use tidings_client::documents::SubscriptionDocument;
use tidings_client::{Client, ClientError};

use super::difference::difference;
use crate::cli::SubscriptionApplyArgs;
use crate::failure::Failure;
use crate::output;

/// Members that may change, each with those of its own that may be absent.
const CHANGING: &[(&str, &[&str])] = &[
    ("filter", &[]),
    ("mode", &[]),
    ("max_in_flight", &[]),
    ("retry", &["max_attempts", "min_backoff_ms", "max_backoff_ms", "max_age_ms", "on_park_full"]),
    ("batch", &["max_events", "max_bytes", "max_delay_ms", "compression"]),
    ("fold", &[]),
    ("expires_after_ms", &[]),
    ("labels", &[]),
    ("owner", &[]),
];

/// What became of one subscription of the file.
struct Outcome {
    name: String,
    outcome: &'static str,
    changes: Vec<String>,
    error: Option<String>,
}

pub(super) async fn run(args: SubscriptionApplyArgs, as_json: bool) -> Result<(), Failure> {
    let wanted = read(&args.file)?;
    let client = Client::connect(&args.server.server).await?;
    let mut outcomes = Vec::new();
    for document in wanted {
        let name = document["name"].as_str().unwrap_or_default().to_owned();
        let outcome = match apply(&client, &name, document, args.dry_run).await {
            Ok((outcome, changes)) => Outcome { name, outcome, changes, error: None },
            Err(error @ ClientError::Unreachable { .. }) => return Err(error.into()),
            Err(error) => {
                let error = Some(error.to_string());
                Outcome { name, outcome: "failed", changes: Vec::new(), error }
            }
        };
        if !as_json {
            tell(&outcome, args.dry_run)?;
        }
        outcomes.push(outcome);
    }
    if as_json {
        let rows: Vec<Value> = outcomes.iter().map(row).collect();
        output::json(&json!({"dry_run": args.dry_run, "subscriptions": rows}))?;
    }
    let failed = outcomes.iter().filter(|outcome| outcome.error.is_some());
    match failed.clone().next().and_then(|first| first.error.as_ref()) {
        None => Ok(()),
        Some(first) => {
            let (failed, all) = (failed.count(), outcomes.len());
            Err(Failure::Failed(format!("{failed} of {all} subscriptions failed: {first}")))
        }
    }
}

fn tell(outcome: &Outcome, dry_run: bool) -> Result<(), Failure> {
    let would = if dry_run && outcome.outcome != "unchanged" { "would be " } else { "" };
    let Outcome { name, outcome, changes, error } = outcome;
    match error {
        Some(error) => output::line(&format!("{name}: {outcome}: {error}")),
        None => {
            output::line(&format!("{name}: {would}{outcome}"))?;
            changes.iter().try_for_each(|change| output::line(&format!("  {change}")))
        }
    }
}

fn row(outcome: &Outcome) -> Value {
    let Outcome { name, outcome, changes, error } = outcome;
    json!({"name": name, "outcome": outcome, "changes": changes, "error": error})
}

async fn apply(
    client: &Client,
    name: &str,
    wanted: Map<String, Value>,
    dry_run: bool,
) -> Result<(&'static str, Vec<String>), ClientError> {
    let rest = client.rest();
    let before = match rest.subscription(name).await {
        Ok(before) => before,
        Err(error) if is_unknown(&error) => {
            if dry_run {
                rest.preview_subscription(&wanted).await?;
            } else {
                rest.create_subscription_as(&wanted).await?;
            }
            return Ok(("created", Vec::new()));
        }
        Err(error) => return Err(error),
    };
    let patch = patch(&before, wanted);
    let preview = rest.preview_patch(name, &patch).await?;
    let changes = difference(&before, &preview);
    if changes.is_empty() {
        return Ok(("unchanged", changes));
    }
    if !dry_run {
        rest.patch_subscription(name, &patch).await?;
    }
    Ok(("changed", changes))
}

fn is_unknown(error: &ClientError) -> bool {
    error.problem().is_some_and(|problem| problem.code == "SUBSCRIPTION_UNKNOWN")
}

/// What makes a subscription be as wanted: what may change and is left out gets its default.
fn patch(before: &SubscriptionDocument, wanted: Map<String, Value>) -> Map<String, Value> {
    let mut patch = wanted;
    for (member, inner) in CHANGING {
        if *member == "labels" {
            continue;
        }
        match patch.get_mut(*member) {
            Some(Value::Object(object)) => {
                for name in *inner {
                    object.entry(*name).or_insert(Value::Null);
                }
            }
            Some(_) => {}
            None => drop(patch.insert((*member).to_owned(), Value::Null)),
        }
    }
    let labels = patch.entry("labels").or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(labels) = labels {
        for name in before.labels.keys() {
            labels.entry(name).or_insert(Value::Null);
        }
    }
    patch
}

fn read(file: &Path) -> Result<Vec<Map<String, Value>>, Failure> {
    let shown = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::Usage(format!("cannot read {shown}: {error}")))?;
    parse(&text).map_err(|reason| Failure::Usage(format!("{shown}: {reason}")))
}

/// Whether a text is JSON rather than TOML: an object, or a list of them.
fn is_json(text: &str) -> bool {
    let text = text.trim_start();
    let list = text.strip_prefix('[').map(str::trim_start);
    text.starts_with('{') || list.is_some_and(|rest| rest.starts_with(['{', ']']))
}

fn parse(text: &str) -> Result<Vec<Map<String, Value>>, String> {
    let listed = if is_json(text) {
        match serde_json::from_str(text).map_err(|error| error.to_string())? {
            Value::Object(mut whole) => whole.remove("subscriptions").unwrap_or(Value::Null),
            list => list,
        }
    } else {
        let mut whole: Map<String, Value> =
            toml::from_str(text).map_err(|error| error.to_string())?;
        let list = whole.remove("subscription").unwrap_or(Value::Array(Vec::new()));
        if let Some(unknown) = whole.keys().next() {
            return Err(format!("unknown key `{unknown}`: write [[subscription]] tables"));
        }
        list
    };
    let Value::Array(list) = listed else {
        return Err("it is not a list of subscriptions".to_owned());
    };
    let documents = list.into_iter().enumerate().map(|(at, document)| match document {
        Value::Object(document) if document.get("name").is_some_and(Value::is_string) => {
            Ok(document)
        }
        _ => Err(format!("subscription {at} has no name")),
    });
    documents.collect()
}

#[cfg(test)]
mod tests;
