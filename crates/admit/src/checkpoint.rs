//! Checkpoints: what is remembered of producers goes to a table, so that a restart reads little.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tidings_event::TopicPartition;
use tidings_log::{Journal, Table, TableChange};

use crate::admit::Admission;
use crate::batch::AdmitError;
use crate::records::{self, Reach};

/// Most bytes of one commit, with room for its framing.
const COMMIT_BYTES_MAX: usize = 800 << 10;

/// A moment: what was durable then, and how many ids had been remembered before.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    pub(crate) at: Duration,
    pub(crate) seqs: Vec<u64>,
    pub(crate) inserted: u64,
}

/// How far checkpoints have come.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) last: Duration,
    /// A checkpoint was begun and did not end: what it took to be saved may not be.
    pub(crate) broken: bool,
    /// From the one that a rebuild of the window starts at.
    pub(crate) marks: VecDeque<Mark>,
}

impl Admission {
    /// Whether a checkpoint is worth its while.
    pub async fn checkpoint_due(&self) -> bool {
        let bytes = self.appended_bytes.load(Ordering::Relaxed);
        let last = self.progress.lock().await.last;
        let passed = self.clock.monotonic().saturating_sub(last);
        bytes >= self.settings.checkpoint_bytes
            || (bytes > 0 && passed >= self.settings.checkpoint_every)
    }

    /// Whether anything was taken in since the last checkpoint, or was in none at the start.
    #[must_use]
    pub fn has_unsaved(&self) -> bool {
        self.appended_bytes.load(Ordering::Relaxed) > 0
    }

    /// Saves what has changed since the last time. Only durable blocks are in what is saved.
    ///
    /// # Errors
    /// When the log refuses or fails; the next one saves it all.
    pub async fn checkpoint(&self) -> Result<(), AdmitError> {
        let mut progress = self.progress.lock().await;
        self.appended_bytes.store(0, Ordering::Relaxed);
        let now = self.clock.monotonic();
        // Before the states: everything up to here is in them.
        let seqs = self.durable_seqs();
        let mark = {
            let window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
            Mark { at: now, seqs: seqs.clone(), inserted: window.inserted() }
        };
        let everything = std::mem::replace(&mut progress.broken, true);
        // Before the cells: a number is noted and its event appended under its cell's lock.
        let keys = self.changed_keys(everything);
        let (mut changes, waits) = self.changed(now, everything, !keys.is_empty());
        changes.extend(keys);
        for durable in waits {
            // What is not durable must not be remembered by something that is.
            durable.await?;
        }
        let inserted = mark.inserted;
        progress.marks.push_back(mark);
        self.drop_marks(&mut progress, now, inserted);
        let window = progress.marks.front().map_or_else(|| seqs.clone(), |m| m.seqs.clone());
        let reach = Reach { producers: seqs, window, newest: self.newest_ingest().0 };
        self.save(changes, &reach).await?;
        for route in self.routes.all() {
            for (partition, mut cell) in route.cells.used() {
                let place = TopicPartition { topic: route.topic.id, partition };
                cell.producers.unsaved.saved(&*self.log, place);
            }
        }
        (progress.last, progress.broken) = (now, false);
        Ok(())
    }

    /// Forgets the moments before which no id of the window was stored.
    fn drop_marks(&self, progress: &mut Progress, now: Duration, inserted: u64) {
        let ids_max = self.settings.window_ids as u64;
        while let (Some(first), Some(second)) = (progress.marks.front(), progress.marks.get(1)) {
            let left = second.inserted == first.inserted
                || inserted - second.inserted >= ids_max
                || now.saturating_sub(second.at) > self.settings.window_age;
            if !left {
                break;
            }
            progress.marks.pop_front();
        }
    }

    fn durable_seqs(&self) -> Vec<u64> {
        Journal::TOPICS.iter().map(|&journal| self.log.durable(journal).borrow().0).collect()
    }

    /// The producers' states that changed, or all of them, and what they wait for; `all` waits for
    /// everything appended.
    fn changed(
        &self,
        now: Duration,
        everything: bool,
        all: bool,
    ) -> (Vec<TableChange>, Vec<crate::cells::Durable>) {
        self.use_seeds();
        let (mut changes, mut waits) = (Vec::new(), Vec::new());
        let change = |key: Bytes, value| TableChange { table: Table::PRODUCERS, key, value };
        for route in self.routes.all() {
            for (partition, mut cell) in route.cells.used() {
                let place = TopicPartition { topic: route.topic.id, partition };
                let idle = self.settings.producer_idle;
                let connected = |id: &[u8; 16]| self.connections.holds(id);
                for id in cell.producers.evict(now, idle, connected) {
                    changes.push(change(records::state_key(place, &id), None));
                }
                cell.producers.unsaved.taken();
                let before = changes.len();
                let states = cell.producers.states.iter_mut();
                for (id, state) in states.filter(|(_, s)| s.dirty || everything) {
                    state.dirty = false;
                    let value = Some(records::put_state(state));
                    changes.push(change(records::state_key(place, id), value));
                }
                if all || changes.len() > before {
                    waits.extend(cell.newest());
                }
            }
        }
        for key in self.log.table(Table::PRODUCERS).into_keys() {
            let gone = records::read_state_key(&key)
                .is_some_and(|(place, _)| self.routes.by_id(place.topic).is_none());
            if gone {
                changes.push(change(key, None));
            }
        }
        (changes, waits)
    }

    /// Writes the states, in as many commits as it takes, and last how far they reach. States ahead
    /// of the reach do no harm: reading a block twice changes nothing.
    async fn save(&self, changes: Vec<TableChange>, reach: &Reach) -> Result<(), AdmitError> {
        let (mut commit, mut bytes) = (Vec::new(), 0);
        for change in changes {
            bytes += 64 + change.key.len() + change.value.as_ref().map_or(0, Bytes::len);
            if bytes > COMMIT_BYTES_MAX {
                bytes = 0;
                self.log.commit(self.log.term(), std::mem::take(&mut commit))?.await?;
            }
            commit.push(change);
        }
        let (key, value) = (Bytes::from_static(records::REACH_KEY), Some(records::encode(reach)));
        commit.push(TableChange { table: Table::PRODUCERS, key, value });
        self.log.commit(self.log.term(), commit)?.await?;
        Ok(())
    }
}
