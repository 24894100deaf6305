//! `tidings subscription`: list, show, create, apply, update, test, pause, resume, seek, delete.

mod apply;
mod difference;
mod terms;
mod trial;

use serde_json::{Value, json};
use tidings_client::Client;
use tidings_client::documents::SubscriptionDocument;

use crate::cli::{SubscriptionCommand, SubscriptionCreateArgs, SubscriptionUpdateArgs};
use crate::failure::Failure;
use crate::output;
use difference::difference;

pub(super) async fn run(command: SubscriptionCommand, as_json: bool) -> Result<(), Failure> {
    match command {
        SubscriptionCommand::List(server) => {
            let client = Client::connect(&server.server).await?;
            let list = client.rest().subscriptions().await?;
            if as_json {
                return output::json(&list);
            }
            list.subscriptions.iter().try_for_each(show)
        }
        SubscriptionCommand::Show(args) => {
            let client = Client::connect(&args.server.server).await?;
            show_whole(&client, &args.name, as_json).await
        }
        SubscriptionCommand::Create(args) => {
            let client = Client::connect(&args.server.server).await?;
            tell(&create(&client, args).await?, as_json)
        }
        SubscriptionCommand::Apply(args) => apply::run(args, as_json).await,
        SubscriptionCommand::Update(args) => update(args, as_json).await,
        SubscriptionCommand::Test(args) => trial::run(args, as_json).await,
        SubscriptionCommand::Pause(args) => {
            let client = Client::connect(&args.server.server).await?;
            tell(&client.rest().pause_subscription(&args.name).await?, as_json)
        }
        SubscriptionCommand::Resume(args) => {
            let client = Client::connect(&args.server.server).await?;
            tell(&client.rest().resume_subscription(&args.name).await?, as_json)
        }
        SubscriptionCommand::Seek(args) => {
            let client = Client::connect(&args.server.server).await?;
            let request = json!({ "to": start(&args.to) });
            let found = client.rest().seek_subscription(&args.name, &request).await?;
            if as_json {
                return output::json(&found);
            }
            found.positions.iter().try_for_each(|position| output::line(position))
        }
        SubscriptionCommand::Delete(args) => {
            let client = Client::connect(&args.server.server).await?;
            client.rest().delete_subscription(&args.name).await?;
            let name = args.name;
            if as_json {
                return output::json(&json!({ "deleted": name }));
            }
            output::line(&format!("{name} deleted"))
        }
    }
}

async fn show_whole(client: &Client, name: &str, as_json: bool) -> Result<(), Failure> {
    let definition = client.rest().subscription(name).await?;
    let status = client.rest().status(name).await?;
    if as_json {
        return output::json(&json!({"subscription": definition, "status": status}));
    }
    show(&definition)?;
    let age = status.lag_seconds.map_or_else(String::new, |age| format!(", {age:.1} s"));
    let (lag, in_flight) = (status.lag_events, status.in_flight);
    output::line(&format!("  {}: lag {lag} events{age}, {in_flight} in flight", status.health))?;
    for (count, what) in [
        (status.failing, "failing"),
        (status.held, "held back behind failing ones"),
        (status.waiting, "waiting for their member"),
        (status.folded, "waiting for their digest"),
    ] {
        if count > 0 {
            output::line(&format!("  {count} {what}"))?;
        }
    }
    for member in &status.members {
        let doing = if member.active { "has" } else { "stands by with" };
        output::line(&format!("  {} {doing} {} in flight", member.consumer, member.in_flight))?;
    }
    if status.members.is_empty() {
        output::line("  attached: nobody")?;
    }
    Ok(())
}

/// Creates a subscription; the same again is fine.
pub(super) async fn create(
    client: &Client,
    args: SubscriptionCreateArgs,
) -> Result<SubscriptionDocument, Failure> {
    let mut document = terms::members(args.terms)?;
    document.insert("name".to_owned(), args.name.into());
    document.insert("topics".to_owned(), args.topics.into());
    document.insert("start".to_owned(), start(&args.start));
    if args.pull {
        document.entry("delivery").or_insert_with(|| json!({"pull": {}}));
    } else if document.insert("delivery".to_owned(), json!({"stream": {}})).is_some() {
        return Err(Failure::Usage("--ack-deadline-ms needs --pull".to_owned()));
    }
    if let Some(sharing) = args.sharing {
        document.insert("sharing".to_owned(), sharing.into());
    }
    Ok(client.rest().create_subscription_as(&document).await?)
}

/// Where to start, from what was written.
fn start(text: &str) -> Value {
    match text {
        "latest" | "earliest" | "last_per_key" => text.into(),
        positions if positions.starts_with("p1-") => {
            json!({ "positions": positions.split(',').collect::<Vec<_>>() })
        }
        time => json!({ "time": time }),
    }
}

async fn update(args: SubscriptionUpdateArgs, as_json: bool) -> Result<(), Failure> {
    let mut patch = terms::members(args.terms)?;
    if !args.topics.is_empty() {
        patch.insert("topics".to_owned(), args.topics.into());
    }
    let client = Client::connect(&args.server.server).await?;
    let before = client.rest().subscription(&args.name).await?;
    let after = if args.dry_run {
        client.rest().preview_patch(&args.name, &patch).await?
    } else {
        client.rest().patch_subscription(&args.name, &patch).await?
    };
    if as_json {
        return output::json(&after);
    }
    show(&after)?;
    difference(&before, &after).iter().try_for_each(|line| output::line(&format!("  {line}")))
}

fn tell(subscription: &SubscriptionDocument, as_json: bool) -> Result<(), Failure> {
    if as_json { output::json(subscription) } else { show(subscription) }
}

fn show(subscription: &SubscriptionDocument) -> Result<(), Failure> {
    let SubscriptionDocument { name, topics, mode, max_in_flight, .. } = subscription;
    let topics = topics.join(", ");
    let paused = if subscription.paused { "; paused" } else { "" };
    let filter = subscription.filter.as_ref().map(|text| format!(" where {text}"));
    output::line(&format!(
        "{name}: {topics}{}; {mode}, at most {max_in_flight} in flight{paused}",
        filter.unwrap_or_default()
    ))?;
    subscription.notes.iter().try_for_each(|note| output::line(&format!("  note: {note}")))
}
