//! The terms of delivery: who consumes, what becomes of events that fail, how they are batched.

use std::time::Duration;

use tidings_event::{Code, Refusal};

/// Who may consume a subscription at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// One consumer; a second one is refused.
    #[default]
    Exclusive,
    /// One consumer at a time; the others wait and take over in the order they came.
    Failover,
    /// All of them: each key is with one member at a time.
    Group,
}

/// What happens when as many events wait behind failing ones as may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnParkFull {
    /// The partition sends nothing new until there is room.
    #[default]
    Pause,
    /// The oldest failing event is dead-lettered, whatever attempts it has left.
    DeadLetter,
}

/// What becomes of events that fail. Back-off is exponential with full jitter: the time before
/// attempt n + 1 is uniform in `min_backoff ..= min(max_backoff, min_backoff * 2^n)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all, the first included; then the event is dead-lettered.
    pub max_attempts: u32,
    /// Least time before another attempt.
    pub min_backoff: Duration,
    /// Most time before another attempt.
    pub max_backoff: Duration,
    /// Dead-lettered when it fails so long after its first attempt, whatever attempts are left.
    pub max_age: Option<Duration>,
    /// When too much waits behind failing events.
    pub on_park_full: OnParkFull,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: 8,
            min_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(30),
            max_age: None,
            on_park_full: OnParkFull::Pause,
        }
    }
}

/// How the events of a delivery are packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    #[default]
    None,
    /// As one LZ4 block, where that makes them shorter; in Protobuf forms only.
    Lz4,
}

/// How events are put together on their way out: a delivery goes as soon as one bound is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Batching {
    /// Most events of one delivery; absent: as many as there are in the block.
    pub max_events: Option<u32>,
    /// Most bytes of one delivery, but for a single larger event; absent: a block's.
    pub max_bytes: Option<u64>,
    /// How long the first event may wait for more; zero: not at all.
    pub max_delay: Duration,
    /// How its events are packed.
    pub compression: Compression,
}

/// How a burst of look-alike anomalies is told: the first at once, the rest of the window as one
/// digest. Look-alike are anomalies of one key with the same type and severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Folding {
    /// From the first anomaly to its digest.
    pub window: Duration,
}

const ATTEMPTS_MAX: u32 = 1_000;
const BACKOFF_MAX: Duration = Duration::from_secs(24 * 3_600);
const DELAY_MAX: Duration = Duration::from_secs(10);
const WINDOW_MAX: Duration = Duration::from_secs(3_600);

impl Retry {
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        if !(1..=ATTEMPTS_MAX).contains(&self.max_attempts) {
            let detail = format!("{} is not in 1..={ATTEMPTS_MAX}", self.max_attempts);
            return Err(invalid("retry.max_attempts", detail));
        }
        if self.max_backoff > BACKOFF_MAX {
            let detail = format!("{:?} is more than 24h", self.max_backoff);
            return Err(invalid("retry.max_backoff_ms", detail));
        }
        if self.min_backoff.is_zero() || self.min_backoff > self.max_backoff {
            let detail = format!("{:?} is not in 1ms..={:?}", self.min_backoff, self.max_backoff);
            return Err(invalid("retry.min_backoff_ms", detail));
        }
        if self.max_age.is_some_and(|age| age.is_zero()) {
            return Err(invalid("retry.max_age_ms", "it is 0".to_owned()));
        }
        Ok(())
    }
}

impl Batching {
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        if self.max_events == Some(0) {
            return Err(invalid("batch.max_events", "it is 0".to_owned()));
        }
        if self.max_bytes == Some(0) {
            return Err(invalid("batch.max_bytes", "it is 0".to_owned()));
        }
        if self.max_delay > DELAY_MAX {
            let detail = format!("{:?} is more than 10s", self.max_delay);
            return Err(invalid("batch.max_delay_ms", detail));
        }
        Ok(())
    }
}

impl Folding {
    pub(crate) fn check(self) -> Result<(), Refusal> {
        if self.window.is_zero() || self.window > WINDOW_MAX {
            let detail = format!("{:?} is not in 1ms..=1h", self.window);
            return Err(invalid("fold.window_ms", detail));
        }
        Ok(())
    }
}

fn invalid(field: &str, detail: String) -> Refusal {
    Refusal::new(Code::FieldInvalid, detail).at_field(field)
}
