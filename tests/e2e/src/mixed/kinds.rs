//! The kinds of subscription, and how those who consume them behave.

use serde_json::{Value, json};

use super::TOPICS;
use crate::{Chronicle, Desk, Server};

/// A subscription, and how those who consume it behave.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// Who consumes it.
    pub members: &'static [&'static str],
    /// How they share it; only of several.
    pub sharing: &'static str,
    /// Keys that its filter selects; empty: all.
    pub keys: &'static [&'static str],
    /// Whether they give back one event of 49, whenever it comes.
    pub refuses: bool,
    /// Whether an event that fails holds back its key.
    pub ordered: bool,
    /// Whether its one member asks for events instead of having them sent.
    pub pulled: bool,
}

/// Takes everything, and acknowledges it.
const PLAIN: Kind = Kind {
    name: "all",
    members: &["one"],
    sharing: "exclusive",
    keys: &[],
    refuses: false,
    ordered: true,
    pulled: false,
};

/// Of a few keys, some events of which fail.
const FEW: Kind = Kind { keys: &["KEY5", "KEY14"], refuses: true, ..PLAIN };

/// All of them.
pub const KINDS: &[Kind] = &[
    PLAIN,
    Kind { name: "failing", refuses: true, ..PLAIN },
    Kind { name: "some", keys: &["KEY3", "KEY8", "KEY11"], ..PLAIN },
    Kind { name: "some-failing", keys: &["KEY1", "KEY8"], refuses: true, ..PLAIN },
    Kind { name: "parallel", keys: &["KEY2", "KEY8"], refuses: true, ordered: false, ..PLAIN },
    Kind { name: "pulled", pulled: true, ..PLAIN },
    Kind { name: "failover", members: &["one", "two"], sharing: "failover", ..FEW },
    Kind { name: "group", members: &["one", "two", "three"], sharing: "group", ..PLAIN },
    Kind { name: "group-failing", members: &["one", "two"], sharing: "group", ..FEW },
];

impl Kind {
    fn document(&self) -> Value {
        let how = if self.pulled { "pull" } else { "stream" };
        let mut document = json!({"delivery": {how: {}}, "sharing": self.sharing});
        if self.refuses {
            document["retry"] =
                json!({"max_attempts": 2, "min_backoff_ms": 1, "max_backoff_ms": 5});
        }
        if !self.keys.is_empty() {
            let keys: Vec<String> = self.keys.iter().map(|key| format!("'{key}'")).collect();
            document["filter"] = json!(format!("instrument in [{}]", keys.join(", ")));
        }
        if !self.ordered {
            document["mode"] = json!("parallel");
        }
        document
    }

    /// Creates it, and writes it down.
    ///
    /// # Panics
    /// When it is refused.
    pub fn open(&self, server: &Server, chronicle: &Chronicle) {
        let define = if self.ordered { Chronicle::subscription } else { Chronicle::parallel };
        define(chronicle, self.name, TOPICS);
        let _desk = Desk::open(server, self.name, TOPICS, &self.document());
    }

    /// Whether those who consume it give back the event of this number.
    #[must_use]
    pub fn is_refused(&self, number: u64) -> bool {
        self.refuses && number % 49 == 7
    }
}
