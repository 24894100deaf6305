//! The list that rounds walk: every kind of call on a file with every way in which it goes wrong, and the
//! limits of a process.

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use tidings_e2e::{Call, Fault};

/// Kinds of calls that the service makes on its files, as the table counts them. It sets no file's length.
pub(crate) const CALLS: [(Call, &str); 7] = [
    (Call::Open, "open"),
    (Call::Read, "read"),
    (Call::Write, "write"),
    (Call::Sync, "sync"),
    (Call::SyncDir, "directory sync"),
    (Call::Rename, "rename"),
    (Call::Remove, "unlink"),
];

/// What becomes of a call of any kind.
pub(crate) const FAULTS: [(Fault, &str); 7] = [
    (Fault::Broken, "EIO"),
    (Fault::NoRoom, "ENOSPC"),
    (Fault::Interrupted, "EINTR"),
    (Fault::Again, "EAGAIN"),
    (Fault::Late(Duration::from_millis(10)), "10 ms late"),
    (Fault::Late(Duration::from_millis(200)), "200 ms late"),
    (Fault::Late(Duration::from_secs(5)), "5 s late"),
];

/// A limit of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// `RLIMIT_FSIZE`.
    FileBytes,
    /// `RLIMIT_NOFILE`.
    Handles,
    /// `RLIMIT_AS`.
    Memory,
}

/// What goes wrong in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// A call and what becomes of it.
    Fault(Call, Fault),
    /// A limit.
    Limit(Limit),
}

/// What does not go with every call, as the table counts it, and where in a cycle it comes.
pub(crate) const OTHERS: [(usize, Case, &str); 5] = [
    (4, Case::Fault(Call::Read, Fault::Short), "short"),
    (13, Case::Limit(Limit::FileBytes), "RLIMIT_FSIZE"),
    (22, Case::Limit(Limit::Handles), "RLIMIT_NOFILE"),
    (31, Case::Fault(Call::Write, Fault::Short), "short"),
    (40, Case::Limit(Limit::Memory), "RLIMIT_AS"),
];

/// How many cases there are.
pub(crate) const CASES: u64 = (CALLS.len() * FAULTS.len() + OTHERS.len()) as u64;

/// All cases once, so that all calls and all faults come among the first few.
fn cycle(seed: u64) -> Vec<Case> {
    let mut chance = StdRng::seed_from_u64(seed);
    let (mut calls, mut faults) = (CALLS, FAULTS);
    calls.shuffle(&mut chance);
    faults.shuffle(&mut chance);
    let mut cases = Vec::new();
    for turn in 0..faults.len() {
        let calls = calls.iter().enumerate();
        cases.extend(calls.map(|(at, (call, _))| {
            let (fault, _) = faults[(at + turn) % faults.len()];
            Case::Fault(*call, fault)
        }));
    }
    for (at, other, _) in OTHERS {
        cases.insert(at, other);
    }
    cases
}

impl Case {
    /// The case of a round's seed: as many seeds from a multiple of [`CASES`] on have all of them.
    pub(crate) fn of(seed: u64) -> Self {
        cycle(seed / CASES)[(seed % CASES) as usize]
    }

    /// As the table counts it: the call, and what became of it; or the limit.
    pub(crate) fn names(self) -> Vec<&'static str> {
        let other = OTHERS.iter().find(|(_, known, _)| *known == self).map(|(.., name)| *name);
        let Self::Fault(call, fault) = self else { return other.into_iter().collect() };
        let call = CALLS.iter().find(|(known, _)| *known == call).map(|(_, name)| *name);
        let fault = FAULTS.iter().find(|(known, _)| *known == fault).map(|(_, name)| *name);
        call.into_iter().chain(fault.or(other)).collect()
    }
}

#[cfg(test)]
mod tests;
