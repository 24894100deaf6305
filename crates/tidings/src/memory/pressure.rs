//! Keeps the service within its memory budget: looks at what it holds, says so, and has dropped what
//! can be spared.
//!
//! What counts is what the process holds of the machine's memory, pages that are free but not given
//! back included: that is what a container is ended for.
//!
//! A thread of its own looks: those of the runtime are busy just when it matters.

use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tidings_telemetry::{Counter, Gauge, Memory, MemoryLevel, Recorder};

use super::budget::kib_of;

/// Time between two looks, and while the budget is nearly used.
const LOOK: Duration = Duration::from_millis(100);
const CLOSE_LOOK: Duration = Duration::from_millis(10);

/// Hundredths of the budget from which on it is looked at closely.
const CLOSE: u64 = 80;

/// At and above so many hundredths of the budget a level begins, and below so many it ends.
const SHED: (u64, u64) = (92, 90);
const REFUSE: (u64, u64) = (95, 93);

/// More than the system writes of a process.
const STATUS_BYTES_MAX: usize = 8192;

/// Somebody who can let go of memory; says how many bytes it let go of.
pub(crate) type Holder = Box<dyn Fn(MemoryLevel) -> u64 + Send + Sync>;

/// See the module.
pub(crate) struct Pressure {
    /// Bytes that the service keeps within.
    pub(crate) budget: u64,
    /// What it holds now; nothing where that cannot be told.
    pub(crate) used: Box<dyn Fn() -> Option<u64> + Send + Sync>,
    pub(crate) holders: Vec<Holder>,
    /// Returns freed memory to the system.
    pub(crate) give_back: fn(),
    pub(crate) memory: Memory,
    pub(crate) recorder: Arc<Recorder>,
    /// How long ago something was dropped: that is not done at every close look.
    pub(crate) since_shed: Duration,
    /// The last look saw nothing, which was said.
    pub(crate) is_blind: bool,
}

impl Pressure {
    /// Looks until what this gives is dropped.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn watch(mut self) -> io::Result<Watch> {
        self.recorder.set(Gauge::MemoryBudget, i64::try_from(self.budget).unwrap_or(i64::MAX));
        let (stop, stopped) = sync_channel(0);
        let looking = Builder::new().name("memory".to_owned());
        let thread = looking.spawn(move || self.look_until(&stopped))?;
        Ok(Watch { stop: Some(stop), thread: Some(thread) })
    }

    fn look_until(&mut self, stopped: &Receiver<Infallible>) {
        while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(self.look()) {}
    }

    /// Looks once; says when to look again. While nothing can be seen nothing is refused for it.
    fn look(&mut self) -> Duration {
        let seen = (self.used)();
        if seen.is_none() && !self.is_blind {
            tracing::error!("what the process holds cannot be told: no memory budget is kept");
        }
        self.is_blind = seen.is_none();
        let used = seen.unwrap_or_default();
        self.tell(used);
        if self.memory.level() >= MemoryLevel::Shed && self.since_shed >= LOOK {
            self.shed();
            self.since_shed = Duration::ZERO;
        }
        let pause = if is_at(used, CLOSE, self.budget) { CLOSE_LOOK } else { LOOK };
        self.since_shed = self.since_shed.saturating_add(pause);
        pause
    }

    /// Sets the level by what is used.
    fn tell(&self, used: u64) {
        self.recorder.set(Gauge::MemoryUsed, i64::try_from(used).unwrap_or(i64::MAX));
        let before = self.memory.level();
        let level = after(before, used, self.budget);
        if level == before {
            return;
        }
        self.memory.set(level);
        self.recorder.set(Gauge::MemoryLevel, i64::from(level.number()));
        let budget = self.budget;
        match level {
            MemoryLevel::Normal => tracing::info!(used, budget, "memory is no longer short"),
            MemoryLevel::Shed => {
                tracing::warn!(used, budget, "memory is short: buffers and caches are dropped");
            }
            MemoryLevel::Refuse => {
                tracing::warn!(used, budget, "memory is short: publishing is refused");
            }
        }
    }

    fn shed(&self) {
        let level = self.memory.level();
        let bytes: u64 = self.holders.iter().map(|holder| holder(level)).sum();
        if bytes > 0 {
            self.recorder.count(Counter::MemorySheds, 1);
            self.recorder.count(Counter::MemoryShedBytes, bytes);
        }
        (self.give_back)();
    }
}

/// Somebody looks while this is there; dropping it waits for the look that is under way.
pub(crate) struct Watch {
    stop: Option<SyncSender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop = None;
        // One that panicked has said so.
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

/// The level after one, when so much is used.
fn after(before: MemoryLevel, used: u64, budget: u64) -> MemoryLevel {
    let holds = |level: MemoryLevel, (begins, ends): (u64, u64)| {
        is_at(used, if before >= level { ends } else { begins }, budget)
    };
    if holds(MemoryLevel::Refuse, REFUSE) {
        MemoryLevel::Refuse
    } else if holds(MemoryLevel::Shed, SHED) {
        MemoryLevel::Shed
    } else {
        MemoryLevel::Normal
    }
}

/// Whether so many hundredths of the budget are used.
fn is_at(used: u64, hundredths: u64, budget: u64) -> bool {
    u128::from(used) * 100 >= u128::from(budget) * u128::from(hundredths)
}

/// Reads what this process holds, as the system sees it. The file stays open: where no more can be
/// opened memory matters most.
pub(crate) fn resident() -> impl Fn() -> Option<u64> + Send + Sync {
    let status = File::open("/proc/self/status");
    move || {
        let mut text = [0; STATUS_BYTES_MAX];
        let length = status.as_ref().ok()?.read_at(&mut text, 0).ok()?;
        kib_of(&String::from_utf8_lossy(&text[..length]), "VmRSS:")
    }
}

#[cfg(test)]
mod tests;
