//! The partitions of one live subscription: a slot for each where something happens, and of the
//! others only how far they are.
//!
//! A subscription to many topics has hundreds of partitions, most of which are silent for hours. A
//! slot that has nothing to do is laid to rest, and made anew when somebody asks for it.

mod awake;
mod resting;

use std::collections::BTreeSet;
use std::sync::Arc;

use tidings_catalog::{Sharing, Subscription, Topic};
use tidings_event::{TopicId, TopicPartition};

use crate::matching::Judge;
use crate::slot::{Batch, Slot};
use crate::window::Window;

use awake::Awake;
pub(crate) use resting::Rest;
use resting::Resting;

/// See the module.
#[derive(Debug)]
pub(crate) struct Slots {
    subscription: Arc<Subscription>,
    awake: Awake,
    /// In order of their topics' numbers: most have few, and a map makes room for eleven.
    resting: Vec<Resting>,
    /// Whose cursors moved since they were last saved.
    unsaved: BTreeSet<TopicPartition>,
}

impl Slots {
    pub(crate) fn new(subscription: Arc<Subscription>) -> Self {
        let (awake, resting, unsaved) = Default::default();
        Self { subscription, awake, resting, unsaved }
    }

    /// Goes by what the subscription asks for now. Blocks that were handed over by other rules are
    /// forgotten; says how many bytes they had.
    pub(crate) fn revise(&mut self, before: &Subscription, now: &Arc<Subscription>) -> usize {
        self.subscription = Arc::clone(now);
        for (_, slot) in self.awake.iter_mut() {
            if before.spec.batching != now.spec.batching {
                slot.batch = Batch::of(now.spec.batching);
            }
            slot.fold_as(now.spec.folding);
        }
        if before.revisions == now.revisions {
            return 0;
        }
        for resting in &mut self.resting {
            resting.is_judged = is_judged(now, &resting.topic);
        }
        for (_, slot) in self.awake.iter_mut() {
            slot.judge = Judge::of(now, slot.topic.name.path());
        }
        self.forget_live()
    }

    /// Gives live blocks back, which are not offered any more; says how many bytes they had.
    pub(crate) fn forget_live(&mut self) -> usize {
        self.resting.iter_mut().for_each(Resting::forget_offers);
        let forget = |(_, slot): (TopicPartition, &mut Slot)| {
            let bytes = slot.fresh.bytes();
            slot.fresh.clear();
            bytes
        };
        self.awake.iter_mut().map(forget).sum()
    }

    /// Adds a partition that goes on at a window, durable up to `tail`. Also where that is further on it
    /// may rest: whoever comes to consume it asks the log how far it is.
    pub(crate) fn add(&mut self, at: TopicPartition, topic: Arc<Topic>, window: Window, tail: u64) {
        if let Some(level) = window.level() {
            self.lay(at, topic, Rest { level, is_offered: false });
        } else {
            self.insert(at, topic, window, tail);
        }
    }

    /// As [`Self::add`], and it does not rest before its cursor is saved.
    pub(crate) fn insert(
        &mut self,
        at: TopicPartition,
        topic: Arc<Topic>,
        window: Window,
        tail: u64,
    ) -> &mut Slot {
        let subscription = &self.subscription;
        let mut slot = Slot::new(topic, at.partition, window, tail);
        slot.share = (subscription.spec.sharing == Sharing::Group).then(Box::default);
        slot.fold_as(subscription.spec.folding);
        slot.batch = Batch::of(subscription.spec.batching);
        slot.saved_low = slot.window.low();
        slot.judge = Judge::of(subscription, slot.topic.name.path());
        self.awake.insert(at, slot)
    }

    /// Takes a partition out.
    pub(crate) fn remove(&mut self, at: TopicPartition) -> Option<Slot> {
        self.get_mut(&at)?;
        self.unsaved.remove(&at);
        self.awake.remove(&at)
    }

    /// A partition where something happens; nothing of the others is in flight, waits or fails.
    pub(crate) fn get(&self, at: &TopicPartition) -> Option<&Slot> {
        self.awake.get(at)
    }

    /// A partition, awoken when it rests.
    pub(crate) fn get_mut(&mut self, at: &TopicPartition) -> Option<&mut Slot> {
        if self.awake.get(at).is_none() {
            self.wake(*at)?;
        }
        self.awake.get_mut(at)
    }

    fn wake(&mut self, at: TopicPartition) -> Option<()> {
        let place = self.place(at.topic).ok()?;
        let resting = self.resting.get_mut(place)?;
        let rest = resting.take(at.partition)?;
        let topic = Arc::clone(&resting.topic);
        if resting.is_empty() {
            self.resting.remove(place);
        }
        let slot = self.insert(at, topic, Window::at_level(rest.level), rest.level.low);
        if let Some(judge) = slot.judge.as_ref().filter(|_| rest.is_offered) {
            let from = judge.in_force_from(at).max(rest.level.low);
            slot.fresh.offer_from(from);
        }
        Some(())
    }

    /// From where on nothing of a partition is known to be durable, if it rests.
    pub(crate) fn resting(&self, at: TopicPartition) -> Option<u64> {
        let resting = self.resting.get(self.place(at.topic).ok()?)?;
        Some(resting.get(at.partition)?.level.low)
    }

    /// Takes note that what follows is offered, of a partition that rests.
    pub(crate) fn offer(&mut self, at: TopicPartition) {
        let Some(resting) = self.place(at.topic).ok().and_then(|place| self.resting.get_mut(place))
        else {
            return;
        };
        if let Some(rest) = resting.get(at.partition) {
            resting.lay(at.partition, Rest { is_offered: true, ..rest });
        }
    }

    /// Where the partitions of a topic are among those at rest, or would be.
    fn place(&self, topic: TopicId) -> Result<usize, usize> {
        self.resting.binary_search_by_key(&topic, |resting| resting.topic.id)
    }

    /// Lays those to rest that have nothing to do.
    pub(crate) fn rest(&mut self) {
        let rests = self.awake.iter().filter_map(|(at, slot)| Some((at, slot.rests()?)));
        for (at, rest) in rests.collect::<Vec<_>>() {
            if let Some(slot) = self.awake.remove(&at) {
                self.lay(at, slot.topic, rest);
            }
        }
    }

    fn lay(&mut self, at: TopicPartition, topic: Arc<Topic>, rest: Rest) {
        let place = self.place(at.topic).unwrap_or_else(|place| {
            let is_judged = is_judged(&self.subscription, &topic);
            // Most have one topic.
            self.resting.reserve_exact(1);
            self.resting.insert(place, Resting::new(topic, is_judged));
            place
        });
        if let Some(resting) = self.resting.get_mut(place) {
            resting.lay(at.partition, rest);
        }
    }

    /// Whether it is a partition of the subscription.
    pub(crate) fn contains(&self, at: &TopicPartition) -> bool {
        self.awake.get(at).is_some() || self.resting(*at).is_some()
    }

    fn at_rest(&self) -> impl Iterator<Item = (TopicPartition, Rest)> {
        self.resting.iter().flat_map(Resting::places)
    }

    /// Every partition with its low-water offset and the first offset that was not looked at, in
    /// order.
    pub(crate) fn places(&self) -> Vec<(TopicPartition, u64, u64)> {
        let awake = self.awake.iter();
        let awake = awake.map(|(at, slot)| (at, slot.window.low(), slot.window.next()));
        let resting = self.at_rest().map(|(at, rest)| (at, rest.level.low, rest.level.low));
        let mut places: Vec<_> = awake.chain(resting).collect();
        places.sort_unstable();
        places
    }

    /// Every partition, in order.
    pub(crate) fn partitions(&self) -> Vec<TopicPartition> {
        self.places().into_iter().map(|(at, ..)| at).collect()
    }

    /// Every partition of which some events are taken only.
    pub(crate) fn judged(&self) -> Vec<TopicPartition> {
        let awake = self.awake.iter().filter(|(_, slot)| slot.judge.is_some()).map(|(at, _)| at);
        let resting = self.resting.iter().filter(|resting| resting.is_judged);
        let resting = resting.flat_map(Resting::places).map(|(at, _)| at);
        awake.chain(resting).collect()
    }

    /// The partitions where something happens.
    pub(crate) fn awake(&self) -> impl Iterator<Item = (TopicPartition, &Slot)> {
        self.awake.iter()
    }

    /// As [`Self::awake`], to be changed.
    pub(crate) fn awake_mut(&mut self) -> impl Iterator<Item = (TopicPartition, &mut Slot)> {
        self.awake.iter_mut()
    }

    /// Takes note that a cursor moved.
    pub(crate) fn moved(&mut self, at: TopicPartition) {
        self.unsaved.insert(at);
    }

    /// All cursors of partitions where something happens are to be saved again.
    pub(crate) fn all_moved(&mut self) {
        self.awake.iter_mut().for_each(|(_, slot)| slot.is_dirty = true);
        self.unsaved.extend(self.awake.iter().map(|(at, _)| at));
    }

    /// The partitions whose cursors moved since they were last saved.
    pub(crate) fn moved_slots(&self) -> impl Iterator<Item = &Slot> {
        self.unsaved.iter().filter_map(|at| self.get(at))
    }

    /// Whether a cursor moved since it was last saved.
    pub(crate) fn are_unsaved(&self) -> bool {
        !self.unsaved.is_empty()
    }

    /// Takes the partitions whose cursors moved since they were last saved.
    pub(crate) fn take_moved(&mut self) -> BTreeSet<TopicPartition> {
        std::mem::take(&mut self.unsaved)
    }
}

fn is_judged(subscription: &Arc<Subscription>, topic: &Topic) -> bool {
    Judge::of(subscription, topic.name.path()).is_some()
}
