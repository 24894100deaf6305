//! What is made of deliveries on their way out: once for all who are sent the same events.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tidings_deliver::Delivery;
use tidings_event::{Epoch, Offset, Refusal, TopicPartition};

/// Where a delivery begins.
type Place = (TopicPartition, Epoch, Offset);

/// Which events it has from there on.
type Runs = Vec<(Offset, u32)>;

/// What is there or in the making: who comes second waits for the first.
type Made<T> = Arc<OnceLock<Result<T, Refusal>>>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Shared<T> {
    recent: Mutex<Recent<T>>,
    /// Most bytes kept for the next reader, the oldest going first; 0: nothing is shared.
    kept_bytes: usize,
    /// Bytes of what was made.
    bytes_of: fn(&T) -> usize,
}

#[derive(Debug)]
struct Recent<T> {
    made: HashMap<Place, Vec<(Runs, Made<T>)>>,
    /// What is made, and its bytes.
    order: VecDeque<(Place, Runs, usize)>,
    bytes: usize,
}

impl<T: Clone> Shared<T> {
    pub(crate) fn new(kept_bytes: usize, bytes_of: fn(&T) -> usize) -> Self {
        let recent = Recent { made: HashMap::new(), order: VecDeque::new(), bytes: 0 };
        Self { recent: Mutex::new(recent), kept_bytes, bytes_of }
    }

    /// What was made of a delivery's events, or is now.
    pub(crate) fn of(
        &self,
        delivery: &Delivery,
        make: impl FnOnce() -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let at = TopicPartition { topic: delivery.topic.id, partition: delivery.partition };
        let first = delivery.offsets.first().map_or(Offset(0), |&(first, _)| first);
        let place = (at, delivery.epoch, first);
        let made = self.lock().find(place, &delivery.offsets);
        let mut is_mine = false;
        let result = made.get_or_init(|| {
            is_mine = true;
            make()
        });
        if is_mine {
            let bytes = result.as_ref().ok().map(self.bytes_of);
            self.lock().keep(place, &delivery.offsets, bytes, self.kept_bytes);
        }
        result.clone()
    }

    /// Drops what is kept; says how many bytes.
    pub(crate) fn clear(&self) -> usize {
        let mut recent = self.lock();
        let bytes = recent.bytes;
        recent.keep_at_most(0);
        bytes
    }

    /// First offsets of what is kept, and its bytes.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> (Vec<u64>, usize) {
        let recent = self.lock();
        let mut firsts: Vec<_> = recent.made.keys().map(|(.., first)| first.0).collect();
        firsts.sort_unstable();
        (firsts, recent.bytes)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Recent<T>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Recent<T> {
    /// What is made of these events; nothing is allocated for who comes second.
    fn find(&mut self, place: Place, runs: &Runs) -> Made<T> {
        let all = self.made.entry(place).or_default();
        if let Some((_, made)) = all.iter().find(|(others, _)| others == runs) {
            return Arc::clone(made);
        }
        let made = Made::default();
        all.push((runs.clone(), Arc::clone(&made)));
        made
    }

    /// Counts what was made, and drops it when it failed or is too large; then the oldest.
    fn keep(&mut self, place: Place, runs: &Runs, bytes: Option<usize>, most: usize) {
        let Some(bytes) = bytes.filter(|&bytes| bytes <= most) else {
            self.drop_made(place, runs);
            return;
        };
        self.order.push_back((place, runs.clone(), bytes));
        self.bytes += bytes;
        self.keep_at_most(most);
    }

    fn keep_at_most(&mut self, most: usize) {
        while self.bytes > most {
            let Some((place, runs, bytes)) = self.order.pop_front() else { return };
            self.bytes -= bytes;
            self.drop_made(place, &runs);
        }
    }

    fn drop_made(&mut self, place: Place, runs: &Runs) {
        let Some(all) = self.made.get_mut(&place) else { return };
        all.retain(|(others, _)| others != runs);
        if all.is_empty() {
            self.made.remove(&place);
        }
    }
}
