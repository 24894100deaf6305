//! What a bench makes on a service, under a name of its own, and removes again: topics and
//! subscriptions.

use tidings_client::documents::{
    DeliveryDocument, RetentionDocument, StartDocument, StreamOptions, SubscriptionRequest,
    TopicRequestDocument,
};
use tidings_client::{Client, ClientError};
use tidings_event::Code;
use tidings_market::load::TIMEFRAMES;

/// How long events would be kept if nobody removed them.
const KEPT_SECONDS: u64 = 3_600;

/// See the module.
pub(super) struct Bed {
    pub(super) client: Client,
    /// Of this run: what its topics, subscriptions, producers and events are named after.
    pub(super) name: String,
    /// Of each topic.
    pub(super) partitions: u32,
    subscriptions: Vec<String>,
}

impl Bed {
    /// Makes a topic for each timeframe.
    pub(super) async fn make(client: Client) -> Result<Self, ClientError> {
        let name = format!("tidings-bench-{:08x}", rand::random::<u32>());
        let mut bed = Self { client, name, partitions: 0, subscriptions: Vec::new() };
        match bed.make_topics().await {
            Ok(()) => Ok(bed),
            Err(error) => {
                // What was refused first is what there is to tell.
                let _unheard = bed.remove().await;
                Err(error)
            }
        }
    }

    async fn make_topics(&mut self) -> Result<(), ClientError> {
        let retention = RetentionDocument { seconds: KEPT_SECONDS, bytes: None };
        let request = TopicRequestDocument {
            retention: Some(retention),
            durability: Some("durable".to_owned()),
            ..TopicRequestDocument::default()
        };
        for timeframe in TIMEFRAMES {
            let made = self.client.rest().put_topic(&self.topic(timeframe), &request).await?;
            self.partitions = made.partitions;
        }
        Ok(())
    }

    /// The topic of a timeframe.
    pub(super) fn topic(&self, timeframe: &str) -> String {
        format!("{}/{timeframe}", self.name)
    }

    /// A subscription to all topics that gets what is published from now on.
    pub(super) async fn subscribe(&mut self) -> Result<String, ClientError> {
        let name = format!("{}-{}", self.name, self.subscriptions.len());
        let request = SubscriptionRequest {
            name: name.clone(),
            topics: vec![format!("{}/*", self.name)],
            delivery: Some(DeliveryDocument {
                pull: None,
                stream: Some(StreamOptions::default()),
                webhook: None,
            }),
            start: Some(StartDocument::Latest),
            owner: "tidings bench".to_owned(),
            ..SubscriptionRequest::default()
        };
        self.subscriptions.push(name.clone());
        self.client.rest().create_subscription(&request).await?;
        Ok(name)
    }

    /// Removes a subscription that is not needed any more.
    pub(super) async fn unsubscribe(&self, name: &str) -> Result<(), ClientError> {
        gone(self.client.rest().delete_subscription(name).await)
    }

    /// Removes everything. What is gone already is fine.
    pub(super) async fn remove(self) -> Result<(), ClientError> {
        for name in &self.subscriptions {
            self.unsubscribe(name).await?;
        }
        for timeframe in TIMEFRAMES {
            gone(self.client.rest().delete_topic(&self.topic(timeframe)).await)?;
        }
        Ok(())
    }
}

fn gone(removed: Result<(), ClientError>) -> Result<(), ClientError> {
    match removed {
        Err(error) if error.is(Code::SubscriptionUnknown) || error.is(Code::TopicUnknown) => Ok(()),
        other => other,
    }
}
