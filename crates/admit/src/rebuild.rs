//! After a start: producers from the last checkpoint, then every block stored since.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::time::Duration;

use tidings_catalog::{Catalog, Snapshot};
use tidings_event::block::events;
use tidings_event::hop::Committed;
use tidings_event::{Clock, JournalSeq, Timestamp, TopicPartition};
use tidings_log::{Journal, PartitionLog, Table};

use crate::admit::seconds;
use crate::batch::{AdmitError, AdmitSettings};
use crate::checkpoint::{Mark, Progress};
use crate::key_sequences::{KeyCount, KeySequences};
use crate::producers::ProducerTable;
use crate::records::{self, Reach};
use crate::window::{Window, identity, tenant_seed};

/// Bytes of one read.
const READ_BYTES: usize = 4 << 20;

pub(crate) struct Rebuilt {
    pub(crate) producers: HashMap<TopicPartition, ProducerTable>,
    pub(crate) window: Window,
    pub(crate) keys: KeySequences,
    pub(crate) progress: Progress,
    /// The newest ingest time of what is stored.
    pub(crate) newest: Timestamp,
    /// Bytes that the next checkpoint is for.
    pub(crate) unsaved_bytes: u64,
}

pub(crate) async fn rebuild(
    log: &dyn PartitionLog,
    catalog: &Catalog,
    clock: &dyn Clock,
    settings: &AdmitSettings,
) -> Result<Rebuilt, AdmitError> {
    let now = clock.monotonic();
    let age_max = seconds(settings.window_age);
    let mut rebuilt = Rebuilt {
        producers: HashMap::new(),
        window: Window::new(settings.window_ids, age_max),
        keys: KeySequences::new(settings.key_sequences_max),
        progress: Progress { last: now, broken: false, marks: VecDeque::new() },
        newest: Timestamp::default(),
        unsaved_bytes: 0,
    };
    let snapshot = catalog.snapshot();
    let mut reach = Reach::default();
    for (key, value) in log.table(Table::PRODUCERS) {
        if key == records::REACH_KEY {
            reach = records::decode(&value)?;
        } else if records::is_keys_key(&key) {
            let keys = records::keys(&value)?;
            keys.into_iter().for_each(|(key, seen)| rebuilt.keys.restore(key, seen));
        } else if let Some((place, id)) = records::read_state_key(&key)
            && snapshot.topic_by_id(place.topic).is_some()
        {
            let state = records::state(&value, now)?;
            rebuilt.producers.entry(place).or_default().states.insert(id, state);
        }
    }
    rebuilt.newest = Timestamp(reach.newest);
    let of_journals = |seqs: &[u64]| -> Vec<u64> {
        (0..Journal::TOPICS.len()).map(|at| seqs.get(at).copied().unwrap_or(0)).collect()
    };
    let (starts, saved) = (of_journals(&reach.window), of_journals(&reach.producers));
    rebuilt.progress.marks.push_back(Mark { at: now, seqs: starts.clone(), inserted: 0 });
    for ((journal, start), saved) in Journal::TOPICS.into_iter().zip(starts).zip(saved) {
        let mut after = JournalSeq(start);
        loop {
            let blocks = log.read_journal(journal, after, READ_BYTES).await?;
            let Some(last) = blocks.last() else { break };
            after = last.seq;
            for block in &blocks {
                let is_saved = block.seq.0 <= saved;
                // Key sequences were saved with the producers.
                let counts = settings.key_sequences_max > 0 && !is_saved;
                rebuilt.take(block, &snapshot, now, counts);
                if !is_saved {
                    rebuilt.keep(block, log);
                }
            }
        }
    }
    Ok(rebuilt)
}

impl Rebuilt {
    /// Has retention leave a producer's block that is in no checkpoint.
    fn keep(&mut self, block: &Committed, log: &dyn PartitionLog) {
        let (header, place) = (&block.block.header, block.topic_partition());
        if header.producer.is_some()
            && let Some(table) = self.producers.get_mut(&place)
        {
            table.unsaved.keep(log, place, header.base_offset);
            self.unsaved_bytes += u64::from(header.body_bytes);
        }
    }

    /// Takes up a stored block; `counts` when its events' numbers are not in what was saved.
    fn take(&mut self, block: &Committed, snapshot: &Snapshot, now: Duration, counts: bool) {
        let header = &block.block.header;
        let place = header.topic_partition;
        let Some(topic) = snapshot.topic_by_id(place.topic) else { return };
        self.newest = self.newest.max(header.ingested_at);
        if let Some(stamp) = &header.producer {
            let table = self.producers.entry(place).or_default();
            table.store(stamp, u64::from(header.count), header.base_offset, now);
            if !counts {
                return;
            }
        }
        // Ages start anew: how long the service was down is the wall clock's word, and an id that
        // is remembered for too long harms nobody.
        let seed = tenant_seed(topic.name.tenant());
        let location = header.producer.is_none().then(|| self.window.locate(place));
        for (at, event) in (0u64..).zip(events(&block.block.body)) {
            let Ok(envelope) =
                event.map_err(drop).and_then(|e| tidings_event::scan(e).map_err(drop))
            else {
                continue;
            };
            if counts && let Some(count) = KeyCount::of(seed, &envelope) {
                self.keys.step(count);
            }
            let Some(location) = location else { continue };
            let hash = identity(seed, envelope.source, &envelope.id);
            if self.window.get(hash).is_none() {
                self.window.insert(hash, location, header.base_offset.plus(at), seconds(now));
            }
        }
    }
}
