//! One subscription that the members of a group share: each key is with one of them.
//!
//! All are attached before the first event and stay, so that a key must stay with whoever had it first: then
//! it is never with two at once. Counts per key tell that nothing is missing, comes twice or out of order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use serde_json::json;
use tidings_client::{
    Client, Consumer, ConsumerEvent, ConsumerOptions, Delivered, PublisherOptions,
};
use tidings_event::scan;
use tidings_market::load::{FIRST_COUNT, LoadOptions, TIMEFRAMES};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::blocks::CASES;
use crate::ingest::Made;
use crate::meter::Meter;
use crate::process::Server;
use crate::report::{Report, Round};
use crate::ws_fanout::broken;
use crate::{Args, BenchError};

const MEMBERS: u32 = 8;
const SUBSCRIPTION: &str = "crew";
/// Whose a key is that nobody has had.
const NOBODY: u32 = u32::MAX;

/// Runs the dense and the spread case in turns.
pub(crate) async fn run(args: &Args, report: &mut Report) -> Result<(), BenchError> {
    for round in 0..args.rounds {
        for (case, options) in CASES {
            let (measured, shares) = one(args, options).await?;
            println!(
                "group of {MEMBERS}, {case} round {round}: {:.0} ev/s, {} to {} events each",
                measured.rate(),
                shares.iter().min().unwrap_or(&0),
                shares.iter().max().unwrap_or(&0),
            );
            report.add(&format!("group of {MEMBERS}, {case}, durable"), measured);
        }
    }
    Ok(())
}

/// One round, and how many events each member had.
async fn one(args: &Args, options: LoadOptions) -> Result<(Round, Vec<u64>), BenchError> {
    let server = Server::start(&args.server).await?;
    let client = Client::connect(&server.url).await?;
    let load = Made::events(args.events, options);
    let total = load.total;
    let request = json!({
        "name": SUBSCRIPTION, "topics": ["analysis/**"], "start": "earliest",
        "delivery": {"stream": {}}, "sharing": "group",
    });
    client.rest().create_subscription_as(&request).await?;
    let group = Arc::new(Group::new(options, total));
    let mut attached = Vec::new();
    for number in 0..MEMBERS {
        let own = Client::connect(&server.url).await?;
        let options = ConsumerOptions::new(SUBSCRIPTION, format!("member-{number}"));
        attached.push((own.consumer(options).await?, Member::new(number, Arc::clone(&group))));
    }
    let publisher = client.publisher(PublisherOptions::sequenced("bench")).await?;
    let mut members = JoinSet::new();
    let meter = Meter::start(&server)?;
    for (consumer, member) in attached {
        members.spawn(member.work(consumer));
    }
    load.publish(&publisher).await?;
    let mut shares = Vec::new();
    while let Some(ended) = members.join_next().await {
        shares.push(ended.map_err(broken)??);
    }
    let round = Round { deliveries: total, ..meter.stop(&server, total)? };
    server.stop().await?;
    let (taken, idle) = (shares.iter().sum::<u64>(), shares.contains(&0));
    if taken != total || idle {
        return Err(broken(format!("{taken} events came of {total}, to the members {shares:?}")));
    }
    Ok((round, shares))
}

/// What all members know together.
struct Group {
    options: LoadOptions,
    /// Who has each key.
    owners: Vec<AtomicU32>,
    taken: AtomicU64,
    total: u64,
    /// Whether everything was taken.
    done: watch::Sender<bool>,
}

impl Group {
    fn new(options: LoadOptions, total: u64) -> Self {
        let owners = (0..options.instruments).map(|_| AtomicU32::new(NOBODY)).collect();
        Self { options, owners, taken: AtomicU64::new(0), total, done: watch::Sender::new(false) }
    }

    /// So many more were taken.
    fn add(&self, count: u64) -> Result<(), BenchError> {
        let taken = self.taken.fetch_add(count, Ordering::Relaxed) + count;
        if taken > self.total {
            return Err(broken(format!("{taken} events came of {}", self.total)));
        }
        if taken == self.total {
            self.done.send_replace(true);
        }
        Ok(())
    }
}

/// One of the group.
struct Member {
    number: u32,
    group: Arc<Group>,
    /// The count that comes next, of each key in each timeframe.
    next: Vec<u32>,
    taken: u64,
}

impl Member {
    /// The events of a key take turns in the timeframes, and are counted across them.
    fn new(number: u32, group: Arc<Group>) -> Self {
        let firsts = || (FIRST_COUNT..).take(group.options.timeframes);
        let next = (0..group.options.instruments).flat_map(|_| firsts()).collect();
        Self { number, group, next, taken: 0 }
    }

    /// Takes what it is given until all members together have everything; says how many it had.
    async fn work(mut self, mut consumer: Consumer) -> Result<u64, BenchError> {
        let mut done = self.group.done.subscribe();
        loop {
            let next = tokio::select! {
                biased;
                next = consumer.next() => next,
                ended = done.wait_for(|done| *done) => {
                    return ended.map(|_| self.taken).map_err(broken);
                }
            };
            match next.ok_or_else(|| broken("the stream ended"))?? {
                ConsumerEvent::Events(delivered) => {
                    self.check(&delivered)?;
                    consumer.ack_up_to(delivered.last_position()).await?;
                    self.taken += u64::from(delivered.count);
                    self.group.add(u64::from(delivered.count))?;
                }
                ConsumerEvent::Confirmed(_) | ConsumerEvent::Extended(_) => {}
                other => return Err(broken(format!("unexpected: {other:?}"))),
            }
        }
    }

    fn check(&mut self, delivered: &Delivered) -> Result<(), BenchError> {
        let of_topic = delivered.topic.rsplit('/').next();
        let timeframe = TIMEFRAMES.iter().position(|one| Some(*one) == of_topic);
        let timeframe = timeframe.ok_or_else(|| broken(format!("{} came", delivered.topic)))?;
        for event in delivered.events() {
            let envelope = scan(event?.event).map_err(broken)?;
            let key = envelope.instrument.strip_prefix('I').and_then(|number| number.parse().ok());
            match (key, envelope.key_seq) {
                (Some(key), Some(count)) => self.see(key, timeframe, count)?,
                _ => return Err(broken(format!("{envelope:?} came"))),
            }
        }
        Ok(())
    }

    /// The event with this count of a key.
    fn see(&mut self, key: usize, timeframe: usize, count: u64) -> Result<(), BenchError> {
        let step = self.group.options.timeframes;
        let place = self.next.get_mut(key * step + timeframe).filter(|_| timeframe < step);
        let (Some(owner), Some(next)) = (self.group.owners.get(key), place) else {
            return Err(broken(format!("key {key} in timeframe {timeframe} is not of the load")));
        };
        let (ours, order) = (self.number, Ordering::Relaxed);
        if let Err(whose) = owner.compare_exchange(NOBODY, ours, order, order)
            && whose != ours
        {
            return Err(broken(format!("key {key} is with the members {whose} and {ours}")));
        }
        if count != u64::from(*next) {
            return Err(broken(format!("event {count} of key {key} came instead of {next}")));
        }
        *next += step as u32;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tidings_market::load::{FIRST_COUNT, LoadOptions};

    use super::{Group, Member};

    const FIRST: u64 = FIRST_COUNT as u64;

    fn two() -> [Member; 2] {
        let options = LoadOptions { seed: 1, instruments: 3, timeframes: 2 };
        let group = Arc::new(Group::new(options, 10));
        [0, 1].map(|number| Member::new(number, Arc::clone(&group)))
    }

    #[test]
    fn each_key_is_with_one_member() {
        let [mut one, mut other] = two();
        one.see(0, 0, FIRST).unwrap();
        other.see(1, 0, FIRST).unwrap();
        let twice = other.see(0, 1, FIRST + 1).unwrap_err();
        assert!(twice.to_string().contains("key 0 is with the members 0 and 1"), "{twice}");
    }

    #[test]
    fn each_key_comes_in_order_in_each_timeframe_and_nothing_twice() {
        let [mut one, _] = two();
        for (timeframe, count) in [(0, 0), (1, 1), (1, 3), (0, 2)] {
            one.see(2, timeframe, FIRST + count).unwrap();
        }
        assert!(one.see(2, 0, FIRST + 2).is_err(), "a second time");
        assert!(one.see(2, 0, FIRST + 6).is_err(), "one is missing");
        assert!(one.see(2, 2, FIRST + 4).is_err(), "a timeframe that is not of the load");
        assert!(one.see(3, 0, FIRST).is_err(), "a key that is not of the load");
    }

    #[test]
    fn it_is_done_when_everything_was_taken_and_no_more_may_come() {
        let [one, _] = two();
        one.group.add(9).unwrap();
        assert!(!*one.group.done.borrow());
        one.group.add(1).unwrap();
        assert!(*one.group.done.borrow());
        assert!(one.group.add(1).is_err());
    }
}
