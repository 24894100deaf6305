//! The last life: everything is read, and what failed to the end lies among the dead letters.

use std::collections::BTreeSet;

use serde_json::Value;

use super::members::answer;
use super::pulling::pull_once;
use super::{KINDS, Kind, QUIET};
use crate::{Chronicle, Desk, Server, TestEvent, Witness};

/// One member of the last life: reads until nothing of its subscription is open; where what it
/// refused lies.
async fn read_out(server: &Server, chronicle: &Chronicle, kind: &Kind) -> BTreeSet<(u32, u64)> {
    let client = server.client().await;
    if kind.pulled {
        while Desk::of(server, kind.name, "").status()["lag_events"] != 0 {
            pull_once(client.rest(), chronicle, kind.name).await.expect("the service is there");
        }
        return BTreeSet::new();
    }
    let attached = Witness::attach_as(&client, chronicle, kind.name, "last").await;
    let mut witness = attached.expect("the service is there");
    let mut refused = BTreeSet::new();
    loop {
        let next = witness.next_within(QUIET).await;
        if let Some(delivered) = next.expect("the service is there") {
            answer(&mut witness, kind, &delivered).await.expect("the service is there");
            let events = delivered.events().map(|event| event.expect("a delivery is whole"));
            let bad = events.filter(|e| kind.is_refused(TestEvent::read(e.event).number));
            refused.extend(bad.map(|event| (delivered.partition.0, event.offset.0)));
        } else if Desk::of(server, kind.name, "").status()["lag_events"] == 0 {
            witness.detach().await;
            return refused;
        }
    }
}

/// Reads everything out, and writes down which letters are dead.
///
/// # Panics
/// When an event that failed to the end is no dead letter.
pub async fn drain(server: &Server, chronicle: &Chronicle) {
    for kind in KINDS {
        let refused = read_out(server, chronicle, kind).await;
        let letters = Desk::of(server, kind.name, "").letters();
        assert!(kind.refuses || letters.is_empty(), "{letters:?}");
        let place = |letter: &Value| {
            let number = |what: &str| letter[what].as_u64().expect("a letter has a place");
            (u32::try_from(number("partition")).expect("a partition"), number("offset"))
        };
        let dead: BTreeSet<_> = letters.iter().map(place).collect();
        assert!(dead.is_superset(&refused), "what fails to the end is a dead letter");
        chronicle.drained(kind.name, &letters);
    }
}
