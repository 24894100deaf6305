//! What a topic holds, and where to begin to read it, out of what the admin interface says.

use serde_json::Value;

use crate::link::Locator;

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// The first message that is kept; none where there is no message.
    first: Option<Locator>,
    /// The last one.
    pub(super) last: Option<Locator>,
    /// The first that is to be read; none where there is none yet.
    pub(super) start: Option<Locator>,
}

impl Extent {
    /// By a topic's internal statistics, from its first message on.
    pub(super) fn of(stats: &Value) -> Self {
        let ledgers = stats["ledgers"].as_array().map_or(&[][..], Vec::as_slice);
        // The entries of the open ledger are counted elsewhere.
        let open = stats["currentLedgerEntries"].as_u64().unwrap_or(0);
        let last = ledgers.len().saturating_sub(1);
        let mut filled = ledgers.iter().enumerate().filter_map(|(at, ledger)| {
            let closed = ledger["entries"].as_u64().unwrap_or(0);
            let entries = if at == last { closed.max(open) } else { closed };
            let ledger = ledger["ledgerId"].as_u64()?;
            entries.checked_sub(1).map(|entry| Locator { ledger, entry })
        });
        let Some(end) = filled.next() else { return Self::default() };
        let first = Some(Locator { entry: 0, ..end });
        Self { first, last: Some(filled.next_back().unwrap_or(end)), start: first }
    }

    /// The same, read from the message on that the admin interface named.
    pub(super) fn since(self, named: &Value) -> Self {
        let place = |name: &str| named[name].as_u64();
        let named = place("ledgerId").zip(place("entryId"));
        let start = named.map(|(ledger, entry)| Locator { ledger, entry }).max(self.first);
        Self { start: start.filter(|start| Some(*start) <= self.last), ..self }
    }

    /// Whether nothing is kept of what was before the start.
    pub(super) fn reads_all(&self) -> bool {
        self.first == self.start
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Extent;
    use crate::link::Locator;

    fn at(ledger: u64, entry: u64) -> Option<Locator> {
        Some(Locator { ledger, entry })
    }

    fn stats(ledgers: &[(u64, u64)], open: u64) -> Value {
        let told = |(id, entries): &(u64, u64)| json!({ "ledgerId": id, "entries": entries });
        let ledgers: Vec<Value> = ledgers.iter().map(told).collect();
        json!({ "ledgers": ledgers, "currentLedgerEntries": open })
    }

    #[test]
    fn empty_ledgers_at_either_end_hold_nothing() {
        assert_eq!(Extent::of(&stats(&[(3, 0)], 0)), Extent::default());
        let found = Extent::of(&stats(&[(3, 0), (5, 7), (6, 2), (9, 0)], 0));
        assert_eq!((found.first, found.last), (at(5, 0), at(6, 1)));
        let found = Extent::of(&stats(&[(5, 7), (9, 0)], 4));
        assert_eq!((found.first, found.last), (at(5, 0), at(9, 3)));
        assert!(found.reads_all());
    }

    #[test]
    fn what_is_from_longer_ago_is_left_out() {
        let all = Extent::of(&stats(&[(5, 7), (9, 0)], 4));
        let since = |ledger: i64, entry: i64| {
            all.since(&json!({ "ledgerId": ledger, "entryId": entry, "partitionIndex": 0 }))
        };
        assert_eq!((since(5, 3).start, since(5, 3).reads_all()), (at(5, 3), false));
        assert_eq!((since(5, 0).start, since(5, 0).reads_all()), (at(5, 0), true));
        // Nothing was said lately.
        assert_eq!((since(9, 4).start, since(9, 4).reads_all()), (None, false));
        // What it cannot say is read from the first message on.
        assert_eq!(since(-1, -1).start, at(5, 0));
        assert!(Extent::default().reads_all());
    }
}
