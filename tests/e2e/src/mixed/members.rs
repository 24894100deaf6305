//! Those who consume: they die with all that they have in their hands, and come again.

use std::time::Duration;

use tidings_client::{Client, ClientError, Delivered, Run};
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

/// One member; dies after so many deliveries, comes again, and stays until the service is gone.
async fn consume(url: String, chronicle: Chronicle, kind: Kind, member: &str, dies_after: u64) {
    let mut left = dies_after;
    loop {
        let Ok(client) = Client::connect(&url).await else { return };
        let attached = Witness::attach_as(&client, &chronicle, kind.name, member).await;
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

/// Lets every kind's members consume a service until it is gone; when they die is drawn from the
/// seed.
#[must_use]
pub fn attach(server: &Server, seed: u64, chronicle: &Chronicle) -> JoinSet<()> {
    let mut members = JoinSet::new();
    for (n, kind) in KINDS.iter().enumerate() {
        for (m, &member) in kind.members.iter().enumerate() {
            let dies_after = 1 + random(seed << 8 | (n * 7 + m) as u64) % 40;
            let url = server.url().to_owned();
            if kind.pulled {
                members.spawn(pull(url, chronicle.clone(), kind.name));
                continue;
            }
            members.spawn(consume(url, chronicle.clone(), *kind, member, dies_after));
        }
    }
    members
}
