//! The whole of one subscription against one fate per event, over random sends, failures, acks,
//! lost connections, burials and time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use proptest::prelude::*;
use tidings_catalog::{Mode, Retry, SubscriptionSpec};
use tidings_event::hop::Committed;
use tidings_event::{Epoch, Offset, Timestamp, TopicPartition};

use super::{BurialOutcome, Consumer, Limits, State, Step};
use crate::cursor::Cursor;
use crate::matching::Selected;
use crate::outgoing::{Outgoing, Run};
use crate::sent::Sent;
use crate::slot::{Budget, key_of};
use crate::window::Window;

mod gathering;
mod resting;
pub(crate) mod rig;
mod saving;
mod unread;

pub(crate) const PARTITION: TopicPartition =
    TopicPartition { topic: tidings_event::TopicId(1), partition: tidings_event::PartitionId(0) };

#[derive(Clone, Debug)]
enum Act {
    Send {
        events: u64,
        bytes: u64,
        deadline: Option<u64>,
    },
    Ack {
        first: u64,
        count: u64,
        up_to: bool,
    },
    Late {
        first: u64,
        count: u64,
    },
    Nack {
        first: u64,
        count: u64,
        delay: u64,
    },
    Reconnect,
    Pass(u64),
    Bury {
        fits: bool,
    },
    /// The next block is durable.
    Publish,
    /// Cursors are saved, and what has nothing to do is laid to rest.
    Rest,
}

fn any_act() -> impl Strategy<Value = Act> {
    let place = || (0u64..40, 1u64..6);
    prop_oneof![
        6 => (1u64..20, 50u64..900, proptest::option::of(1u64..50_000))
            .prop_map(|(events, bytes, deadline)| Act::Send { events, bytes, deadline }),
        3 => (place(), any::<bool>())
            .prop_map(|((first, count), up_to)| Act::Ack { first, count, up_to }),
        1 => place().prop_map(|(first, count)| Act::Late { first, count }),
        5 => (place(), 0u64..3_000)
            .prop_map(|((first, count), delay)| Act::Nack { first, count, delay }),
        1 => Just(Act::Reconnect),
        4 => (1u64..2_000).prop_map(Act::Pass),
        2 => any::<bool>().prop_map(|fits| Act::Bury { fits }),
        3 => Just(Act::Publish),
        3 => Just(Act::Rest),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Unsent,
    Flying {
        deadline: Option<u64>,
    },
    /// The connection that had it was lost, or its gate opened again.
    Waiting,
    /// It failed; at the latest then it may go out again.
    Parked {
        least: u64,
        most: u64,
    },
    Burying,
    Settled,
    /// No business of the subscription.
    Filtered,
}

/// One fate per event: the definition.
struct Naive {
    keys: Vec<u64>,
    fates: Vec<Fate>,
    /// Deliveries and failures so far.
    sent: Vec<u32>,
    failures: Vec<u32>,
    /// Session that had it last.
    had: Vec<u64>,
    /// Which delivery each came with last, and for the first time.
    order: Vec<u64>,
    first_order: Vec<u64>,
    deliveries: u64,
    failing: BTreeSet<usize>,
    /// Dead letters that the next delivery of their key tells of.
    untold: BTreeMap<u64, Vec<u64>>,
    last_first: BTreeMap<u64, usize>,
    now: u64,
    is_ordered: bool,
    retry: Retry,
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}

impl Naive {
    /// More is durable.
    fn extend(&mut self, keys: &[u64], has_filter: bool) {
        for &key in keys {
            let is_filtered = has_filter && key == 2;
            self.fates.push(if is_filtered { Fate::Filtered } else { Fate::Unsent });
            self.keys.push(key);
            self.sent.push(0);
            self.failures.push(0);
            self.had.push(0);
            self.order.push(0);
            self.first_order.push(0);
        }
    }

    /// Whether one went out before everything above it.
    fn went_in_order(&self, at: usize) -> bool {
        let mut above = self.first_order[at + 1..].iter();
        self.sent[at] == 1 && above.all(|&order| order == 0 || order >= self.order[at])
    }

    fn is_gated(&self, at: usize) -> bool {
        let mut earlier = self.failing.range(..at);
        self.is_ordered && earlier.any(|&f| self.keys[f] == self.keys[at])
    }

    fn fail(&mut self, at: usize, delay: u64) {
        self.failing.insert(at);
        self.failures[at] += 1;
        let (min, max) = (millis(self.retry.min_backoff), millis(self.retry.max_backoff));
        self.fates[at] = if self.failures[at] >= self.retry.max_attempts {
            Fate::Burying
        } else {
            Fate::Parked { least: self.now + min.max(delay), most: self.now + max.max(delay) }
        };
    }

    fn settle(&mut self, at: usize) {
        self.failing.remove(&at);
        self.fates[at] = Fate::Settled;
    }

    fn deliver(
        &mut self,
        sent: &Sent,
        deadline: Option<u64>,
        session: u64,
    ) -> Result<(), TestCaseError> {
        let delivery = &sent.delivery;
        let offsets =
            delivery.offsets.iter().flat_map(|&(first, count)| first.0..first.0 + u64::from(count));
        let offsets: Vec<u64> = offsets.collect();
        let carried: Vec<u64> = tidings_event::block::events(&delivery.body)
            .map(|event| tidings_event::scan(event.unwrap()).unwrap().key_seq.unwrap())
            .collect();
        prop_assert_eq!(&offsets, &carried);
        let mut told = sent.skipped.clone();
        self.deliveries += 1;
        for offset in offsets {
            let at = usize::try_from(offset).unwrap();
            let fate = self.fates[at];
            match fate {
                Fate::Unsent => {
                    let last = self.last_first.insert(self.keys[at], at);
                    prop_assert!(last < Some(at), "{at} is first sent after {last:?}");
                }
                Fate::Waiting => {}
                Fate::Parked { least, .. } => prop_assert!(least <= self.now, "{at} is too early"),
                _ => prop_assert!(false, "{at} was sent while {fate:?}"),
            }
            prop_assert!(!self.is_gated(at), "{at} passed an earlier failing event of its key");
            self.sent[at] += 1;
            self.had[at] = session;
            self.order[at] = self.deliveries;
            if self.sent[at] == 1 {
                self.first_order[at] = self.deliveries;
            }
            let mut attempts = delivery.attempts.iter();
            let attempt = attempts
                .find(|(first, count, _)| (first.0..first.0 + u64::from(*count)).contains(&offset))
                .map_or(1, |run| run.2);
            prop_assert_eq!(attempt, self.sent[at]);
            self.fates[at] = Fate::Flying { deadline };
            for letter in self.untold.remove(&self.keys[at]).unwrap_or_default() {
                let place = told.iter().position(|pair| *pair == (offset, letter));
                prop_assert!(place.is_some(), "{offset} does not tell of {letter}");
                told.remove(place.unwrap());
            }
        }
        prop_assert!(told.is_empty());
        Ok(())
    }

    /// After everything was sent that could be: what is left has its reason.
    fn is_explained(&self, at: usize) -> bool {
        match self.fates[at] {
            Fate::Unsent | Fate::Waiting => self.is_gated(at),
            Fate::Parked { most, .. } => self.is_gated(at) || self.now < most,
            Fate::Flying { .. } | Fate::Burying | Fate::Settled | Fate::Filtered => true,
        }
    }
}

struct Playing {
    state: State,
    naive: Naive,
    blocks: Vec<Committed>,
    /// Blocks that are not durable yet, and their keys.
    coming: Vec<(Committed, Vec<u64>)>,
    has_filter: bool,
    session: u64,
    exhausted: Vec<u64>,
}

impl Playing {
    fn now(&self) -> Duration {
        Duration::from_millis(self.naive.now)
    }

    fn run(first: u64, count: u64) -> Run {
        Run {
            topic: PARTITION.topic,
            epoch: Epoch(1),
            partition: PARTITION.partition,
            first: Offset(first),
            last: Offset(first + count - 1),
        }
    }

    /// Steps until nothing more can be sent; what was sent is checked.
    fn send(
        &mut self,
        events: u64,
        bytes: u64,
        deadline: Option<u64>,
    ) -> Result<(), TestCaseError> {
        let mut left = events;
        self.overdue();
        loop {
            let until = deadline.map(|after| self.naive.now + after);
            let budget = Budget { events: left, bytes };
            let now = self.now();
            let time: (_, &dyn Fn() -> Timestamp) = (now, &|| Timestamp(0));
            match self.state.step(budget, self.session, time, until.map(Duration::from_millis)) {
                Step::Wait(_) => return Ok(()),
                Step::Read(at, from, why) => {
                    let start = self.blocks.partition_point(|block| block.end_offset().0 <= from);
                    let read = self.blocks[start..].iter().take(2).cloned().collect();
                    self.state.filled((at, from, why), Ok(read));
                }
                Step::Send(sent) => {
                    prop_assert!(u64::from(sent.delivery.count) <= left);
                    left -= u64::from(sent.delivery.count);
                    self.naive.deliver(&sent, until, self.session)?;
                }
                Step::Out(Outgoing::Confirmed { .. }) => {}
                Step::Out(out) => prop_assert!(false, "{out:?}"),
            }
        }
    }

    fn overdue(&mut self) {
        let now = self.naive.now;
        for at in 0..self.naive.fates.len() {
            if matches!(self.naive.fates[at], Fate::Flying { deadline: Some(d) } if d <= now) {
                self.naive.fail(at, 0);
            }
        }
    }

    fn flying(&self, first: u64, end: u64) -> Vec<u64> {
        let flies = |at: &u64| {
            matches!(self.naive.fates.get(usize::try_from(*at).unwrap()), Some(Fate::Flying { .. }))
        };
        (first..end).filter(flies).collect()
    }

    /// What an ack up to an offset settled: all that came no later than that; when it is not in flight,
    /// nothing but what went out in order.
    fn up_to(&self, offset: u64, acked: Vec<u64>) -> Result<Vec<u64>, TestCaseError> {
        let place = |at: &u64| usize::try_from(*at).unwrap();
        let mut below = self.flying(0, offset + 1);
        if below.last() == Some(&offset) {
            let order = self.naive.order[place(&offset)];
            below.retain(|at| self.naive.order[place(at)] <= order);
            prop_assert_eq!(&acked, &below);
        } else {
            prop_assert!(acked.iter().all(|at| below.contains(at)));
            prop_assert!(acked.iter().all(|at| self.naive.went_in_order(place(at))));
        }
        Ok(acked)
    }

    fn apply(&mut self, act: &Act) -> Result<(), TestCaseError> {
        let now = self.now();
        let flat = |runs: Vec<Run>| {
            runs.into_iter().flat_map(|run| run.first.0..=run.last.0).collect::<Vec<_>>()
        };
        match *act {
            Act::Send { events, bytes, deadline } => self.send(events, bytes, deadline)?,
            Act::Ack { first, count, up_to } => {
                let acked = self.state.ack(self.session, Self::run(first, count), up_to, now);
                let want = if up_to {
                    self.up_to(first + count - 1, flat(acked))?
                } else {
                    let want = self.flying(first, first + count);
                    prop_assert_eq!(flat(acked), want.clone());
                    want
                };
                want.iter().for_each(|at| self.naive.settle(usize::try_from(*at).unwrap()));
            }
            Act::Late { first, count } => {
                let counted = self.state.ack_late(self.session, Self::run(first, count), now);
                let mut want = 0;
                for at in first..(first + count).min(self.naive.fates.len() as u64) {
                    let at = usize::try_from(at).unwrap();
                    // What a lost connection had is of another session.
                    let had = self.naive.had[at] == self.session;
                    if had && matches!(self.naive.fates[at], Fate::Parked { .. }) {
                        self.naive.settle(at);
                        want += 1;
                    }
                }
                prop_assert_eq!(counted, want);
            }
            Act::Nack { first, count, delay } => {
                let nack = Duration::from_millis(delay).into();
                let given = self.state.nack(self.session, Self::run(first, count), now, &nack);
                let want = self.flying(first, first + count);
                prop_assert_eq!(flat(given), want.clone());
                want.iter().for_each(|at| self.naive.fail(usize::try_from(*at).unwrap(), delay));
            }
            Act::Reconnect => {
                self.state.detach(self.session, now);
                for fate in &mut self.naive.fates {
                    if matches!(fate, Fate::Flying { .. }) {
                        *fate = Fate::Waiting;
                    }
                }
                self.session += 1;
                self.state.claim(consumer(self.session), None, now).unwrap();
                self.state.offered_from(PARTITION, self.naive.fates.len() as u64);
            }
            Act::Pass(by) => {
                self.naive.now += by;
                let now = self.now();
                self.state.expire(now);
                self.overdue();
            }
            Act::Bury { fits } => self.bury(fits)?,
            Act::Publish => self.publish(),
            Act::Rest => {
                let (_, ticket) = self.state.collect(&mut BytesMut::new());
                self.state.saved(ticket);
                self.state.slots.rest();
            }
        }
        let exhausted = self.state.exhausted();
        self.exhausted.extend(exhausted.iter().map(|event| event.offset));
        self.exhausted.sort_unstable();
        let is_burying = |at: &usize| self.naive.fates[*at] == Fate::Burying;
        let want: Vec<u64> =
            (0..self.naive.fates.len()).filter(is_burying).map(|at| at as u64).collect();
        prop_assert_eq!(&self.exhausted, &want);
        self.unsettled()
    }

    fn publish(&mut self) {
        if self.coming.is_empty() {
            return;
        }
        let (block, keys) = self.coming.remove(0);
        let judge = self.state.slots.get_mut(&PARTITION).unwrap().judge.clone();
        let selected = judge.map_or_else(|| Selected::all(&block), |judge| judge.select(&block));
        // What nobody takes is not handed over.
        if !selected.body.is_empty() {
            self.state.push(&block, &selected);
        }
        self.naive.extend(&keys, self.has_filter);
        self.blocks.push(block);
    }

    fn bury(&mut self, fits: bool) -> Result<(), TestCaseError> {
        let now = self.now();
        for offset in std::mem::take(&mut self.exhausted) {
            let at = usize::try_from(offset).unwrap();
            let key = key_of(&rig::event(offset, self.naive.keys[at]));
            let outcome = if fits { BurialOutcome::Done(key) } else { BurialOutcome::Refused };
            self.state.buried((PARTITION, offset), outcome, now);
            if fits {
                self.naive.settle(at);
                if self.naive.is_ordered {
                    self.naive.untold.entry(self.naive.keys[at]).or_default().push(offset);
                }
            }
        }
        Ok(())
    }

    /// Every event is settled or not, in both.
    fn unsettled(&self) -> Result<(), TestCaseError> {
        let tail = self.naive.fates.len() as u64;
        let is_open = |fate: &&Fate| !matches!(fate, Fate::Settled | Fate::Filtered);
        let open = self.naive.fates.iter().filter(is_open).count() as u64;
        let (_, low, next) = self.state.slots.places()[0];
        // What was not looked at yet may be filtered.
        let unseen = tail.saturating_sub(next);
        let slot = self.state.slots.get(&PARTITION);
        let unsettled = slot.map_or(tail - low, |slot| slot.window.unsettled(tail));
        prop_assert!((open..=open + unseen).contains(&unsettled), "{unsettled} of {open}");
        prop_assert!(self.has_filter || unsettled == open);
        let flying = self.flying(0, self.naive.fates.len() as u64);
        prop_assert_eq!(self.state.in_flight.events, flying.len() as u64);
        Ok(())
    }
}

fn consumer(session: u64) -> Consumer {
    Consumer { name: "c".into(), session, is_stream: true, window: u64::MAX, hears_pauses: false }
}

/// Some blocks are durable when it starts, the others come.
fn start(sizes: &[(u32, u64)], durable: usize, is_ordered: bool, has_filter: bool) -> Playing {
    let retry = Retry { max_attempts: 3, ..Retry::default() };
    let mode = if is_ordered { Mode::Ordered } else { Mode::Parallel };
    let spec = SubscriptionSpec { retry, mode, ..SubscriptionSpec::new("s", Vec::new()) };
    let limits = Limits { events: 20, bytes: 1 << 20, live_bytes: 900 };
    let filter = has_filter.then_some("instrument != 'K2'");
    let subscription = rig::subscription(spec, filter);
    let mut state = State::new(Arc::new(subscription), limits, Epoch(1), 1);
    state.claim(consumer(1), None, Duration::ZERO).unwrap();
    let mut naive = Naive {
        fates: Vec::new(),
        sent: Vec::new(),
        failures: Vec::new(),
        had: Vec::new(),
        order: Vec::new(),
        first_order: Vec::new(),
        deliveries: 0,
        keys: Vec::new(),
        failing: BTreeSet::new(),
        untold: BTreeMap::new(),
        last_first: BTreeMap::new(),
        now: 0,
        is_ordered,
        retry,
    };
    let (mut first, mut coming) = (0, Vec::new());
    for &(count, seed) in sizes {
        let keys: Vec<u64> = (0..u64::from(count)).map(|n| (seed >> (2 * n)) % 3).collect();
        coming.push((rig::block(first, &keys), keys));
        first += u64::from(count);
    }
    let mut blocks = Vec::new();
    for (block, keys) in coming.drain(..durable.min(sizes.len())) {
        naive.extend(&keys, has_filter);
        blocks.push(block);
    }
    let tail = naive.keys.len() as u64;
    state.add(PARTITION, rig::topic(), Window::new(Cursor::default(), 0, 0), tail);
    state.offered_from(PARTITION, tail);
    Playing { state, naive, blocks, coming, has_filter, session: 1, exhausted: Vec::new() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]
    #[test]
    fn nothing_passes_a_failing_event_of_its_key_and_nothing_else_waits(
        sizes in proptest::collection::vec((1u32..7, any::<u64>()), 1..8),
        acts in proptest::collection::vec(any_act(), 1..60),
        durable in 0usize..8,
        is_ordered in any::<bool>(),
        has_filter in any::<bool>(),
    ) {
        let mut run = start(&sizes, durable, is_ordered, has_filter);
        for act in &acts {
            run.apply(act)?;
        }
        // With room for everything, only what has its reason stays behind.
        run.state.limits.events = 1_000;
        run.apply(&Act::Send { events: 1_000, bytes: 1 << 20, deadline: None })?;
        for at in 0..run.naive.fates.len() {
            prop_assert!(run.naive.is_explained(at), "{at} is {:?}", run.naive.fates[at]);
        }
        // And in the end everything is settled.
        for _ in 0..run.naive.fates.len() + 2 {
            run.apply(&Act::Bury { fits: true })?;
            run.apply(&Act::Pass(60_000))?;
            run.apply(&Act::Send { events: 1_000, bytes: 1 << 20, deadline: None })?;
            run.apply(&Act::Ack { first: 0, count: 1_000, up_to: false })?;
        }
        // Nobody hands over what is filtered; it is passed all the same.
        run.state.offered_to(PARTITION, run.naive.fates.len() as u64);
        let slot = run.state.slots.get_mut(&PARTITION).unwrap();
        prop_assert_eq!(slot.window.low(), run.naive.fates.len() as u64);
        prop_assert_eq!(slot.gates.counts(), (0, 0));
        prop_assert!(slot.gates.is_empty() || !run.naive.untold.is_empty());
    }
}
