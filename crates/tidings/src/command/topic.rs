//! `tidings topic`: list, show, create, delete.

use serde_json::{Value, json};
use tidings_client::Client;
use tidings_client::documents::{
    GuaranteeDocument, RetentionDocument, TopicDocument, TopicRequestDocument,
};
use tidings_wire::spelling::{format_duration, parse_duration};

use crate::cli::{TopicCommand, TopicCreateArgs};
use crate::failure::Failure;
use crate::output;

pub(super) async fn run(command: TopicCommand, as_json: bool) -> Result<(), Failure> {
    match command {
        TopicCommand::List(server) => {
            let list = Client::connect(&server.server).await?.rest().topics().await?;
            if as_json {
                return output::json(&list);
            }
            list.topics.iter().try_for_each(show)
        }
        TopicCommand::Show(args) => {
            let client = Client::connect(&args.server.server).await?;
            let topic = client.rest().topic(&args.name).await?;
            let sheet = client.rest().guarantees(&args.name).await?.guarantees;
            if as_json {
                return output::json(&with_sheet(&topic, &sheet)?);
            }
            show(&topic)?;
            sheet.iter().try_for_each(promise)
        }
        TopicCommand::Create(args) => {
            let client = Client::connect(&args.server.server).await?;
            let request = request(&args)?;
            tell(&client.rest().put_topic(&args.name, &request).await?, as_json)
        }
        TopicCommand::Delete(args) => {
            let client = Client::connect(&args.server.server).await?;
            client.rest().delete_topic(&args.name).await?;
            let name = args.name;
            if as_json {
                return output::json(&json!({ "deleted": name }));
            }
            output::line(&format!("{name} deleted"))
        }
    }
}

fn request(args: &TopicCreateArgs) -> Result<TopicRequestDocument, Failure> {
    let age = args.retention.as_deref().map(parse_duration).transpose();
    let age = age.map_err(|refusal| Failure::Usage(refusal.to_string()))?;
    let bytes = args.retention_bytes;
    Ok(TopicRequestDocument {
        partitions: args.partitions,
        retention: age.map(|age| RetentionDocument { seconds: age.as_secs(), bytes }),
        durability: args.durability.clone(),
        template: None,
    })
}

fn tell(topic: &TopicDocument, as_json: bool) -> Result<(), Failure> {
    if as_json { output::json(topic) } else { show(topic) }
}

/// The topic's document with its guarantee sheet added.
fn with_sheet(topic: &TopicDocument, sheet: &[GuaranteeDocument]) -> Result<Value, Failure> {
    let mut shown = serde_json::to_value(topic).map_err(Failure::failed)?;
    shown["guarantees"] = json!(sheet);
    Ok(shown)
}

fn promise(promise: &GuaranteeDocument) -> Result<(), Failure> {
    let GuaranteeDocument { name, level, detail, reason } = promise;
    output::line(&format!("  {name}: {level}; {detail}"))?;
    output::line(&format!("    because {reason}"))
}

fn show(topic: &TopicDocument) -> Result<(), Failure> {
    let TopicDocument { name, partitions, durability, .. } = topic;
    let kept = format_duration(std::time::Duration::from_secs(topic.retention.seconds));
    output::line(&format!("{name}: {partitions} partitions, kept {kept}, {durability}"))
}
