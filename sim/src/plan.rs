//! What a seed makes of a simulation: topics, publishers, subscriptions and fates, drawn at its start.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use tidings_catalog::{
    DeliveryKind, Mode, OnParkFull, Retry, Sharing, Start, SubscriptionSpec, TopicRequest,
};
use tidings_log::{Journal, Retention};
use tidings_match::{Filter, TopicPattern};

/// Instruments of the market.
pub(crate) const KEYS: u64 = 8;

/// A topic.
#[derive(Clone, Copy)]
pub(crate) struct TopicPlan {
    pub(crate) path: &'static str,
    pub(crate) partitions: u32,
    pub(crate) journal: Journal,
    /// Whether it keeps so little that consumers may be too late.
    pub(crate) is_short: bool,
}

impl TopicPlan {
    pub(crate) fn request(&self) -> TopicRequest {
        let days = if self.journal == Journal::Short { 1 } else { 60 };
        let retention = Retention {
            age: Duration::from_secs(days * 86_400),
            bytes: self.is_short.then_some(6_000),
        };
        let partitions = Some(self.partitions);
        TopicRequest { partitions, retention: Some(retention), durability: None }
    }
}

/// A publisher.
#[derive(Clone)]
pub(crate) struct PublisherPlan {
    pub(crate) name: String,
    /// Whether it counts what it sends; otherwise ids tell repeats.
    pub(crate) is_sequenced: bool,
    pub(crate) events: u64,
}

/// A subscription, and how those who consume it behave.
#[derive(Clone)]
pub(crate) struct SubscriptionPlan {
    pub(crate) name: String,
    pub(crate) pattern: &'static str,
    /// Instruments that its filter selects, bit by bit; of all of them it has no filter.
    pub(crate) keys: u64,
    pub(crate) sharing: Sharing,
    pub(crate) mode: Mode,
    pub(crate) members: u64,
    pub(crate) is_pulled: bool,
    /// Of so many events it never takes one; 0: it takes all.
    pub(crate) refuses: u64,
    pub(crate) window: u32,
    pub(crate) attempts: u32,
}

/// How a life of the service ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doom {
    /// Power is lost while a journal is written, after so many writes.
    PowerInWrite(u64),
    /// Power is lost between writes.
    Power,
    /// The process is killed: what it wrote is there.
    Kill,
    /// It is stopped.
    Stop,
}

/// What goes wrong in a life, and how it ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    pub(crate) lasts: Duration,
    pub(crate) doom: Doom,
    /// Of the disk's calls of a kind the n-th fails.
    pub(crate) failing: Option<(tidings_log::fake_disk::Call, usize)>,
    /// Nanoseconds that the wall clock jumps by.
    pub(crate) jump: Option<i64>,
}

/// Everything that was drawn.
pub(crate) struct Plan {
    pub(crate) topics: Vec<TopicPlan>,
    pub(crate) publishers: Vec<PublisherPlan>,
    pub(crate) subscriptions: Vec<SubscriptionPlan>,
    pub(crate) lives: Vec<Life>,
}

impl Plan {
    pub(crate) fn draw(random: &mut StdRng) -> Self {
        let publishers = (0..random.random_range(1..4u64)).map(|n| publisher(n, random)).collect();
        let subscriptions =
            (0..random.random_range(2..5u64)).map(|n| subscription(n, random)).collect();
        let lives = (0..random.random_range(1..5u32)).map(|_| life(random)).collect();
        Self { topics: topics(random), publishers, subscriptions, lives }
    }
}

fn topics(random: &mut StdRng) -> Vec<TopicPlan> {
    let mut topic = |path, journal| TopicPlan {
        path,
        partitions: random.random_range(1..4),
        journal,
        is_short: random.random_range(0..4) == 0,
    };
    vec![topic("sim/a", Journal::Short), topic("sim/b", Journal::Medium)]
}

fn publisher(number: u64, random: &mut StdRng) -> PublisherPlan {
    PublisherPlan {
        name: format!("p{number}"),
        is_sequenced: random.random(),
        events: random.random_range(20..80),
    }
}

fn subscription(number: u64, random: &mut StdRng) -> SubscriptionPlan {
    let sharing = match random.random_range(0..4) {
        0 => Sharing::Failover,
        1 => Sharing::Group,
        _ => Sharing::Exclusive,
    };
    let every = (1 << KEYS) - 1;
    let some = random.random_range(1..every);
    SubscriptionPlan {
        name: format!("s{number}"),
        pattern: ["sim/*", "sim/a", "**"][random.random_range(0..3usize)],
        keys: if random.random_range(0..3) == 0 { some } else { every },
        sharing,
        mode: if random.random_range(0..4) == 0 { Mode::Parallel } else { Mode::Ordered },
        members: if sharing == Sharing::Exclusive { 1 } else { random.random_range(1..4) },
        is_pulled: random.random_range(0..4) == 0,
        refuses: [0, 0, 7, 13][random.random_range(0..4usize)],
        window: random.random_range(2..40),
        attempts: random.random_range(2..5),
    }
}

fn life(random: &mut StdRng) -> Life {
    use tidings_log::fake_disk::Call;
    const HOUR: i64 = 3_600_000_000_000;
    let doom = match random.random_range(0..8) {
        0..4 => Doom::PowerInWrite(random.random_range(5..120)),
        4 => Doom::Power,
        5 | 6 => Doom::Kill,
        _ => Doom::Stop,
    };
    let call = [Call::Sync, Call::Write, Call::Read, Call::SyncDir][random.random_range(0..4usize)];
    let failing = (random.random_range(0..5) == 0).then(|| (call, random.random_range(20..200)));
    let jumps = [HOUR, -HOUR, 24 * HOUR, -24 * HOUR, 87_600 * HOUR, -87_600 * HOUR];
    let jump = jumps[random.random_range(0..jumps.len())];
    Life {
        lasts: Duration::from_millis(random.random_range(50..1_500)),
        doom,
        failing,
        jump: (random.random_range(0..5) == 0).then_some(jump),
    }
}

/// A key's instrument.
pub(crate) fn instrument(key: u64) -> String {
    format!("K{key}")
}

/// The filter that selects some instruments; none for all.
pub(crate) fn filter(keys: u64) -> Option<Filter> {
    if keys == (1 << KEYS) - 1 {
        return None;
    }
    let some = (0..KEYS).filter(|key| keys >> key & 1 == 1);
    let names: Vec<_> = some.map(|key| format!("'{}'", instrument(key))).collect();
    Filter::compile(&format!("instrument in [{}]", names.join(", "))).ok()
}

impl SubscriptionPlan {
    pub(crate) fn spec(&self) -> SubscriptionSpec {
        let patterns = TopicPattern::parse(self.pattern).into_iter().collect();
        let mut spec = SubscriptionSpec::new(&*self.name, patterns);
        spec.filter = filter(self.keys);
        spec.start = Start::Earliest;
        spec.max_in_flight = self.window;
        spec.mode = self.mode;
        spec.sharing = self.sharing;
        spec.delivery = if self.is_pulled { DeliveryKind::Pull } else { DeliveryKind::Stream };
        spec.ack_deadline = Duration::from_millis(1_000);
        spec.retry = Retry {
            max_attempts: self.attempts,
            min_backoff: Duration::from_millis(1),
            max_backoff: Duration::from_millis(60),
            max_age: None,
            on_park_full: OnParkFull::Pause,
        };
        spec
    }

    /// Whether it never takes an event of this number.
    pub(crate) fn refuses(&self, number: u64) -> bool {
        self.refuses != 0 && number % self.refuses == 3
    }
}
