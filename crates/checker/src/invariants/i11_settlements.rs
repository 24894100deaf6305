//! I-11, its sums: what was settled is exactly what was to be delivered, and each delivery ended as
//! its consumer knows it ended.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::history::Settled;
use crate::model::{Model, Partition, Stream, Subscribed, first_between};
use crate::verdict::Violation;

pub(super) fn check(model: &Model<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (&name, subscribed) in &model.subscriptions {
        if subscribed.is_settled_nowhere() {
            continue;
        }
        let was = Happened {
            anything: !model.marks_of("crash", name).is_empty()
                || !model.new_lives(name).is_empty(),
            redriven: !model.new_lives(name).is_empty(),
            drained: model.marks_of("drained", name).last().copied(),
        };
        let (nothing, nowhere) = (Stream::default(), BTreeMap::new());
        let partitions: BTreeSet<_> =
            model.places.keys().chain(subscribed.streams.keys()).copied().collect();
        for partition in partitions {
            let stream = subscribed.streams.get(&partition).unwrap_or(&nothing);
            let places = model.places.get(&partition).unwrap_or(&nowhere);
            let matter = Matter { name, model, subscribed, partition, stream, places };
            violations.extend(matter.missing());
            violations.extend(matter.counts(&was));
            violations.extend(matter.ends(&was));
        }
    }
    violations
}

/// What allows for more than one settlement of an event, or none.
struct Happened {
    /// A crash, after which settlements are said again, or a redrive.
    anything: bool,
    redriven: bool,
    /// Where its dead letters were listed at the end.
    drained: Option<usize>,
}

/// One subscription in one partition.
struct Matter<'m, 'a> {
    name: &'a str,
    model: &'m Model<'a>,
    subscribed: &'m Subscribed<'a>,
    partition: Partition<'a>,
    stream: &'m Stream<'a>,
    places: &'m BTreeMap<u64, (&'a str, usize)>,
}

impl Matter<'_, '_> {
    fn violation(&self, kind: &'static str, what: &str, slice: Vec<usize>) -> Violation {
        let (topic, number) = self.partition;
        let detail = format!("{} in {topic}/{number}: {what}", self.name);
        Violation { invariant: "I-11", name: kind, detail, slice }
    }

    /// Events that it selects and no settlement speaks of.
    fn missing(&self) -> Vec<Violation> {
        let selected = self.subscribed.selected(self.model, self.partition);
        let missing = selected.filter(|(offset, _)| !self.stream.ends.contains_key(offset));
        let say = |(offset, at)| {
            self.violation("unsettled", &format!("{offset} is settled nowhere"), vec![at])
        };
        missing.map(say).collect()
    }

    /// The settlements, parts of one run as one: of a run that two revisions share, what the filter left out is
    /// told with the first, and the counts are right only together.
    fn whole(&self) -> Vec<(usize, Settled)> {
        let mut whole: Vec<(usize, Settled)> = Vec::with_capacity(self.stream.settled.len());
        for &(at, settled) in &self.stream.settled {
            match whole.last_mut() {
                Some((_, before))
                    if before.outcome == settled.outcome
                        && before.range.offsets().end().checked_add(1)
                            == Some(settled.range.first) =>
                {
                    before.range.last = *settled.range.offsets().end();
                    before.count += settled.count;
                }
                _ => whole.push((at, settled.clone())),
            }
        }
        whole
    }

    /// Settlements that count wrong, or say again without a reason.
    fn counts(&self, was: &Happened) -> Vec<Violation> {
        let mut violations = Vec::new();
        let mut spoken: BTreeMap<u64, usize> = BTreeMap::new();
        for (at, settled) in self.whole() {
            let run = settled.range.offsets();
            let known = self.places.range(run.clone());
            let (selected, left_out): (Vec<_>, Vec<_>) =
                known.partition(|(_, (event, _))| self.subscribed.selects(event));
            // A publish of unknown outcome, or of another's history, may lie there too.
            let length = (run.end() - run.start()).saturating_add(1);
            // What is skipped was gone before any filter could be asked.
            let unread = settled.outcome.as_str() == "SKIPPED";
            let most = if unread { length } else { length - left_out.len() as u64 };
            if !(selected.len() as u64..=most).contains(&settled.count) {
                let what = format!(
                    "{}..={} is settled for {} events, not {}",
                    run.start(),
                    run.end(),
                    settled.count,
                    selected.len()
                );
                violations.push(self.violation("settlement-count", &what, vec![at]));
            }
            for (&offset, _) in selected.into_iter().filter(|_| !was.anything) {
                if let Some(before) = spoken.insert(offset, at) {
                    let what = format!("{offset} is settled twice");
                    violations.push(self.violation("settled-twice", &what, vec![before, at]));
                }
            }
        }
        violations
    }

    /// Ends that are not what the consumers saw.
    fn ends(&self, was: &Happened) -> Vec<Violation> {
        let got: HashSet<u64> = self.stream.deliveries.iter().map(|(_, d)| d.offset).collect();
        let dead: HashSet<u64> = self.stream.dead.iter().map(|&(_, offset)| offset).collect();
        let lives = self.model.new_lives(self.name);
        // What began anew after its ack ends anew.
        let is_over = |ack: &usize| first_between(&lives, *ack, usize::MAX).is_none();
        let mut violations = Vec::new();
        for (&offset, &(at, outcome)) in &self.stream.ends {
            let acked = self.stream.acked.first_named(offset).filter(is_over);
            let is_dead = outcome == "DEAD_LETTERED";
            let (kind, what, shown) = if outcome == "DELIVERED" && !got.contains(&offset) {
                ("settled-undelivered", "and was never delivered", None)
            } else if let Some(ack) = acked.filter(|_| outcome != "DELIVERED") {
                ("settled-otherwise", "and its ack was confirmed", Some(ack))
            } else if is_dead != dead.contains(&offset) && !was.redriven && was.drained.is_some() {
                let what = if is_dead { "and is no dead letter" } else { "and is a dead letter" };
                ("settled-dead", what, was.drained)
            } else {
                continue;
            };
            let what = format!("{offset} is settled as {outcome} {what}");
            let slice = shown.into_iter().chain([at]).collect();
            violations.push(self.violation(kind, &what, slice));
        }
        violations
    }
}
