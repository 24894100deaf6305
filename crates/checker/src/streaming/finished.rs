//! What is finished: runs of offsets, and what each subscription knows of them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use crate::history::{Name, Op, Range, Record};
use crate::model::{Coverage, Model, Partition, Stream};

/// A partition of a topic.
type Place = (Name, u32);
/// Invariant, name and detail of a violation.
type Contradiction = (&'static str, &'static str, String);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Finished {
    offsets: BTreeMap<Place, Coverage>,
    /// By subscription: what it acknowledged, and what it knows will not come.
    known: BTreeMap<Name, Knows>,
    /// Events that were finished last: they may be sent or answered again.
    recent: HashSet<Name>,
    order: VecDeque<Name>,
    most: usize,
}

#[derive(Debug, Default)]
struct Knows {
    acked: BTreeMap<Place, Coverage>,
    excused: BTreeMap<Place, Coverage>,
    /// It went somewhere else, or sent dead letters on their way again.
    began_anew: bool,
}

/// Events that are finished now.
#[derive(Debug, Default)]
pub(super) struct Done {
    events: Vec<(Name, Place, u64)>,
    ids: HashSet<Name>,
    offsets: HashSet<(Name, u32, u64)>,
    acked: Vec<(Name, Place, u64)>,
    excused: Vec<(Name, Place, u64)>,
    subscriptions: BTreeSet<Name>,
}

fn holds(all: &BTreeMap<Place, Coverage>, (topic, partition): (&Name, u32), offset: u64) -> bool {
    all.get(&(topic.clone(), partition)).is_some_and(|offsets| offsets.contains(offset))
}

impl Finished {
    pub(super) fn new(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    /// What a record says against what is finished.
    pub(super) fn contradicted(
        &mut self,
        record: &Record,
        is_open: impl Fn(&str) -> bool,
    ) -> Option<Contradiction> {
        match &record.op {
            Op::Mark(mark) if matches!(mark.what.as_str(), "sought" | "redriven") => {
                for (name, knows) in &mut self.known {
                    knows.began_anew |= mark.subscription.as_ref().is_none_or(|of| of == name);
                }
                None
            }
            Op::Ok(placed) => {
                let (topic, offset) = (&placed.topic, placed.offset?);
                let is_other = holds(&self.offsets, (topic, placed.partition), offset)
                    && !self.recent.contains(&placed.event)
                    && is_open(&placed.event);
                let detail = format!("{topic}/{}/{offset} was another event", placed.partition);
                is_other.then_some(("I-4", "offset-reuse", detail))
            }
            Op::Delivery(d) => {
                let at = (&d.topic, d.partition);
                let knows = self.known.get(&d.subscription).filter(|k| !k.began_anew)?;
                if !holds(&self.offsets, at, d.offset) || holds(&knows.excused, at, d.offset) {
                    return None;
                }
                let (what, place) = (&d.subscription, format!("{}/{}", d.topic, d.partition));
                Some(if holds(&knows.acked, at, d.offset) {
                    let detail = format!("{what} got {place}/{} after its confirmed ack", d.offset);
                    ("I-10", "lost-ack", detail)
                } else {
                    let detail = format!(
                        "{what} got {} of {place}, which its filter does not select",
                        d.offset
                    );
                    ("I-13", "rule-drift", detail)
                })
            }
            Op::Dead(d) => {
                let knows = self.known.get(&d.subscription).filter(|k| !k.began_anew)?;
                let is_acked = holds(&knows.acked, (&d.topic, d.partition), d.offset);
                let place = format!("{}/{}/{}", d.topic, d.partition, d.offset);
                let detail = format!("{place} is acknowledged and dead for {}", d.subscription);
                is_acked.then_some(("I-11", "dlq-acked", detail))
            }
            _ => None,
        }
    }

    /// Whether a record is about nothing but what is finished.
    pub(super) fn passes_over(&self, record: &Record) -> bool {
        let is_recent = |event: &Name| self.recent.contains(event);
        match &record.op {
            Op::Invoke(invoke) => is_recent(&invoke.event),
            Op::Fail { event, .. } | Op::Info { event, .. } => is_recent(event),
            Op::Verdict(verdict) => is_recent(&verdict.event),
            Op::Ok(placed) => {
                is_recent(&placed.event)
                    || placed.offset.is_some_and(|offset| {
                        holds(&self.offsets, (&placed.topic, placed.partition), offset)
                    })
            }
            Op::Delivery(d) => holds(&self.offsets, (&d.topic, d.partition), d.offset),
            Op::Ack(range) | Op::Nack(range) | Op::Gate(range) | Op::Gap(range) => {
                let place = (range.topic.clone(), range.partition);
                let end = self.offsets.get(&place).map(|offsets| offsets.end_of(range.first));
                end.is_some_and(|end| end.is_none_or(|end| end > *range.offsets().end()))
            }
            _ => false,
        }
    }

    /// The events of a window that are finished: nothing of them is younger than `old`.
    pub(super) fn find(&self, model: &Model<'_>, old: usize) -> Done {
        let mut done = Done::default();
        let is_whole = model.subscriptions.values().all(|s| s.definition.is_some());
        if !is_whole || model.subscriptions.is_empty() {
            return done;
        }
        let (newest, last) = (newest(model), last(model));
        for (&partition, places) in &model.places {
            let mut barred: HashSet<&str> = HashSet::new();
            for (&offset, &(event, _)) in places {
                let Some((_, sent)) = model.events.get(event).and_then(|e| e.invokes.first())
                else {
                    continue;
                };
                let key = sent.key.as_str();
                let is_done = !barred.contains(key)
                    && newest.get(&(&*sent.producer, key, partition)) != Some(&offset)
                    && done.ends((model, &last), partition, (offset, event), old);
                if !is_done {
                    barred.insert(key);
                }
            }
        }
        done.subscriptions = model.subscriptions.keys().map(|&name| name.into()).collect();
        done
    }

    pub(super) fn add(&mut self, done: &Done) {
        for name in &done.subscriptions {
            self.known.entry(name.clone()).or_default();
        }
        for (event, place, offset) in &done.events {
            let offsets = self.offsets.entry(place.clone()).or_default();
            offsets.extend(*offset);
            if self.recent.insert(event.clone()) {
                self.order.push_back(event.clone());
            }
        }
        while self.order.len() > self.most {
            if let Some(oldest) = self.order.pop_front() {
                self.recent.remove(&oldest);
            }
        }
        for (name, place, offset) in &done.acked {
            let knows = self.known.entry(name.clone()).or_default();
            knows.acked.entry(place.clone()).or_default().extend(*offset);
        }
        for (name, place, offset) in &done.excused {
            let knows = self.known.entry(name.clone()).or_default();
            knows.excused.entry(place.clone()).or_default().extend(*offset);
        }
    }

    /// To those who look for holes: what is finished is none.
    pub(super) fn as_gaps(&self) -> Vec<(usize, Record)> {
        let mut gaps = Vec::new();
        for name in self.known.keys() {
            for ((topic, partition), offsets) in &self.offsets {
                gaps.extend(offsets.runs().map(|(first, last)| {
                    let (subscription, topic) = (name.clone(), topic.clone());
                    let range = Range { subscription, topic, partition: *partition, first, last };
                    (usize::MAX, Record { at: 0, process: "finished".into(), op: Op::Gap(range) })
                }));
            }
        }
        gaps
    }
}

/// By producer, key and partition: the newest event, which the next one is compared with.
fn newest<'a>(model: &Model<'a>) -> BTreeMap<(&'a str, &'a str, Partition<'a>), u64> {
    let mut newest = BTreeMap::new();
    for event in model.events.values() {
        if let (Some(&(_, sent)), Some(&(_, partition, offset))) =
            (event.invokes.first(), event.placed.first())
        {
            let of = newest.entry((&*sent.producer, &*sent.key, partition)).or_insert(offset);
            *of = offset.max(*of);
        }
    }
    newest
}

impl Done {
    pub(super) fn events(&self) -> usize {
        self.events.len()
    }

    /// Takes an event in when it is finished.
    fn ends(
        &mut self,
        (model, last): (&Model<'_>, &Last<'_>),
        partition: Partition<'_>,
        (offset, id): (u64, &str),
        old: usize,
    ) -> bool {
        let Some(event) = model.events.get(id) else { return false };
        let is_one = event.placed.iter().all(|&(_, at, of)| (at, of) == (partition, offset));
        let is_old = event.placed.iter().map(|&(at, ..)| at).all(|at| at < old)
            && event.invokes.iter().all(|&(at, _)| at < old);
        if event.placed.is_empty() || !is_one || !is_old {
            return false;
        }
        let place = (Name::from(partition.0), partition.1);
        let (mut acked, mut excused) = (Vec::new(), Vec::new());
        for (&name, subscribed) in &model.subscriptions {
            if !subscribed.covers(partition, offset) || !subscribed.selects(id) {
                continue;
            }
            let Some(stream) = subscribed.streams.get(&partition) else { return false };
            let delivered = last.get(&(name, partition, offset)).copied();
            match fate(stream, (offset, delivered), old) {
                None => return false,
                Some(true) => acked.push((Name::from(name), place.clone(), offset)),
                Some(false) => excused.push((Name::from(name), place.clone(), offset)),
            }
        }
        self.acked.extend(acked);
        self.excused.extend(excused);
        self.ids.insert(id.into());
        self.offsets.insert((place.0.clone(), place.1, offset));
        self.events.push((id.into(), place, offset));
        true
    }

    /// Whether a record is about what is finished, or about everybody.
    pub(super) fn concerns(&self, record: &Record) -> bool {
        let at = |topic: &Name, partition, offset| {
            self.offsets.contains(&(topic.clone(), partition, offset))
        };
        match &record.op {
            Op::Invoke(invoke) => self.ids.contains(&invoke.event),
            Op::Ok(placed) => self.ids.contains(&placed.event),
            Op::Delivery(d) => at(&d.topic, d.partition, d.offset),
            Op::Verdict(verdict) => self.ids.contains(&verdict.event),
            Op::Fail { event, .. } | Op::Info { event, .. } => self.ids.contains(event),
            Op::Settled(_) | Op::Dead(_) => false,
            _ => true,
        }
    }
}

/// By subscription, partition and offset: where it was delivered last.
type Last<'a> = HashMap<(&'a str, Partition<'a>, u64), usize>;

fn last<'a>(model: &Model<'a>) -> Last<'a> {
    let mut last = HashMap::new();
    for (name, _, partition, stream) in model.streams() {
        last.extend(stream.deliveries.iter().map(|&(at, d)| ((name, partition, d.offset), at)));
    }
    last
}

/// Whether an event of a stream is acknowledged, or will not come; `None` when it is open.
fn fate(stream: &Stream<'_>, (offset, last): (u64, Option<usize>), old: usize) -> Option<bool> {
    if stream.dead.iter().any(|&(_, dead)| dead == offset) {
        return None;
    }
    let is_old = |at: usize| at < old;
    if let Some(at) = stream.acked.first_named(offset) {
        return (is_old(at) && last.is_some_and(is_old)).then_some(true);
    }
    let told = stream.gaps.first_named(offset)?;
    (is_old(told) && last.is_none_or(is_old)).then_some(false)
}
