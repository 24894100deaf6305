//! `tidings subscription`: list, show, create, delete.

use serde_json::json;
use tidings_client::Client;
use tidings_client::documents::{
    DeliveryDocument, PullOptions, StartDocument, StreamOptions, SubscriptionDocument,
    SubscriptionRequest,
};

use crate::cli::SubscriptionCommand;
use crate::failure::Failure;
use crate::output;

/// What a new subscription is asked to be.
pub(super) struct Definition {
    pub(super) name: String,
    pub(super) topics: Vec<String>,
    pub(super) start: String,
    pub(super) pull: bool,
    pub(super) max_in_flight: Option<u32>,
}

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
            let definition = client.rest().subscription(&args.name).await?;
            let status = client.rest().status(&args.name).await?;
            if as_json {
                return output::json(&json!({"subscription": definition, "status": status}));
            }
            show(&definition)?;
            let consumer = status.consumer.as_deref().unwrap_or("nobody");
            let (lag, in_flight) = (status.lag_events, status.in_flight);
            output::line(&format!(
                "  lag {lag} events, {in_flight} in flight, attached: {consumer}"
            ))
        }
        SubscriptionCommand::Create(args) => {
            let client = Client::connect(&args.server.server).await?;
            let definition = Definition {
                name: args.name,
                topics: args.topics,
                start: args.start,
                pull: args.pull,
                max_in_flight: args.max_in_flight,
            };
            let created = create(&client, definition).await?;
            if as_json { output::json(&created) } else { show(&created) }
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

/// Creates a subscription; the same again is fine.
pub(super) async fn create(
    client: &Client,
    definition: Definition,
) -> Result<SubscriptionDocument, Failure> {
    let start = match definition.start.as_str() {
        "latest" => StartDocument::Latest,
        "earliest" => StartDocument::Earliest,
        time => StartDocument::Time(time.to_owned()),
    };
    let delivery = if definition.pull {
        DeliveryDocument { pull: Some(PullOptions::default()), ..DeliveryDocument::default() }
    } else {
        DeliveryDocument { stream: Some(StreamOptions {}), ..DeliveryDocument::default() }
    };
    let request = SubscriptionRequest {
        name: definition.name,
        topics: definition.topics,
        start: Some(start),
        delivery: Some(delivery),
        max_in_flight: definition.max_in_flight,
        ..SubscriptionRequest::default()
    };
    Ok(client.rest().create_subscription(&request).await?)
}

fn show(subscription: &SubscriptionDocument) -> Result<(), Failure> {
    let SubscriptionDocument { name, topics, mode, max_in_flight, .. } = subscription;
    let topics = topics.join(", ");
    output::line(&format!("{name}: {topics}; {mode}, at most {max_in_flight} in flight"))
}
