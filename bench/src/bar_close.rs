//! Bars close: sixty thousand sets within a second, each ten seconds, as when the bars of six timeframes end at
//! once for ten thousand instruments. Eight subscriptions take everything, a thousand take one instrument each
//! over one stream; every event is taken by all who should have it, once and in order, and is timed from when it
//! was to leave.
//!
//! The first close makes topics and warms connections up: it is sent and checked, and not timed.

use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::json;
use tidings_client::{Client, ConsumerOptions, Consumers};
use tidings_event::{Clock, Envelope, SystemClock, Timestamp};
use tidings_market::load::LoadOptions;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::meter::Meter;
use crate::open_loop::{self, TICK, quantiles};
use crate::process::Server;
use crate::report::{Report, Round};
use crate::{Args, BenchError, consume, narrow};

/// Who takes everything, and who takes one instrument.
const FIREHOSES: usize = 8;
const NARROW: usize = 1_000;

const LOAD: LoadOptions = LoadOptions { seed: 1, instruments: 10_000, timeframes: 6 };

const CLOSES: Closes =
    Closes { count: 4, every: Duration::from_secs(10), within: Duration::from_secs(1) };

/// When bars close.
#[derive(Clone, Copy, Debug)]
struct Closes {
    count: u32,
    /// From one to the next.
    every: Duration,
    /// The sets of one leave evenly over so long.
    within: Duration,
}

impl Closes {
    /// Sets of one close: each instrument in each timeframe.
    const fn sets(load: LoadOptions) -> u64 {
        (load.instruments * load.timeframes) as u64
    }

    /// Sets of one tick.
    const fn per_tick(self, load: LoadOptions) -> u64 {
        Self::sets(load) / self.ticks() as u64
    }

    const fn ticks(self) -> u32 {
        (self.within.as_millis() / TICK.as_millis()) as u32
    }

    /// When the sets of each tick leave.
    fn dues(self) -> impl Iterator<Item = Duration> {
        (0..self.count).flat_map(move |close| {
            (0..self.ticks()).map(move |tick| self.every * close + TICK * tick)
        })
    }

    /// Of all instruments.
    fn events(self, load: LoadOptions) -> u64 {
        u64::from(self.count) * Self::sets(load)
    }

    /// Of one instrument.
    fn share(self, load: LoadOptions) -> u64 {
        self.events(load) / load.instruments as u64
    }

    /// Between the first close and the second.
    fn timed_from(self, now: Timestamp) -> Timestamp {
        Timestamp(now.0 + (self.every / 2).as_nanos() as u64)
    }
}

/// Runs it.
pub(crate) async fn run(args: &Args, report: &mut Report) -> Result<(), BenchError> {
    for _ in 0..args.rounds {
        let (all, narrow) = one(args).await?;
        println!("bars close: firehoses {:?}; narrow {:?}", all.latencies, narrow.latencies);
        report.add("bars close, 60,000 sets in a second, 8 firehoses", all);
        report.add("bars close, 1,000 narrow subscriptions beside them", narrow);
    }
    Ok(())
}

type Timed = JoinSet<Result<Histogram<u64>, BenchError>>;

/// What the firehoses saw, with what it cost, and what the narrow ones saw.
async fn one(args: &Args) -> Result<(Round, Round), BenchError> {
    let server = Server::start(&args.server).await?;
    let client = Client::connect(&server.url).await?;
    let attached = Arc::new(Barrier::new(FIREHOSES + NARROW + 1));
    let firehoses = firehoses(&server, &client, &attached).await?;
    let narrow = narrow_ones(&client, &client.consumers(), &attached).await?;
    attached.wait().await;
    let (clock, meter) = (SystemClock::new(), Meter::start(&server)?);
    let load = (LOAD, CLOSES.per_tick(LOAD));
    open_loop::publish_at(&client, &clock, load, CLOSES.dues()).await?;
    let (all, few) = (open_loop::all(firehoses).await?, open_loop::all(narrow).await?);
    let round = meter.stop(&server, CLOSES.events(LOAD))?;
    server.stop().await?;
    let narrow = Round { latencies: quantiles(&few), ..Round::default() };
    Ok((Round { latencies: quantiles(&all), ..round }, narrow))
}

async fn firehoses(
    server: &Server,
    client: &Client,
    attached: &Arc<Barrier>,
) -> Result<Timed, BenchError> {
    let mut timed = JoinSet::new();
    for number in 0..FIREHOSES {
        let name = format!("firehose-{number}");
        consume::subscribe(client, &name, &["analysis/**"]).await?;
        let (own, attached) = (Client::connect(&server.url).await?, Arc::clone(attached));
        timed.spawn(async move {
            attached.wait().await;
            let timed_from = CLOSES.timed_from(SystemClock::new().wall());
            open_loop::take_from(own, name, CLOSES.events(LOAD), timed_from).await
        });
    }
    Ok(timed)
}

async fn narrow_ones(
    client: &Client,
    attachments: &Consumers,
    attached: &Arc<Barrier>,
) -> Result<Timed, BenchError> {
    let mut timed = JoinSet::new();
    for number in 0..NARROW {
        let (name, instruments) = (format!("narrow-{number}"), vec![format!("I{number:06}")]);
        let request = json!({
            "name": name, "topics": ["analysis/**"], "start": "earliest",
            "delivery": {"stream": {}}, "filter": narrow::filter(&instruments),
        });
        client.rest().create_subscription_as(&request).await?;
        let (attachments, attached) = (attachments.clone(), Arc::clone(attached));
        timed.spawn(async move {
            let consumer = attachments.attach(ConsumerOptions::new(name, "bench")).await?;
            attached.wait().await;
            let clock = SystemClock::new();
            let (timed_from, mut histogram) =
                (CLOSES.timed_from(clock.wall()), open_loop::empty()?);
            let seen = |envelope: &Envelope<'_>| {
                open_loop::record(&mut histogram, clock.wall(), envelope, timed_from);
            };
            narrow::take(consumer, instruments, CLOSES.share(LOAD), seen).await?;
            Ok(histogram)
        });
    }
    Ok(timed)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tidings_event::Timestamp;

    use super::{CLOSES, Closes, LOAD};

    #[test]
    fn sixty_thousand_sets_leave_within_a_second_each_ten() {
        let dues: Vec<Duration> = CLOSES.dues().collect();
        assert_eq!(dues.len() as u64 * CLOSES.per_tick(LOAD), CLOSES.events(LOAD));
        assert_eq!((Closes::sets(LOAD), CLOSES.per_tick(LOAD)), (60_000, 60));
        assert!(dues.is_sorted());
        let second = dues.iter().filter(|due| (10..20).contains(&due.as_secs()));
        assert_eq!(second.clone().count(), 1_000);
        assert_eq!(second.max(), Some(&Duration::from_millis(10_999)));
    }

    #[test]
    fn each_instrument_closes_once_in_each_timeframe() {
        assert_eq!(CLOSES.share(LOAD), 6 * u64::from(CLOSES.count));
    }

    #[test]
    fn the_first_close_is_not_timed_and_the_second_is() {
        let from = CLOSES.timed_from(Timestamp(1_000));
        let leaves = |due: Duration| Timestamp(1_000 + due.as_nanos() as u64);
        let dues: Vec<Timestamp> = CLOSES.dues().map(leaves).collect();
        assert!(dues[999] < from && from < dues[1_000]);
    }
}
