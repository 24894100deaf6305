//! A history, indexed: what was published, what each subscription should have and got.

mod coverage;
mod pattern;

use std::collections::{BTreeMap, HashMap};

pub use coverage::Coverage;

use crate::history::{Delivery, History, Invoke, Op, Range, Record, Settled, Subscription};

/// A partition of a topic, by name.
pub type Partition<'a> = (&'a str, u32);

/// By partition and offset: which event lies there, and where that was said.
pub type Places<'a> = BTreeMap<Partition<'a>, BTreeMap<u64, (&'a str, usize)>>;

/// By event: where a naive evaluator spoke, and whether it selects it.
pub type Verdicts<'a> = HashMap<&'a str, (usize, bool)>;

fn selects(verdicts: &Verdicts<'_>, event: &str) -> bool {
    verdicts.get(event).is_none_or(|&(_, matched)| matched)
}

/// One event's publishing. Indices are places in the history.
#[derive(Clone, Debug, Default)]
pub struct Published<'a> {
    /// Each time it was sent.
    pub invokes: Vec<(usize, &'a Invoke)>,
    /// Each answer that named a place: partition and offset.
    pub placed: Vec<(usize, Partition<'a>, u64)>,
    /// Answers that acknowledged without a place (old duplicates).
    pub acknowledged: Vec<usize>,
    /// Answers that refused it.
    pub refused: Vec<usize>,
    /// Answers that left it open.
    pub unknown: Vec<usize>,
}

impl Published<'_> {
    /// Whether it must never appear: refused, and never acknowledged or left open.
    #[must_use]
    pub fn is_rejected(&self) -> bool {
        let may_exist =
            !self.placed.is_empty() || !self.acknowledged.is_empty() || !self.unknown.is_empty();
        !self.refused.is_empty() && !may_exist && self.refused.len() >= self.invokes.len()
    }
}

/// What one subscription saw of one partition.
#[derive(Clone, Debug, Default)]
pub struct Stream<'a> {
    /// Deliveries in the order received.
    pub deliveries: Vec<(usize, &'a Delivery)>,
    /// Offsets whose acks were confirmed.
    pub acked: Coverage,
    /// Events given back.
    pub nacks: Vec<(usize, &'a Range)>,
    /// Where the service was known to have taken them back.
    pub gates: Vec<(usize, &'a Range)>,
    /// Announced gaps.
    pub gaps: Coverage,
    /// The same, each time that one was announced.
    pub notices: Vec<(usize, &'a Range)>,
    /// Dead letters seen, by offset.
    pub dead: Vec<(usize, u64)>,
    /// Settlements, in the order written.
    pub settled: Vec<(usize, &'a Settled)>,
    /// How the delivery of each known event ended that some settlement means: the last one counts.
    pub ends: BTreeMap<u64, (usize, &'a str)>,
}

impl<'a> Stream<'a> {
    /// The first delivery of each offset, in the order received.
    #[must_use]
    pub fn firsts(&self) -> Vec<(usize, &'a Delivery)> {
        let mut seen = std::collections::HashSet::new();
        self.deliveries.iter().filter(|(_, d)| seen.insert(d.offset)).copied().collect()
    }

    /// Where each offset that was delivered lies in some runs, in their order.
    #[must_use]
    pub fn named_in(&self, runs: &[(usize, &Range)]) -> BTreeMap<u64, Vec<usize>> {
        let mut delivered: Vec<u64> = self.deliveries.iter().map(|(_, d)| d.offset).collect();
        delivered.sort_unstable();
        delivered.dedup();
        let mut named: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for &(at, range) in runs {
            let run = range.offsets();
            let from = delivered.partition_point(|offset| offset < run.start());
            for &offset in delivered[from..].iter().take_while(|offset| *offset <= run.end()) {
                named.entry(offset).or_default().push(at);
            }
        }
        named
    }
}

/// One subscription.
#[derive(Clone, Debug, Default)]
pub struct Subscribed<'a> {
    /// Its definition, where the history has it.
    pub definition: Option<&'a Subscription>,
    /// What it saw, by partition.
    pub streams: BTreeMap<Partition<'a>, Stream<'a>>,
    /// Where something happened that may cause redelivery to it, in order.
    pub causes: Vec<usize>,
    /// What a naive evaluator says of events; of those without a word, that they are selected.
    pub verdicts: Verdicts<'a>,
}

impl<'a> Subscribed<'a> {
    /// Reads out of the settlements how each delivery ended.
    fn end(&mut self, places: &Places<'a>) {
        for (partition, stream) in &mut self.streams {
            let Some(places) = places.get(partition) else { continue };
            for &(at, settled) in &stream.settled {
                let run = places.range(settled.range.offsets());
                let verdicts = &self.verdicts;
                let meant = run.filter(|(_, (event, _))| selects(verdicts, event));
                let outcome = settled.outcome.as_str();
                stream.ends.extend(meant.map(|(&offset, _)| (offset, (at, outcome))));
            }
        }
    }

    /// Whether it selects an event.
    #[must_use]
    pub fn selects(&self, event: &str) -> bool {
        selects(&self.verdicts, event)
    }

    /// Whether no settlement speaks of it.
    #[must_use]
    pub fn is_settled_nowhere(&self) -> bool {
        self.streams.values().all(|stream| stream.settled.is_empty())
    }

    /// Events known to lie in a partition that it should have: offset, and where that was said.
    pub fn selected<'m>(
        &'m self,
        model: &'m Model<'_>,
        partition: Partition<'m>,
    ) -> impl Iterator<Item = (u64, usize)> + 'm {
        let covered = self.covers(partition, u64::MAX);
        let places = model.places.get(&partition).filter(|_| covered);
        let places = places.into_iter().flat_map(move |p| p.range(self.start(partition)..));
        let selected = places.filter(|(_, (event, _))| self.selects(event));
        selected.map(|(&offset, &(_, at))| (offset, at))
    }

    /// Whether it should have what lies here.
    #[must_use]
    pub fn covers(&self, partition: Partition<'_>, offset: u64) -> bool {
        self.definition.is_some_and(|definition| {
            definition.topics.iter().any(|pattern| pattern::matches(pattern, partition.0))
                && offset >= self.start(partition)
        })
    }

    /// The first offset it should have.
    #[must_use]
    pub fn start(&self, partition: Partition<'_>) -> u64 {
        let places = self.definition.map_or(&[][..], |d| &d.start);
        let place = places.iter().find(|p| (p.topic.as_str(), p.partition) == partition);
        place.map_or(0, |p| p.offset)
    }
}

/// An indexed history.
#[derive(Clone, Debug, Default)]
pub struct Model<'a> {
    /// The records, to quote from.
    pub records: &'a [Record],
    /// By event id.
    pub events: HashMap<&'a str, Published<'a>>,
    /// By name.
    pub subscriptions: BTreeMap<&'a str, Subscribed<'a>>,
    /// Where each mark was set, and for which subscription if not for all.
    pub marks: BTreeMap<&'a str, Vec<(usize, Option<&'a str>)>>,
    /// What lies where, as far as answers and deliveries said, and where that was said.
    pub places: Places<'a>,
}

impl<'a> Model<'a> {
    /// Indexes a history.
    #[must_use]
    pub fn of(history: &'a History) -> Self {
        let mut model = Self { records: &history.records, ..Self::default() };
        let mut causes: Vec<(usize, Option<&str>)> = Vec::new();
        for (at, record) in history.records.iter().enumerate() {
            match &record.op {
                Op::Mark(mark) => {
                    let set = (at, mark.subscription.as_deref());
                    model.marks.entry(&mark.what).or_default().push(set);
                    if mark.what.as_str() != "quiesced" {
                        causes.push(set);
                    }
                }
                op => model.take(at, op),
            }
        }
        for (&name, subscribed) in &mut model.subscriptions {
            subscribed.end(&model.places);
            let mine = causes.iter().filter(|(_, whose)| whose.is_none_or(|w| w == name));
            subscribed.causes = mine.map(|&(at, _)| at).collect();
        }
        model
    }

    fn take(&mut self, at: usize, op: &'a Op) {
        match op {
            Op::Invoke(invoke) => self.event(&invoke.event).invokes.push((at, invoke)),
            Op::Ok(ok) => {
                let event = self.event(&ok.event);
                match ok.offset {
                    Some(offset) => {
                        let partition = (ok.topic.as_str(), ok.partition);
                        event.placed.push((at, partition, offset));
                        let places = self.places.entry(partition).or_default();
                        places.entry(offset).or_insert((&ok.event, at));
                    }
                    None => event.acknowledged.push(at),
                }
            }
            Op::Fail { event, .. } => self.event(event).refused.push(at),
            Op::Info { event, .. } => self.event(event).unknown.push(at),
            Op::Subscription(definition) => {
                let name = definition.subscription.as_str();
                self.subscriptions.entry(name).or_default().definition.get_or_insert(definition);
            }
            Op::Delivery(d) => {
                // A publish whose outcome is unknown lies where somebody got it.
                let places = self.places.entry((&d.topic, d.partition)).or_default();
                places.entry(d.offset).or_insert((&d.event, at));
                self.stream(&d.subscription, &d.topic, d.partition).deliveries.push((at, d));
            }
            Op::Ack(r) => self.range(r).acked.add(r.first, r.last, at),
            Op::Nack(r) => self.range(r).nacks.push((at, r)),
            Op::Gate(r) => self.range(r).gates.push((at, r)),
            Op::Gap(r) => {
                let stream = self.range(r);
                stream.gaps.add(r.first, r.last, at);
                stream.notices.push((at, r));
            }
            Op::Mark(_) => {}
            Op::Verdict(v) => {
                let selected = v.selected_by.iter().map(|name| (name, true));
                for (name, matched) in selected.chain(v.left_out_by.iter().map(|n| (n, false))) {
                    let subscribed = self.subscriptions.entry(name).or_default();
                    subscribed.verdicts.insert(&v.event, (at, matched));
                }
            }
            Op::Dead(d) => {
                self.stream(&d.subscription, &d.topic, d.partition).dead.push((at, d.offset));
            }
            Op::Settled(s) => self.range(&s.range).settled.push((at, s)),
            // Their checks read the records themselves.
            Op::Fence(_) | Op::Fault(_) | Op::Sample(_) | Op::Recovered(_) | Op::Run { .. } => {}
        }
    }

    fn event(&mut self, id: &'a str) -> &mut Published<'a> {
        self.events.entry(id).or_default()
    }

    fn range(&mut self, range: &'a Range) -> &mut Stream<'a> {
        self.stream(&range.subscription, &range.topic, range.partition)
    }

    fn stream(&mut self, name: &'a str, topic: &'a str, partition: u32) -> &mut Stream<'a> {
        let subscribed = self.subscriptions.entry(name).or_default();
        subscribed.streams.entry((topic, partition)).or_default()
    }

    /// Every stream, with its subscription's name.
    pub fn streams(
        &self,
    ) -> impl Iterator<Item = (&'a str, &Subscribed<'a>, Partition<'a>, &Stream<'a>)> {
        self.subscriptions.iter().flat_map(|(&name, subscribed)| {
            let streams = subscribed.streams.iter();
            streams.map(move |(&partition, stream)| (name, subscribed, partition, stream))
        })
    }

    /// Whether a pattern of topics matches a topic.
    #[must_use]
    pub fn matches(pattern: &str, topic: &str) -> bool {
        pattern::matches(pattern, topic)
    }

    /// Where a mark was set that concerns a subscription, in order.
    #[must_use]
    pub fn marks_of(&self, what: &str, name: &str) -> Vec<usize> {
        let set = self.marks.get(what).map_or(&[][..], Vec::as_slice);
        let mine = set.iter().filter(|(_, whose)| whose.is_none_or(|whose| whose == name));
        mine.map(|&(at, _)| at).collect()
    }

    /// Where events of a subscription that had ended began to be delivered anew, in order: by a
    /// redrive or a seek.
    #[must_use]
    pub fn new_lives(&self, name: &str) -> Vec<usize> {
        let mut lives = [self.marks_of("redriven", name), self.marks_of("sought", name)].concat();
        lives.sort_unstable();
        lives
    }
}

/// The first of some places, which are in order, that lies between two others.
#[must_use]
pub fn first_between(places: &[usize], after: usize, before: usize) -> Option<usize> {
    let first = places.get(places.partition_point(|&at| at <= after)).copied();
    first.filter(|&at| at < before)
}
