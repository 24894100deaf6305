//! Subscriptions that are made, changed and deleted while the service is killed: what was confirmed
//! is there at the next start, and what was cut off is there whole or not at all.

use rand::RngExt;
use rand::rngs::StdRng;
use tidings_client::documents::{DeliveryDocument, SubscriptionRequest};
use tidings_client::{Client, ClientError, Rest};
use tidings_e2e::soon;

const NAMES: [&str; 5] = ["made-0", "made-1", "made-2", "made-3", "made-4"];

/// Where nothing is published: these are about what is defined.
const TOPIC: &str = "elsewhere/*";

/// What may be there of one name: absent, or with this owner.
type Possible = Vec<Option<String>>;

/// What the clients know of the definitions.
pub(super) struct Definitions {
    possible: [Possible; NAMES.len()],
    changes: u64,
    chance: StdRng,
}

impl Definitions {
    /// None is there.
    pub(super) fn new(chance: StdRng) -> Self {
        Self { possible: std::array::from_fn(|_| vec![None]), changes: 0, chance }
    }

    /// How many changes were confirmed.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Whether what is there may be there; from here on it is known.
    pub(super) async fn check(&mut self, client: &Client) -> Result<(), String> {
        let list = soon("a list", client.rest().subscriptions()).await;
        let list = list.map_err(|error| format!("subscriptions are not listed: {error}"))?;
        for (name, possible) in NAMES.iter().zip(&mut self.possible) {
            let found = list.subscriptions.iter().find(|s| s.name == *name);
            let found = found.map(|document| document.owner.clone());
            if !possible.contains(&found) {
                return Err(format!("{name} is {found:?} after a kill, and may be {possible:?}"));
            }
            *possible = vec![found];
        }
        Ok(())
    }

    /// Changes one after the other until the service is gone.
    pub(super) async fn change(&mut self, url: &str) {
        let Ok(client) = Client::connect(url).await else { return };
        loop {
            let number = self.chance.random_range(0..NAMES.len());
            let before = self.possible[number].first().cloned().flatten();
            let deletes = before.is_some() && self.chance.random_ratio(1, 3);
            let owner = (!deletes).then(|| format!("o{}", self.chance.random::<u32>()));
            let rest = client.rest();
            let asked = ask(rest, NAMES[number], before.is_some(), owner.as_deref());
            match soon("a change of a definition", asked).await {
                Ok(()) => {
                    self.changes += 1;
                    self.possible[number] = vec![owner];
                }
                Err(_) => {
                    self.possible[number].push(owner);
                    return;
                }
            }
        }
    }
}

async fn ask(
    rest: &Rest,
    name: &str,
    is_there: bool,
    owner: Option<&str>,
) -> Result<(), ClientError> {
    match owner {
        None => rest.delete_subscription(name).await,
        Some(owner) if is_there => {
            let patch = std::collections::BTreeMap::from([("owner", owner)]);
            rest.patch_subscription(name, &patch).await.map(drop)
        }
        Some(owner) => {
            let request = SubscriptionRequest {
                name: name.to_owned(),
                topics: vec![TOPIC.to_owned()],
                delivery: Some(DeliveryDocument::default()),
                owner: owner.to_owned(),
                ..SubscriptionRequest::default()
            };
            rest.create_subscription(&request).await.map(drop)
        }
    }
}
