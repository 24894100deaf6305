//! Which subscriptions are live, and which topics each of them takes: desired state made actual.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tidings_catalog::{Catalog, Snapshot, Subscription, SubscriptionId, Topic};
use tidings_event::{Clock, Code, Offset, PartitionId, Refusal, TopicPartition};
use tidings_log::{PartitionLog, Table};

use crate::cursor::{self, Cursor};
use crate::dead_letter::DeadLetters;
use crate::ends::Ends;
use crate::live::Live;
use crate::matching::Judge;
use crate::routes::Routes;
use crate::saver::Saver;
use crate::settings::{DeliverError, DeliverSettings};
use crate::state::{Limits, State};
use crate::window::Window;

/// Of a reader without a cursor: nothing is stored under it.
const NO_RECORD: SubscriptionId = SubscriptionId(0);

/// See the module.
pub(crate) struct Registry {
    log: Arc<dyn PartitionLog>,
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    saver: Arc<Saver>,
    letters: Arc<DeadLetters>,
    settings: DeliverSettings,
    routes: Arc<ArcSwap<Routes>>,
    known: Mutex<Known>,
    /// How far the readers are; of a topic that is gone, what is left to tell.
    pub(crate) ends: Ends,
}

#[derive(Default)]
struct Known {
    /// The catalog that they are as.
    snapshot: Option<Arc<Snapshot>>,
    lives: BTreeMap<SubscriptionId, Arc<Live>>,
    /// Readers without a cursor, by their session.
    ephemeral: BTreeMap<u64, Arc<Live>>,
}

impl Registry {
    /// Takes up every subscription at its durable cursor.
    pub(crate) fn open(
        log: Arc<dyn PartitionLog>,
        catalog: Arc<Catalog>,
        clock: Arc<dyn Clock>,
        (saver, letters): (Arc<Saver>, Arc<DeadLetters>),
        settings: DeliverSettings,
    ) -> Result<Self, DeliverError> {
        let known: BTreeSet<u64> = catalog.snapshot().subscriptions().map(|s| s.id.0).collect();
        let mut orphans = Vec::new();
        for (key, value) in log.table(Table::CURSORS) {
            let number = |range| {
                key.get(range)
                    .map_or(0, |b: &[u8]| b.iter().fold(0u64, |n, &b| n << 8 | u64::from(b)))
            };
            if !known.contains(&number(0..8)) {
                // Of one that was not made in the end, or deleted by a service that then stopped.
                orphans.push(key);
            } else if Cursor::decode(&value).is_none() {
                let partition = u32::try_from(number(16..20)).unwrap_or(u32::MAX);
                let partition = TopicPartition::new(number(8..16), partition);
                return Err(DeliverError::Cursor { subscription: number(0..8), partition });
            }
        }
        if !orphans.is_empty() {
            saver.forget(orphans);
        }
        let routes = Arc::default();
        let registry = Self {
            log,
            catalog,
            clock,
            saver,
            letters,
            settings,
            routes,
            known: Mutex::default(),
            ends: Ends::default(),
        };
        registry.refresh();
        registry.saver.also(registry.letters.unmark_rest());
        Ok(registry)
    }

    /// A live subscription by its name.
    pub(crate) fn find(&self, tenant: &str, name: &str) -> Result<Arc<Live>, Refusal> {
        let unknown = || {
            Refusal::new(Code::SubscriptionUnknown, format!("there is no subscription `{name}`"))
                .with_hint("create it, or correct the name")
        };
        self.refresh();
        let snapshot = self.catalog.snapshot();
        let id = snapshot.subscription(tenant, name).ok_or_else(unknown)?.id;
        self.live(id).ok_or_else(unknown)
    }

    /// Who takes a topic, at any time.
    pub(crate) fn shared_routes(&self) -> Arc<ArcSwap<Routes>> {
        Arc::clone(&self.routes)
    }

    /// Who takes a topic now.
    pub(crate) fn routes(&self) -> Arc<Routes> {
        self.routes.load_full()
    }

    /// Where a partition of a topic that is gone ended, as far as that is known.
    fn end_of(&self, gone: TopicPartition) -> Option<Offset> {
        let passed = self.ends.end(gone);
        // The catalog forgets a topic before the log does.
        passed.max(self.log.bounds(gone).ok().map(|bounds| bounds.durable_tail))
    }

    /// Has nothing more of a subscription looked at, until it is let go as often.
    pub(crate) fn hold(&self, id: SubscriptionId) {
        self.refresh();
        if let Some(live) = self.live(id) {
            live.lock().changes += 1;
        }
    }

    /// Goes on with a subscription as it is in the catalog now.
    pub(crate) fn let_go(&self, id: SubscriptionId) {
        self.refresh();
        if let Some(live) = self.live(id) {
            {
                let mut state = live.lock();
                state.changes = state.changes.saturating_sub(1);
            }
            live.catch_tails(self.log.as_ref());
        }
    }

    fn live(&self, id: SubscriptionId) -> Option<Arc<Live>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.lives.get(&id).map(Arc::clone)
    }

    /// Every live subscription with a cursor.
    pub(crate) fn subscriptions(&self) -> Vec<Arc<Live>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.lives.values().cloned().collect()
    }

    /// Every live subscription, and every reader without a cursor.
    pub(crate) fn all(&self) -> Vec<Arc<Live>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.lives.values().chain(known.ephemeral.values()).cloned().collect()
    }

    /// Keeps a reader without a cursor aligned and fed until [`Self::sign_off`].
    pub(crate) fn sign_on(&self, session: u64, subscription: Subscription) -> Arc<Live> {
        self.refresh();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let subscription = Arc::new(subscription);
        let mut state = self.fresh_state(&subscription);
        state.is_ephemeral = true;
        let live = Arc::new(Live::new(state));
        self.align(&live, &subscription, &self.catalog.snapshot(), false);
        known.ephemeral.insert(session, Arc::clone(&live));
        live
    }

    /// Forgets a reader without a cursor.
    pub(crate) fn sign_off(&self, session: u64) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(gone) = known.ephemeral.remove(&session) else { return };
        self.unroute(NO_RECORD, &gone);
    }

    /// Brings live subscriptions to the catalog's version. What did not change since costs nothing.
    pub(crate) fn refresh(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = self.catalog.snapshot();
        let before = known.snapshot.replace(Arc::clone(&snapshot));
        let restarted = before.is_none();
        let before = before.unwrap_or_default();
        if !restarted && before.version() == snapshot.version() {
            return;
        }
        for gone in before.subscriptions_since(&snapshot) {
            let now = snapshot.subscription(&gone.tenant, &gone.spec.name);
            if now.is_none_or(|now| now.id != gone.id)
                && let Some(live) = known.lives.remove(&gone.id)
            {
                self.retire(&live);
                self.unroute(gone.id, &live);
            }
        }
        let are_same = snapshot.shares_topics(&before);
        if !are_same {
            self.route_topics(&snapshot);
        }
        for subscription in snapshot.subscriptions_since(&before) {
            if let Some(live) = known.lives.get(&subscription.id) {
                live.lock().revise(subscription);
            } else {
                let live = Arc::new(self.enliven(subscription));
                known.lives.insert(subscription.id, live);
            }
            if let Some(live) = known.lives.get(&subscription.id).filter(|_| are_same) {
                self.align(live, subscription, &snapshot, restarted);
            }
        }
        if are_same {
            return;
        }
        for live in known.lives.values().chain(known.ephemeral.values()) {
            let subscription = Arc::clone(&live.lock().subscription);
            self.align(live, &subscription, &snapshot, restarted);
        }
        // Until here they said where partitions ended that are gone.
        self.ends.retain(|partition| snapshot.topic_by_id(partition.topic).is_some());
    }

    /// Has a subscription with a filter pass what nobody handed over to it, because it takes none of
    /// it; saves its cursors when that was much.
    pub(crate) fn pass(&self, live: &Arc<Live>) {
        if !live.is_active() {
            return;
        }
        let mut state = live.lock();
        for partition in state.slots.judged() {
            state.offered_to(partition, self.ends.offered_to(partition));
        }
        let wants_save = state.wants_save();
        drop(state);
        if wants_save {
            self.saver.mark(live);
        }
    }

    /// Makes a route for each topic, and none for those that are gone.
    fn route_topics(&self, snapshot: &Snapshot) {
        let before = self.routes.load();
        let route =
            |topic: &Arc<Topic>| (topic.id, before.get(&topic.id).cloned().unwrap_or_default());
        self.routes.store(Arc::new(snapshot.all_topics().map(route).collect()));
    }

    /// Takes a subscription off every route.
    fn unroute(&self, id: SubscriptionId, live: &Arc<Live>) {
        self.routes.load().values().for_each(|route| route.remove(id, live));
    }

    /// Puts a subscription on the route of a topic, as what it asks for now has it.
    fn route(&self, live: &Arc<Live>, subscription: &Arc<Subscription>, topic: &Topic) {
        let routes = self.routes.load();
        let Some(route) = routes.get(&topic.id) else { return };
        let (id, path) = (subscription.id, topic.name.path());
        if Judge::of(subscription, path).is_none() {
            return route.all(id, live);
        }
        match subscription.revision().filter(|revision| revision.covers(path)) {
            Some(revision) => route.some(id, live, revision),
            None => route.remove(id, live),
        }
    }

    fn enliven(&self, subscription: &Arc<Subscription>) -> Live {
        let mut state = self.fresh_state(subscription);
        state.has_letters = self.letters.counts(subscription.id).letters > 0;
        Live::new(state)
    }

    fn fresh_state(&self, subscription: &Arc<Subscription>) -> State {
        let limits = Limits {
            events: u64::from(subscription.spec.max_in_flight.max(1)),
            bytes: self.settings.in_flight_bytes,
            live_bytes: self.settings.live_bytes,
        };
        let seed = self.settings.seed ^ subscription.id.0.rotate_left(32) ^ self.log.term().0;
        State::new(Arc::clone(subscription), limits, self.log.epoch(), seed)
    }

    /// Adds partitions of topics that appeared, removes those of topics that are gone.
    fn align(
        &self,
        live: &Arc<Live>,
        subscription: &Arc<Subscription>,
        snapshot: &Snapshot,
        restarted: bool,
    ) {
        let mut state = live.lock();
        let mut gone = state.slots.partitions();
        gone.retain(|partition| snapshot.topic_by_id(partition.topic).is_none());
        for &partition in &gone {
            // Nobody followed the partition while the subscription had no consumer.
            if let Some(end) = self.end_of(partition) {
                state.reached(partition, end.0);
            }
            state.remove(partition);
        }
        for topic in snapshot.topics(&subscription.tenant) {
            if !subscription.ever_covered(topic.name.path()) {
                continue;
            }
            for partition in 0..topic.partitions {
                let partition =
                    TopicPartition { topic: topic.id, partition: PartitionId(partition) };
                if !state.slots.contains(&partition) {
                    self.add(&mut state, partition, topic, restarted);
                }
            }
        }
        let (is_durable, has_buried) = (!state.is_ephemeral, state.has_buried());
        drop(state);
        if has_buried {
            self.saver.mark(live);
        }
        for topic in snapshot.topics(&subscription.tenant) {
            if subscription.ever_covered(topic.name.path()) {
                self.route(live, subscription, topic);
            }
        }
        // What became durable between asking for a tail and being routed is asked for again.
        live.catch_tails(self.log.as_ref());
        live.changed.tell();
        let id = subscription.id;
        if is_durable && !gone.is_empty() {
            self.saver.forget(gone.into_iter().map(|partition| cursor::key(id, partition)));
        }
    }

    fn add(
        &self,
        state: &mut State,
        partition: TopicPartition,
        topic: &Arc<Topic>,
        restarted: bool,
    ) {
        let subscription = Arc::clone(&state.subscription);
        let key = (!state.is_ephemeral).then(|| cursor::key(subscription.id, partition));
        let stored = key.and_then(|key| self.log.get(Table::CURSORS, &key));
        let start = || Cursor {
            low: subscription.boundary.get(partition).map_or(0, |offset| offset.0),
            ..Cursor::default()
        };
        let cursor = stored.and_then(|bytes| Cursor::decode(&bytes)).unwrap_or_else(start);
        let tail = self.log.bounds(partition).map_or(0, |bounds| bounds.durable_tail.0);
        let flags = if restarted { state.repeats_max() } else { 0 };
        let mut window = Window::new(cursor, tail, flags);
        let mut buried = self.letters.take_uncovered(subscription.id, partition);
        for (offset, reason) in &mut buried {
            if window.is_settled(*offset) {
                *reason = None;
            } else {
                window.end(*offset);
            }
        }
        state.add(partition, Arc::clone(topic), window, tail);
        if !buried.is_empty() {
            state.were_buried(partition, &buried);
        }
    }

    fn retire(&self, live: &Arc<Live>) {
        let state = live.lock();
        let name = state.subscription.spec.name.clone();
        let id = state.subscription.id;
        let partitions = state.slots.partitions();
        let keys: Vec<_> = partitions.into_iter().map(|at| cursor::key(id, at)).collect();
        drop(state);
        self.saver.forget(keys);
        live.close(Refusal::new(
            Code::SubscriptionGone,
            format!("subscription `{name}` was deleted"),
        ));
    }

    /// The clock, for those who push.
    pub(crate) fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }
}
