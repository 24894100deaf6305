//! A history, indexed: what was published, what each subscription should have and got.

mod pattern;

use std::collections::{BTreeMap, HashMap};

use crate::history::{Delivery, History, Invoke, Op, Range, Record, Settled, Subscription};

/// A partition of a topic, by name.
pub type Partition<'a> = (&'a str, u32);

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
    /// Confirmed acks.
    pub acks: Vec<(usize, &'a Range)>,
    /// Events given back.
    pub nacks: Vec<(usize, &'a Range)>,
    /// Announced gaps.
    pub gaps: Vec<(usize, &'a Range)>,
    /// Dead letters seen, by offset.
    pub dead: Vec<(usize, u64)>,
    /// Settlements, in the order written.
    pub settled: Vec<(usize, &'a Settled)>,
}

impl<'a> Stream<'a> {
    /// The first delivery of each offset, in the order received.
    #[must_use]
    pub fn firsts(&self) -> Vec<(usize, &'a Delivery)> {
        let mut seen = std::collections::HashSet::new();
        self.deliveries.iter().filter(|(_, d)| seen.insert(d.offset)).copied().collect()
    }

    /// Where an offset's ack was confirmed.
    #[must_use]
    pub fn acked(&self, offset: u64) -> Option<usize> {
        let mut acks = self.acks.iter();
        acks.find(|(_, ack)| (ack.first..=ack.last).contains(&offset)).map(|&(at, _)| at)
    }

    /// Whether a gap was announced over this offset.
    #[must_use]
    pub fn in_gap(&self, offset: u64) -> bool {
        self.gaps.iter().any(|(_, g)| (g.first..=g.last).contains(&offset))
    }
}

/// One subscription.
#[derive(Clone, Debug, Default)]
pub struct Subscribed<'a> {
    /// Its definition, where the history has it.
    pub definition: Option<&'a Subscription>,
    /// What it saw, by partition.
    pub streams: BTreeMap<Partition<'a>, Stream<'a>>,
    /// Where something happened that may cause redelivery to it.
    pub causes: Vec<usize>,
    /// What a naive evaluator says of events; of those without a word, that they are selected.
    pub verdicts: HashMap<&'a str, (usize, bool)>,
}

impl Subscribed<'_> {
    /// Whether it selects an event.
    #[must_use]
    pub fn selects(&self, event: &str) -> bool {
        self.verdicts.get(event).is_none_or(|&(_, matched)| matched)
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
    /// How often each mark was set.
    pub marks: BTreeMap<&'a str, usize>,
    /// What lies where, as far as answers and deliveries said.
    pub places: HashMap<(Partition<'a>, u64), &'a str>,
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
                    *model.marks.entry(&mark.what).or_default() += 1;
                    if mark.what != "quiesced" {
                        causes.push((at, mark.subscription.as_deref()));
                    }
                }
                op => model.take(at, op),
            }
        }
        for (&name, subscribed) in &mut model.subscriptions {
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
                        self.places.insert((partition, offset), &ok.event);
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
                let place = ((d.topic.as_str(), d.partition), d.offset);
                self.places.entry(place).or_insert(&d.event);
                self.stream(&d.subscription, &d.topic, d.partition).deliveries.push((at, d));
            }
            Op::Ack(r) => self.range(r).acks.push((at, r)),
            Op::Nack(r) => self.range(r).nacks.push((at, r)),
            Op::Gap(r) => self.range(r).gaps.push((at, r)),
            Op::Mark(_) => {}
            Op::Verdict(v) => {
                let subscribed = self.subscriptions.entry(&v.subscription).or_default();
                subscribed.verdicts.insert(&v.event, (at, v.matched));
            }
            Op::Dead(d) => {
                self.stream(&d.subscription, &d.topic, d.partition).dead.push((at, d.offset));
            }
            Op::Settled(s) => self.range(&s.range).settled.push((at, s)),
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

    /// Events by id, in a stable order.
    #[must_use]
    pub fn sorted_events(&self) -> Vec<(&'a str, &Published<'a>)> {
        let mut events: Vec<_> = self.events.iter().map(|(&id, event)| (id, event)).collect();
        events.sort_unstable_by_key(|(id, _)| *id);
        events
    }
}
