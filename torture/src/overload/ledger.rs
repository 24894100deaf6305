//! Every event that was acknowledged and every one that came, and whether they agree: nothing lost, nothing
//! invented, each at the place that its producer was told, in the order of the log.
//!
//! It is told of millions, so it keeps a number and an offset of each. Numbers count up per instrument.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whose events these are: of a load, by number, and an instrument of it.
pub(super) type Key = (usize, usize);

/// An event's number, and its offset.
type Place = (u32, u64);

/// See the module.
pub(super) struct Ledger {
    instruments: usize,
    accounts: Vec<Mutex<Account>>,
    broken: Mutex<Option<String>>,
}

#[derive(Default)]
struct Account {
    acked: Vec<Place>,
    /// Numbers of events that may be stored or not.
    unknown: Vec<u32>,
    came: Vec<Place>,
    /// The highest offset that came.
    last: Option<u64>,
}

/// What it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) acked: u64,
    pub(super) came: u64,
}

impl Ledger {
    /// Of so many loads, each with so many instruments.
    pub(super) fn new(loads: usize, instruments: usize) -> Self {
        let accounts = (0..loads * instruments).map(|_| Mutex::default()).collect();
        Self { instruments, accounts, broken: Mutex::default() }
    }

    fn account(&self, (load, instrument): Key) -> MutexGuard<'_, Account> {
        let account = &self.accounts[load * self.instruments + instrument];
        account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An event was acknowledged.
    pub(super) fn acked(&self, key: Key, number: u32, offset: u64) {
        self.account(key).acked.push((number, offset));
    }

    /// Nobody knows whether an event was stored.
    pub(super) fn unknown(&self, key: Key, number: u32) {
        self.account(key).unknown.push(number);
    }

    /// An event came to the one consumer that is to have it.
    pub(super) fn came(&self, key: Key, number: u32, offset: u64, redelivered: bool) {
        let mut account = self.account(key);
        if account.last.is_none_or(|last| offset > last) {
            account.last = Some(offset);
            account.came.push((number, offset));
        } else if !redelivered {
            let last = account.last.unwrap_or_default();
            drop(account);
            self.broken(|| format!("{key:?}: offset {offset} came after {last}"));
        }
    }

    /// Something happened that must not.
    pub(super) fn broken(&self, how: impl FnOnce() -> String) {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(how);
    }

    /// What it holds; an error says what is wrong. `in_order` are loads of which each producer's events
    /// of an instrument are stored as they were sent.
    pub(super) fn judge(&self, in_order: &[usize]) -> Result<Totals, String> {
        if let Some(how) = &*self.broken.lock().unwrap_or_else(PoisonError::into_inner) {
            return Err(how.clone());
        }
        let mut totals = Totals::default();
        for at in 0..self.accounts.len() {
            let key = (at / self.instruments, at % self.instruments);
            let mut account = self.account(key);
            totals.acked += account.acked.len() as u64;
            totals.came += account.came.len() as u64;
            account.judge(in_order.contains(&key.0)).map_err(|how| format!("{key:?}: {how}"))?;
        }
        Ok(totals)
    }
}

impl Account {
    fn judge(&mut self, in_order: bool) -> Result<(), String> {
        self.acked.sort_unstable();
        self.unknown.sort_unstable();
        let mut came = self.came.clone();
        came.sort_unstable();
        if let Some(pair) = came.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(format!(
                "{} is stored twice, at {} and {}",
                pair[0].0, pair[0].1, pair[1].1
            ));
        }
        let disordered = |pair: &&[Place]| pair[0].1 >= pair[1].1;
        if let Some(pair) = self.acked.windows(2).find(disordered).filter(|_| in_order) {
            return Err(format!("{pair:?} are not stored in the order in which they were sent"));
        }
        for acked in &self.acked {
            if came.binary_search(acked).is_err() {
                return Err(format!("{acked:?} was acknowledged and did not come there"));
            }
        }
        let is_known = |number: &u32| {
            let acked = self.acked.binary_search_by_key(number, |place| place.0);
            acked.is_ok() || self.unknown.binary_search(number).is_ok()
        };
        match came.iter().find(|place| !is_known(&place.0)) {
            Some(place) => Err(format!("{place:?} came, and was refused or never sent")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
