//! Who consumes what, and how.

use tidings_client::documents::{
    DeliveryDocument, PullOptions, StartDocument, StreamOptions, SubscriptionRequest,
};
use tidings_event::Timestamp;

use super::DemoArgs;

/// How a consumer behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Takes a gRPC stream as fast as it comes.
    Stream,
    /// Pulls batches over REST.
    Pull,
    /// Takes a gRPC stream, slower than events come, until publishing ends.
    Slow,
    /// Goes away half-way without acknowledging its last events, and comes back.
    Restarting,
}

impl Manner {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Stream => "grpc",
            Self::Pull => "pull",
            Self::Slow => "grpc, slow",
            Self::Restarting => "grpc, restarts",
        }
    }
}

/// One consumer and its subscription.
#[derive(Clone, Debug)]
pub(super) struct ConsumerPlan {
    /// Name of the subscription: unique to the run.
    pub(super) name: String,
    /// What people call it.
    pub(super) title: &'static str,
    pub(super) manner: Manner,
    pub(super) topics: Vec<String>,
}

/// All consumers.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) consumers: Vec<ConsumerPlan>,
}

impl Plan {
    /// Files hold no summaries or correlations, so there everyone takes everything.
    pub(super) fn of(args: &DemoArgs, now: Timestamp) -> Self {
        let all = &["analysis/**"][..];
        let unless_csv = |topics: &'static [&'static str]| -> &'static [&'static str] {
            if args.csv.is_empty() { topics } else { &["analysis/**"] }
        };
        let consumers = [
            ("dashboard", Manner::Stream, all),
            ("risk", Manner::Stream, unless_csv(&["analysis/anomalies/*", "analysis/patterns/**"])),
            (
                "reporting",
                Manner::Pull,
                unless_csv(&[
                    "analysis/summaries",
                    "analysis/correlations/*",
                    "analysis/intervals/*",
                ]),
            ),
            ("archive", Manner::Slow, unless_csv(&["analysis/indicators/*"])),
            ("trading", Manner::Restarting, unless_csv(&["analysis/indicators/1m"])),
        ];
        let run = now.as_millis();
        let consumers = consumers.map(|(title, manner, topics)| ConsumerPlan {
            name: format!("demo-{title}-{run:x}"),
            title,
            manner,
            topics: topics.iter().map(|t| (*t).to_owned()).collect(),
        });
        Self { consumers: consumers.into() }
    }
}

impl ConsumerPlan {
    /// What to ask the service for.
    pub(super) fn subscription(&self) -> SubscriptionRequest {
        let pull = self.manner == Manner::Pull;
        SubscriptionRequest {
            name: self.name.clone(),
            topics: self.topics.clone(),
            delivery: Some(DeliveryDocument {
                pull: pull.then(PullOptions::default),
                stream: (!pull).then(StreamOptions::default),
                webhook: None,
            }),
            start: Some(StartDocument::Latest),
            owner: "demo".to_owned(),
            ..Default::default()
        }
    }
}
