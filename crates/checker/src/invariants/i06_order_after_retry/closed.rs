//! When events held their keys, as far as a client can know.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::model::{Stream, first_between};

/// An event that had to come, or to end, before anything new of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) offset: u64,
    /// The gate or the crash that it began with.
    pub(super) from: usize,
    /// What it ended with.
    pub(super) to: usize,
}

/// What ends a try, or begins another life of an event.
pub(super) struct Ends {
    pub(super) crashes: Vec<usize>,
    pub(super) redriven: Vec<usize>,
    /// Answers to a pull that got lost, in one of which it may have come, deadlines, which end a try that
    /// nobody answers, and seeks, which pass it or begin it anew.
    pub(super) unseen: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Delivered,
    GivenBack,
    Gated,
    /// A gap was told: it will never come, and its key goes on.
    Gone,
}

/// By offset: the key, and what happened where.
type Steps<'a> = BTreeMap<u64, (&'a str, Vec<(usize, Step)>)>;

/// One event's life, as its consumers saw it.
struct Life<'a> {
    steps: Vec<(usize, Step)>,
    is_dead: bool,
    ends: &'a Ends,
}

/// When events held their keys, by key.
pub(super) fn of<'a>(stream: &Stream<'a>, ends: &Ends) -> HashMap<&'a str, Vec<Closed>> {
    let mut dead: HashSet<u64> = stream.dead.iter().map(|&(_, offset)| offset).collect();
    let mut steps: Steps<'_> = BTreeMap::new();
    for &(at, delivery) in &stream.deliveries {
        let life = steps.entry(delivery.offset).or_insert((&delivery.key, Vec::new()));
        life.1.push((at, Step::Delivered));
    }
    let answers = [
        (&stream.nacks, Step::GivenBack),
        (&stream.gates, Step::Gated),
        (&stream.notices, Step::Gone),
    ];
    for (runs, step) in answers {
        for (offset, places) in stream.named_in(runs) {
            let of_offset = steps.entry(offset).or_default();
            of_offset.1.extend(places.into_iter().map(|at| (at, step)));
        }
    }
    // A letter that was redriven since is among the dead no more.
    let buried = stream.settled.iter().filter(|(_, s)| s.outcome.as_str() == "DEAD_LETTERED");
    for (_, settled) in buried {
        dead.extend(steps.range(settled.range.offsets()).map(|(&offset, _)| offset));
    }
    let mut closed: HashMap<&str, Vec<Closed>> = HashMap::new();
    for (offset, (key, mut steps)) in steps {
        if steps.len() == 1 {
            continue;
        }
        steps.sort_unstable();
        let life = Life { steps, is_dead: dead.contains(&offset), ends };
        let of_key = closed.entry(key).or_default();
        of_key.extend(life.closed().into_iter().map(|(from, to)| Closed { offset, from, to }));
    }
    closed
}

impl Life<'_> {
    fn closed(&self) -> Vec<(usize, usize)> {
        let mut closed = Vec::new();
        let mut since = None;
        // Given back, and nobody knows yet whether the service knows.
        let (mut is_given_back, mut is_gone) = (false, false);
        for (n, &(at, step)) in self.steps.iter().enumerate() {
            match step {
                Step::Delivered => {
                    (is_given_back, is_gone) = (false, false);
                    let crash = self.crash_before(n);
                    if crash.is_some() || self.is_anew(n) || !self.fails_again(n) {
                        closed.extend(
                            since.take().or(crash).map(|from| (from, self.until(from, at))),
                        );
                    }
                }
                Step::GivenBack if self.is_dead && !self.comes_again(n) => {
                    closed.extend(since.take().map(|from| (from, self.until(from, at))));
                }
                Step::GivenBack => is_given_back = since.is_none() && !is_gone,
                Step::Gated if is_given_back => {
                    since = Some(at);
                    is_given_back = false;
                }
                Step::Gated => {}
                Step::Gone => {
                    (is_given_back, is_gone) = (false, true);
                    closed.extend(since.take().map(|from| (from, self.until(from, at))));
                }
            }
        }
        closed.extend(since.map(|from| (from, self.until(from, usize::MAX))));
        closed
    }

    /// When what began at `from` ended for those who saw what it ended with at `at`.
    fn until(&self, from: usize, at: usize) -> usize {
        first_between(&self.ends.unseen, from, at).unwrap_or(at)
    }

    /// The crash since the step before a delivery: it was in somebody's hands or failing, and since
    /// it comes again it was not settled.
    fn crash_before(&self, n: usize) -> Option<usize> {
        let (before, at) = (self.steps.get(n.checked_sub(1)?)?.0, self.steps[n].0);
        let crash = first_between(&self.ends.crashes, before, at)?;
        first_between(&self.ends.redriven, before, at).is_none().then_some(crash)
    }

    /// Whether letters were redriven or somebody sought since the step before: it may be another life.
    fn is_anew(&self, n: usize) -> bool {
        let before = n.checked_sub(1).map(|before| self.steps[before].0);
        before.is_some_and(|before| {
            first_between(&self.ends.redriven, before, self.steps[n].0).is_some()
        })
    }

    /// Whether the step after this one is of its kind, and of the same life of the service.
    fn is_followed(&self, n: usize, by: Step) -> bool {
        let mut after = self.steps[n + 1..].iter().filter(|(_, step)| *step != Step::Gated);
        after.next().is_some_and(|&(at, step)| {
            step == by && first_between(&self.ends.crashes, self.steps[n].0, at).is_none()
        })
    }

    /// Whether this delivery, too, is given back: nothing settled it in between.
    fn fails_again(&self, n: usize) -> bool {
        self.is_followed(n, Step::GivenBack)
    }

    /// Whether what was given back was not the last attempt.
    fn comes_again(&self, n: usize) -> bool {
        let at = self.steps[n].0;
        let next = self.steps[n + 1..].iter().find(|(_, step)| *step == Step::Delivered);
        let redriven = next.and_then(|&(next, _)| first_between(&self.ends.redriven, at, next));
        redriven.is_none() && self.is_followed(n, Step::Delivered)
    }
}

#[cfg(test)]
mod tests;
