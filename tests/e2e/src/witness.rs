//! A consumer that writes down what it sees.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tidings_client::documents::{StartDocument, SubscriptionRequest};
use tidings_client::{
    Client, ClientError, Consumer, ConsumerEvent, ConsumerOptions, Consumers, Delivered, Run,
    Transport,
};
use tidings_event::{Code, TopicId};
use tidings_telemetry::Timer;

use crate::{Chronicle, soon};

/// Creates a subscription to everything that ever was or will be in these topics.
///
/// # Panics
/// When it is refused.
pub async fn subscribe(client: &Client, name: &str, topics: &[&str]) {
    let request = SubscriptionRequest {
        name: name.to_owned(),
        topics: topics.iter().map(|&topic| topic.to_owned()).collect(),
        start: Some(StartDocument::Earliest),
        ..SubscriptionRequest::default()
    };
    let created = soon("a subscription", client.rest().create_subscription(&request)).await;
    created.expect("the subscription is accepted");
}

/// A consumer and its history.
pub struct Witness {
    consumer: Consumer,
    chronicle: Chronicle,
    subscription: String,
    name: String,
    topics: HashMap<TopicId, Arc<str>>,
    /// Events whose acks were confirmed.
    confirmed: u64,
    /// Given back since the last ack.
    given_back: Vec<(String, Run)>,
    /// Acks that were sent after something was given back: once such a one is confirmed the service
    /// has taken that too, and sends with that in mind whatever it sends from then on.
    probes: Vec<(Run, Vec<(String, Run)>)>,
}

/// Where a witness attaches.
enum Way<'a> {
    Own(&'a Client),
    Framed(&'a Client),
    Shared(&'a Consumers),
}

impl Way<'_> {
    async fn attach(&self, options: ConsumerOptions) -> Result<Consumer, ClientError> {
        match self {
            Self::Own(client) => client.consumer(options).await,
            Self::Framed(client) => {
                client.consumer(ConsumerOptions { transport: Transport::Framed, ..options }).await
            }
            Self::Shared(consumers) => consumers.attach(options).await,
        }
    }
}

impl Witness {
    /// Attaches to a subscription; it does not attach again by itself.
    ///
    /// # Panics
    /// When it cannot.
    pub async fn attach(client: &Client, chronicle: &Chronicle, subscription: &str) -> Self {
        let attached = Self::attach_as(client, chronicle, subscription, "witness").await;
        attached.expect("the consumer is attached")
    }

    /// As [`Self::attach`], by a name; waits while the one before is not let go.
    ///
    /// # Errors
    /// When the service is gone.
    pub async fn attach_as(
        client: &Client,
        chronicle: &Chronicle,
        subscription: &str,
        name: &str,
    ) -> Result<Self, ClientError> {
        Self::attach_by(Way::Own(client), chronicle, subscription, name).await
    }

    /// As [`Self::attach_as`], with deliveries that are framed.
    ///
    /// # Errors
    /// As [`Self::attach_as`].
    pub async fn attach_framed(
        client: &Client,
        chronicle: &Chronicle,
        subscription: &str,
        name: &str,
    ) -> Result<Self, ClientError> {
        Self::attach_by(Way::Framed(client), chronicle, subscription, name).await
    }

    /// As [`Self::attach_as`], on a stream that is shared.
    ///
    /// # Errors
    /// As [`Self::attach_as`].
    pub async fn attach_to(
        consumers: &Consumers,
        chronicle: &Chronicle,
        subscription: &str,
        name: &str,
    ) -> Result<Self, ClientError> {
        Self::attach_by(Way::Shared(consumers), chronicle, subscription, name).await
    }

    async fn attach_by(
        way: Way<'_>,
        chronicle: &Chronicle,
        subscription: &str,
        name: &str,
    ) -> Result<Self, ClientError> {
        let options =
            ConsumerOptions { reconnect: false, ..ConsumerOptions::new(subscription, name) };
        let attached = async {
            loop {
                match way.attach(options.clone()).await {
                    Err(error) if error.is(Code::SubscriptionBusy) => {}
                    other => return other,
                }
            }
        };
        Ok(Self {
            consumer: soon("a consumer", attached).await?,
            chronicle: chronicle.clone(),
            subscription: subscription.to_owned(),
            name: name.to_owned(),
            topics: HashMap::new(),
            confirmed: 0,
            given_back: Vec::new(),
            probes: Vec::new(),
        })
    }

    /// How many events' acks were confirmed so far.
    #[must_use]
    pub fn confirmed(&self) -> u64 {
        self.confirmed
    }

    /// The next events, or `None` after a confirmation or a gap; all of it is written down.
    ///
    /// # Errors
    /// When the connection is gone.
    ///
    /// # Panics
    /// When nothing comes.
    pub async fn next(&mut self) -> Result<Option<Delivered>, ClientError> {
        let next = soon("a delivery", self.consumer.next()).await.ok_or(ClientError::Closed)?;
        Ok(self.take(next?))
    }

    /// As [`Self::next`]; `None` also when nothing came for so long.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn next_within(&mut self, limit: Duration) -> Result<Option<Delivered>, ClientError> {
        match Timer.limit(limit, self.consumer.next()).await {
            Ok(next) => Ok(self.take(next.ok_or(ClientError::Closed)??)),
            Err(_) => Ok(None),
        }
    }

    fn take(&mut self, next: ConsumerEvent) -> Option<Delivered> {
        match next {
            ConsumerEvent::Events(delivered) => {
                self.topics.insert(delivered.topic_id, Arc::clone(&delivered.topic));
                self.chronicle.delivered(&self.subscription, &self.name, &delivered);
                return Some(delivered);
            }
            ConsumerEvent::Confirmed(acks) => {
                self.acks_are_taken(acks.runs.iter().chain(&acks.stale));
                for run in acks.runs {
                    let topic = self.topics.get(&run.topic).map_or("", |name| &**name);
                    self.chronicle.confirmed(&self.subscription, topic, &run);
                    self.confirmed += run.last.0 - run.first.0 + 1;
                }
            }
            ConsumerEvent::Gap(gap) => {
                self.chronicle.gap(&self.subscription, &gap.topic, &gap.run);
            }
            ConsumerEvent::Extended(_) | ConsumerEvent::Reconnected => {}
        }
        None
    }

    /// Writes down what the service knows to be given back when it answers these acks.
    fn acks_are_taken<'r>(&mut self, answered: impl Iterator<Item = &'r Run> + Clone) {
        let is_answered = |probe: &Run| {
            let mut runs = answered.clone();
            let place = (probe.topic, probe.partition);
            runs.any(|r| {
                (r.topic, r.partition) == place && (r.first..=r.last).contains(&probe.first)
            })
        };
        // The service takes what comes on one stream in its order.
        let Some(last) = self.probes.iter().rposition(|(probe, _)| is_answered(probe)) else {
            return;
        };
        for (topic, run) in self.probes.drain(..=last).flat_map(|(_, given_back)| given_back) {
            self.chronicle.gated(&self.subscription, &topic, &run);
        }
    }

    /// Acknowledges what was given.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn ack(&self, delivered: &Delivered) -> Result<(), ClientError> {
        soon("room for an ack", self.consumer.ack_up_to(delivered.last_position())).await
    }

    /// Acknowledges exactly these.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn ack_runs(&mut self, runs: &[Run]) -> Result<(), ClientError> {
        if let Some(&probe) = runs.first().filter(|_| !self.given_back.is_empty()) {
            self.probes.push((probe, std::mem::take(&mut self.given_back)));
        }
        soon("room for an ack", self.consumer.ack(runs)).await
    }

    /// Gives exactly these back.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn nack(&mut self, topic: &str, runs: &[Run]) -> Result<(), ClientError> {
        for run in runs {
            self.chronicle.nacked(&self.subscription, topic, run);
            self.given_back.push((topic.to_owned(), *run));
        }
        soon("room for a nack", self.consumer.nack(runs, Duration::ZERO)).await
    }

    /// Detaches, so that the next one may attach.
    ///
    /// # Panics
    /// When the service does not let go.
    pub async fn detach(self) {
        // Before another member of a group can be given what this one leaves.
        self.chronicle.mark("reconnect", Some(&self.subscription));
        soon("the service to let go of a consumer", self.consumer.close()).await;
    }
}
