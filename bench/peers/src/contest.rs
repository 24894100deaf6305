//! Who takes part in what: scenarios, contestants, and one round of one of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use clap::ValueEnum;
use tidings_bench::report::Round;
use tidings_bench::{Args, BenchError};
use tidings_telemetry::Timer;

use crate::clients::Protocol;
use crate::flow;
use crate::peer::{Class, Peer, System};
use crate::scenarios::{ingest, one_in_flight, one_to_eight, one_to_one, open_loop, replay};

/// A round that takes longer has no result.
const ROUND_MAX: Duration = Duration::from_mins(2);
/// Events that a peer is given before it is measured, where it gets quicker while it runs.
const WARM_UP: u64 = 500_000;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Scenario {
    /// Events in, acknowledged
    Ingest,
    /// Events in, and one consumer that takes everything
    OneToOne,
    /// Events in, and eight consumers that each take everything
    OneToEight,
    /// What is stored, from the beginning
    Replay,
    /// A fixed rate, from the intended send time to receipt
    OpenLoop,
    /// One event at a time, to its acknowledgement
    OneInFlight,
}

impl Scenario {
    /// Who takes part.
    pub(crate) fn contestants(self) -> Vec<Contestant> {
        match self {
            Self::Ingest => ingest::contestants(),
            Self::OneToOne => one_to_one::contestants(),
            Self::OneToEight => one_to_eight::contestants(),
            Self::Replay => replay::contestants(),
            Self::OpenLoop => open_loop::contestants(),
            Self::OneInFlight => one_in_flight::contestants(),
        }
    }

    /// As tables have it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::OneToOne => "1 -> 1",
            Self::OneToEight => "1 -> 8",
            Self::Replay => "replay",
            Self::OpenLoop => "open loop",
            Self::OneInFlight => "one in flight",
        }
    }

    async fn peer(self, peer: &Match<'_>) -> Result<Round, BenchError> {
        match self {
            Self::Ingest => flow::through(peer, 0).await,
            Self::OneToOne => flow::through(peer, 1).await,
            Self::OneToEight => flow::through(peer, 8).await,
            Self::Replay => replay::peer(peer).await,
            Self::OpenLoop => open_loop::peer(peer).await,
            Self::OneInFlight => one_in_flight::peer(peer).await,
        }
    }
}

/// One who takes part in a scenario.
#[derive(Clone, Copy)]
pub(crate) struct Contestant {
    /// Who, and over what client.
    pub(crate) who: &'static str,
    pub(crate) class: Class,
    /// Events of a round; so many that it lasts some seconds.
    pub(crate) events: u64,
    pub(crate) side: Side,
}

/// How its round is run.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    Tidings(Ours),
    Peer(System, fn(u16) -> Box<dyn Protocol>),
}

/// A round of Tidings' own bench.
pub(crate) type Ours = fn(Args) -> Pin<Box<dyn Future<Output = Result<Round, BenchError>>>>;

impl Contestant {
    /// Tidings, which always acknowledges what is on disk.
    pub(crate) fn tidings(who: &'static str, events: u64, run: Ours) -> Self {
        Self { who, class: Class::D2, events, side: Side::Tidings(run) }
    }

    /// A peer over this client.
    pub(crate) fn peer(
        who: &'static str,
        class: Class,
        events: u64,
        (system, client): (System, fn(u16) -> Box<dyn Protocol>),
    ) -> Self {
        Self { who, class, events, side: Side::Peer(system, client) }
    }

    /// Whether this is Tidings.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.side, Side::Tidings(_))
    }

    /// Names its rounds in a report.
    pub(crate) fn title(&self, scenario: Scenario) -> String {
        format!("{}, {:?}, {}", scenario.title(), self.class, self.who)
    }
}

/// A peer in a round.
pub(crate) struct Match<'a> {
    pub(crate) protocol: &'a dyn Protocol,
    pub(crate) process: &'a Peer,
    pub(crate) class: Class,
    /// Made for this round.
    pub(crate) place: String,
    pub(crate) events: u64,
    /// Events a second of the open loop.
    pub(crate) rate: u64,
}

/// Everybody who is running, and what they are measured with.
pub(crate) struct Arena {
    /// Tidings' binary.
    pub(crate) server: PathBuf,
    /// Where peers' scripts are.
    pub(crate) scripts: PathBuf,
    /// Events a second of the open loop.
    pub(crate) rate: u64,
    /// Started when first needed; they stand still while others are measured.
    pub(crate) peers: BTreeMap<(System, Class), Peer>,
    /// Places made so far.
    pub(crate) places: u64,
}

impl Arena {
    /// One round of a contestant.
    pub(crate) async fn round(
        &mut self,
        scenario: Scenario,
        contestant: &Contestant,
        events: u64,
    ) -> Result<Round, BenchError> {
        let late = |_| BenchError::Check(format!("not done after {ROUND_MAX:?}"));
        let (system, client) = match contestant.side {
            Side::Tidings(run) => {
                let args = Args::one_round(self.server.clone(), events, self.rate);
                return Timer.limit(ROUND_MAX, run(args)).await.map_err(late)?;
            }
            Side::Peer(system, client) => (system, client),
        };
        // Memory alone is a matter of the place, not of the server.
        let key = (system, contestant.class.max(Class::D1));
        if !self.peers.contains_key(&key) {
            self.start(key, client).await?;
        }
        let place = self.place();
        let Some(peer) = self.peers.get(&key) else { return Err(gone(system)) };
        let protocol = client(peer.ports[0]);
        let (class, rate) = (contestant.class, self.rate);
        let found = Match { protocol: &*protocol, process: peer, class, place, events, rate };
        peer.release();
        let round = Timer.limit(ROUND_MAX, one(scenario, &found)).await.map_err(late);
        peer.hold();
        if !matches!(round, Ok(Ok(_)))
            && let Some(peer) = self.peers.remove(&key)
        {
            // What it still does would be in the way of the next.
            peer.stop().await?;
        }
        round?
    }

    /// Ends all peers; says which they were.
    pub(crate) async fn close(self) -> Result<Vec<String>, BenchError> {
        let mut versions = Vec::new();
        for ((system, _), peer) in self.peers {
            versions.push(format!("{system:?} {}", peer.version));
            peer.stop().await?;
        }
        versions.dedup();
        Ok(versions)
    }

    async fn start(
        &mut self,
        key: (System, Class),
        client: fn(u16) -> Box<dyn Protocol>,
    ) -> Result<(), BenchError> {
        let peer = Peer::start(&self.scripts, key.0, key.1).await?;
        println!("started {:?} {}, {:?}", key.0, peer.version, key.1);
        if key.0.warms_up() {
            let protocol = client(peer.ports[0]);
            let (class, place, events) = (key.1, self.place(), WARM_UP);
            let process = &peer;
            let warm = Match { protocol: &*protocol, process, class, place, events, rate: 0 };
            one(Scenario::OneToOne, &warm).await?;
        }
        peer.hold();
        self.peers.insert(key, peer);
        Ok(())
    }

    fn place(&mut self) -> String {
        self.places += 1;
        format!("bench-{}", self.places)
    }
}

async fn one(scenario: Scenario, found: &Match<'_>) -> Result<Round, BenchError> {
    found.protocol.create(&found.place).await?;
    let round = scenario.peer(found).await?;
    found.protocol.remove(&found.place).await?;
    Ok(round)
}

fn gone(system: System) -> BenchError {
    BenchError::Check(format!("{system:?} is not running"))
}
