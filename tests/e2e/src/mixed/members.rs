//! Those who consume: they die with all that they have in their hands, and come again.

use std::sync::Arc;
use std::time::Duration;

use tidings_client::{Client, ClientError, Consumers, Delivered, Run};
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

use super::pulling::pull;
use super::{KINDS, Kind, random};
use crate::{Chronicle, Server, TestEvent, Witness};

/// Acknowledges what a member takes and gives back what it refuses.
pub(super) async fn answer(
    witness: &mut Witness,
    kind: &Kind,
    delivered: &Delivered,
) -> Result<(), ClientError> {
    let (mut good, mut bad): (Vec<Run>, Vec<Run>) = (Vec::new(), Vec::new());
    for event in delivered.events() {
        let event = event?;
        let run = delivered.run(event.offset.0, event.offset.0);
        let refused = kind.is_refused(TestEvent::read(event.event).number);
        if refused { bad.push(run) } else { good.push(run) }
    }
    if !bad.is_empty() {
        witness.nack(&delivered.topic, &bad).await?;
    }
    if good.is_empty() { Ok(()) } else { witness.ack_runs(&good).await }
}

/// How a member attaches.
enum Way {
    /// On a connection of its own.
    Own(String),
    /// On a WebSocket of its own, with deliveries that are framed.
    Framed(String),
    /// On the stream that others have, too.
    Shared(Arc<OnceCell<Consumers>>, String),
}

impl Way {
    async fn attach(
        &self,
        chronicle: &Chronicle,
        (subscription, member): (&str, &str),
    ) -> Result<Witness, ClientError> {
        match self {
            Self::Own(url) => {
                let client = Client::connect(url).await?;
                Witness::attach_as(&client, chronicle, subscription, member).await
            }
            Self::Framed(url) => {
                let client = Client::connect(url).await?;
                Witness::attach_framed(&client, chronicle, subscription, member).await
            }
            Self::Shared(stream, url) => {
                let connect = async || Client::connect(url).await.map(|client| client.consumers());
                let consumers = stream.get_or_try_init(connect).await?;
                Witness::attach_to(consumers, chronicle, subscription, member).await
            }
        }
    }
}

/// One member; dies after so many deliveries, comes again, and stays until the service is gone.
async fn consume(way: Way, chronicle: Chronicle, kind: Kind, member: &str, dies_after: u64) {
    let mut left = dies_after;
    loop {
        let attached = way.attach(&chronicle, (kind.name, member)).await;
        let Ok(mut witness) = attached else { return };
        if kind.members.len() > 1 {
            // Keys move to it, and take with them what is not settled in time.
            chronicle.mark("member joined", Some(kind.name));
        }
        loop {
            let Ok(next) = witness.next_within(Duration::from_secs(60)).await else { return };
            let Some(delivered) = next else { continue };
            left = left.wrapping_sub(1);
            if left == 0 {
                // With all that it had in its hands.
                chronicle.mark("consumer killed", Some(kind.name));
                break;
            }
            if answer(&mut witness, &kind, &delivered).await.is_err() {
                return;
            }
        }
    }
}

/// Lets every kind's members consume a service until it is gone; when they die, and whether one
/// shares a stream or has deliveries framed, is drawn from the seed.
#[must_use]
pub fn attach(server: &Server, seed: u64, chronicle: &Chronicle) -> JoinSet<()> {
    let mut members = JoinSet::new();
    let stream = Arc::new(OnceCell::new());
    for (n, kind) in KINDS.iter().enumerate() {
        for (m, &member) in kind.members.iter().enumerate() {
            let dies_after = 1 + random(seed << 8 | (n * 7 + m) as u64) % 40;
            let url = server.url().to_owned();
            if kind.pulled {
                members.spawn(pull(url, chronicle.clone(), kind.name));
                continue;
            }
            let way = match random(seed ^ (n * 7 + m) as u64) % 3 {
                0 => Way::Shared(Arc::clone(&stream), url),
                1 => Way::Framed(url),
                _ => Way::Own(url),
            };
            members.spawn(consume(way, chronicle.clone(), *kind, member, dies_after));
        }
    }
    members
}
