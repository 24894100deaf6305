//! Which subscriptions are live, and which topics each of them takes: desired state made actual.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tidings_catalog::{Catalog, Snapshot, Subscription, SubscriptionId, Topic};
use tidings_event::hop::Committed;
use tidings_event::{Clock, Code, Offset, PartitionId, Refusal, TopicId, TopicPartition};
use tidings_log::{PartitionLog, Table};

use crate::cursor::{self, Cursor};
use crate::live::Live;
use crate::saver::Saver;
use crate::settings::{DeliverError, DeliverSettings};
use crate::state::{Limits, State};
use crate::window::Window;

/// Who takes each topic.
pub(crate) type Routes = HashMap<TopicId, Vec<Arc<Live>>>;

/// See the module.
pub(crate) struct Registry {
    log: Arc<dyn PartitionLog>,
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    saver: Arc<Saver>,
    settings: DeliverSettings,
    routes: ArcSwap<Routes>,
    known: Mutex<Known>,
    /// Where each partition ended that was read since the start: what is left of a topic to tell of
    /// when its log is gone.
    ends: Mutex<HashMap<TopicPartition, Offset>>,
}

#[derive(Default)]
struct Known {
    version: Option<u64>,
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
        saver: Arc<Saver>,
        settings: DeliverSettings,
    ) -> Result<Self, DeliverError> {
        for (key, value) in log.table(Table::CURSORS) {
            if Cursor::decode(&value).is_none() {
                let number = |range| {
                    key.get(range)
                        .map_or(0, |b: &[u8]| b.iter().fold(0u64, |n, &b| n << 8 | u64::from(b)))
                };
                let partition = u32::try_from(number(16..20)).unwrap_or(u32::MAX);
                let partition = TopicPartition::new(number(8..16), partition);
                return Err(DeliverError::Cursor { subscription: number(0..8), partition });
            }
        }
        let routes = ArcSwap::default();
        let registry = Self {
            log,
            catalog,
            clock,
            saver,
            settings,
            routes,
            known: Mutex::default(),
            ends: Mutex::default(),
        };
        registry.refresh();
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
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.lives.get(&id).cloned().ok_or_else(unknown)
    }

    /// Who takes a topic now.
    pub(crate) fn routes(&self) -> Arc<Routes> {
        self.routes.load_full()
    }

    /// Takes note of where the partitions of blocks that were read end now.
    pub(crate) fn passed(&self, blocks: &[Committed]) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.extend(blocks.iter().map(|block| (block.topic_partition(), block.end_offset())));
    }

    /// Where a partition of a topic that is gone ended, as far as that is known.
    fn end_of(&self, gone: TopicPartition) -> Option<Offset> {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = ends.get(&gone).copied();
        // The catalog forgets a topic before the log does.
        passed.max(self.log.bounds(gone).ok().map(|bounds| bounds.durable_tail))
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
        let mut routes = Routes::clone(&self.routes.load());
        self.align(&live, &subscription, &self.catalog.snapshot(), false, &mut routes);
        known.ephemeral.insert(session, Arc::clone(&live));
        self.routes.store(Arc::new(routes));
        live
    }

    /// Forgets a reader without a cursor.
    pub(crate) fn sign_off(&self, session: u64) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(gone) = known.ephemeral.remove(&session) else { return };
        let mut routes = Routes::clone(&self.routes.load());
        for lives in routes.values_mut() {
            lives.retain(|live| !Arc::ptr_eq(live, &gone));
        }
        self.routes.store(Arc::new(routes));
    }

    /// Brings live subscriptions to the catalog's version.
    pub(crate) fn refresh(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = self.catalog.snapshot();
        if known.version == Some(snapshot.version()) {
            return;
        }
        let restarted = known.version.is_none();
        known.version = Some(snapshot.version());
        let wanted: BTreeMap<_, _> = snapshot.subscriptions().map(|s| (s.id, s)).collect();
        known.lives.retain(|id, live| {
            let stays = wanted.contains_key(id);
            if !stays {
                self.retire(live);
            }
            stays
        });
        let mut routes = Routes::new();
        for (id, subscription) in wanted {
            let live =
                known.lives.entry(id).or_insert_with(|| Arc::new(self.enliven(subscription)));
            self.align(live, subscription, &snapshot, restarted, &mut routes);
        }
        for live in known.ephemeral.values() {
            let subscription = Arc::clone(&live.lock().subscription);
            self.align(live, &subscription, &snapshot, false, &mut routes);
        }
        self.routes.store(Arc::new(routes));
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.retain(|partition, _| snapshot.topic_by_id(partition.topic).is_some());
        drop(ends);
        // What became durable between asking for a tail and being routed is asked for again.
        for live in known.lives.values().chain(known.ephemeral.values()) {
            live.catch_tails(self.log.as_ref());
        }
    }

    fn enliven(&self, subscription: &Arc<Subscription>) -> Live {
        Live::new(self.fresh_state(subscription))
    }

    fn fresh_state(&self, subscription: &Arc<Subscription>) -> State {
        let limits = Limits {
            events: u64::from(subscription.spec.max_in_flight.max(1)),
            bytes: self.settings.in_flight_bytes,
            live_bytes: self.settings.live_bytes,
        };
        let seed = self.settings.seed ^ subscription.id.0.rotate_left(32) ^ self.log.term().0;
        let random = SmallRng::seed_from_u64(seed);
        State::new(Arc::clone(subscription), limits, self.log.epoch(), random)
    }

    /// Adds partitions of topics that appeared, removes those of topics that are gone.
    fn align(
        &self,
        live: &Arc<Live>,
        subscription: &Arc<Subscription>,
        snapshot: &Snapshot,
        restarted: bool,
        routes: &mut Routes,
    ) {
        let mut state = live.lock();
        let mut gone: Vec<_> = state.slots.keys().copied().collect();
        gone.retain(|partition| snapshot.topic_by_id(partition.topic).is_none());
        for &partition in &gone {
            // Nobody followed the partition while the subscription had no consumer.
            if let Some(end) = self.end_of(partition) {
                state.reached(partition, end.0);
            }
            state.remove(partition);
        }
        for topic in snapshot.topics(&subscription.tenant) {
            if !subscription.spec.covers(topic.name.path()) {
                continue;
            }
            routes.entry(topic.id).or_default().push(Arc::clone(live));
            for partition in 0..topic.partitions {
                let partition =
                    TopicPartition { topic: topic.id, partition: PartitionId(partition) };
                if !state.slots.contains_key(&partition) {
                    self.add(&mut state, partition, topic, restarted);
                }
            }
        }
        let is_durable = !state.is_ephemeral;
        drop(state);
        live.changed.notify_waiters();
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
            low: subscription.boundary.get(&partition).map_or(0, |offset| offset.0),
            ..Cursor::default()
        };
        let cursor = stored.and_then(|bytes| Cursor::decode(&bytes)).unwrap_or_else(start);
        let tail = self.log.bounds(partition).map_or(0, |bounds| bounds.durable_tail.0);
        // Before a restart, up to one window was in flight and up to one more acked and not yet
        // durable: the deliveries that may be repeats.
        let flags = if restarted { state.limits.events.saturating_mul(2) } else { 0 };
        state.add(partition, Arc::clone(topic), Window::new(cursor, tail, flags), tail);
    }

    fn retire(&self, live: &Arc<Live>) {
        let state = live.lock();
        let name = state.subscription.spec.name.clone();
        let id = state.subscription.id;
        let keys: Vec<_> =
            state.slots.keys().map(|&partition| cursor::key(id, partition)).collect();
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
