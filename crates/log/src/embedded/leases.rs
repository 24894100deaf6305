//! Leases within one process: who else may not have the log is kept out by the engine itself.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tidings_event::Term;

use crate::partition_log::{Lease, LeaseError};

/// Who holds what. Tokens grow for ever: they begin with the log's term, which is durable and grows at
/// every open.
#[derive(Debug)]
pub struct Leases {
    term: Term,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    tokens: HashMap<String, Term>,
    granted: u64,
}

impl Leases {
    /// None, in a log of this term.
    #[must_use]
    pub fn new(term: Term) -> Self {
        Self { term, held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Grants one.
    ///
    /// # Errors
    /// Somebody holds it.
    pub fn grant(&self, name: &str) -> Result<Lease, LeaseError> {
        let mut held = self.held();
        if held.tokens.contains_key(name) {
            return Err(LeaseError::Held(name.to_owned()));
        }
        held.granted += 1;
        let token = Term((self.term.0 << 32) + held.granted);
        held.tokens.insert(name.to_owned(), token);
        Ok(Lease { name: name.to_owned(), token })
    }

    /// Takes one back; one that was granted anew meanwhile stays.
    pub fn take_back(&self, lease: &Lease) {
        let mut held = self.held();
        if held.tokens.get(&lease.name) == Some(&lease.token) {
            held.tokens.remove(&lease.name);
        }
    }

    /// Whether somebody holds a lease with this token.
    #[must_use]
    pub fn has(&self, token: Term) -> bool {
        self.held().tokens.values().any(|held| *held == token)
    }
}
