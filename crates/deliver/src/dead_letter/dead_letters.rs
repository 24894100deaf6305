//! The store: burying, and looking at what is buried.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_catalog::{InternalTopic, SubscriptionId};
use tidings_event::{Clock, Code, Offset, PartitionId, Position, Refusal, TopicPartition};
use tidings_log::{AppendError, CommitError, PartitionLog, ReadError, Table, TableChange};
use tidings_telemetry::{Gauge, Recorder, Timer};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::copy::{self, Copies};
use super::graves::Graves;
use super::letter::{Buried, BuryError, DeadLetter, DeadLetterCounts, LetterState, Reason};
use super::record::{self, Place, Record};
use super::uncovered::Uncovered;
use crate::internal_writer::InternalWriter;
use crate::settings::DeliverError;
use crate::settlement::Settlements;

/// Most records of one commit: far below what a commit may have.
const COMMIT_RECORDS_MAX: usize = 5_000;

/// Most that a subscription may have among its dead letters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) letters: u64,
    pub(crate) bytes: u64,
}

/// See the module.
pub(crate) struct DeadLetters {
    pub(super) log: Arc<dyn PartitionLog>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) settlements: Arc<Settlements>,
    writer: InternalWriter,
    room: Room,
    graves: Mutex<Graves>,
    uncovered: Uncovered,
    /// Held through a whole change, disk included: changes come one at a time.
    pub(super) changing: tokio::sync::Mutex<()>,
    // A change runs to its end even when its caller goes away: what is in memory is what is durable.
    changes: TaskTracker,
    /// Grows whenever letters go away.
    freed: watch::Sender<u64>,
}

impl DeadLetters {
    /// Takes up every letter that has a record.
    pub(crate) fn open(
        log: Arc<dyn PartitionLog>,
        clock: Arc<dyn Clock>,
        recorder: Arc<Recorder>,
        settlements: Arc<Settlements>,
        room: Room,
    ) -> Result<Arc<Self>, DeliverError> {
        let (mut graves, mut uncovered) = (Graves::default(), Vec::new());
        for (key, value) in log.table(Table::DEAD_LETTERS) {
            if let Some(marked) = record::read_mark(&key) {
                uncovered.push(marked);
                continue;
            }
            let read = record::read_key(&key).zip(Record::read(&value));
            let ((id, place), record) = read.ok_or(DeliverError::DeadLetter)?;
            graves.insert(id, place, record);
            shift(&recorder, 1, i64::from(record.bytes));
        }
        let writer = InternalWriter::new(Arc::clone(&log), InternalTopic::DEAD_LETTERS);
        Ok(Arc::new(Self {
            log,
            clock,
            recorder,
            settlements,
            writer,
            room,
            graves: Mutex::new(graves),
            uncovered: Uncovered::new(uncovered),
            changing: tokio::sync::Mutex::default(),
            changes: TaskTracker::new(),
            freed: watch::Sender::new(0),
        }))
    }

    /// Buries events of a subscription: their copies are durable, then their records. An event that
    /// is buried already stays as it is; one that was redriven and failed again is dead again.
    pub(crate) async fn bury(
        self: &Arc<Self>,
        subscription: SubscriptionId,
        letters: Vec<Buried>,
    ) -> Result<(), BuryError> {
        let store = Arc::clone(self);
        let buried =
            self.changes.spawn(async move { store.bury_all(subscription, letters).await }).await;
        buried.unwrap_or_else(|error| Err(BuryError::Refused(error.to_string())))
    }

    async fn bury_all(
        &self,
        subscription: SubscriptionId,
        letters: Vec<Buried>,
    ) -> Result<(), BuryError> {
        let _turn = self.changing.lock().await;
        let mut fresh = Vec::with_capacity(letters.len());
        let mut counts = self.counts(subscription);
        let mut full = None;
        for letter in letters {
            let known = self.graves().get(subscription, Place::of(&letter.position));
            match known.map(|record| record.state) {
                Some(LetterState::Dead) => continue,
                Some(LetterState::Redriving) => {}
                None if counts.letters >= self.room.letters || counts.bytes >= self.room.bytes => {
                    full = Some(BuryError::Full { letters: counts.letters, bytes: counts.bytes });
                    break;
                }
                None => {
                    counts.letters += 1;
                    counts.bytes += letter.event.len() as u64;
                }
            }
            fresh.push(self.with_history(letter, known).await);
        }
        if !fresh.is_empty() {
            self.copy_and_record(subscription, fresh).await?;
        }
        full.map_or(Ok(()), Err)
    }

    /// What was tried before a letter was redriven stays known.
    async fn with_history(&self, mut letter: Buried, known: Option<Record>) -> Buried {
        let Some(record) = known else { return letter };
        let about = letter.position.partition;
        if let Ok(Some(note)) = Copies::of(&*self.log).note(about, record.copy).await {
            letter.attempts.splice(..0, note.attempts);
        }
        letter
    }

    async fn copy_and_record(
        &self,
        subscription: SubscriptionId,
        letters: Vec<Buried>,
    ) -> Result<(), BuryError> {
        let now = self.clock.wall();
        let items = letters.iter().flat_map(|letter| {
            let items = copy::items(subscription, letter, now);
            items.map(|item| (letter.position.partition, item))
        });
        let mut at = self.append(items.collect()).await?;
        let mut records = Vec::with_capacity(letters.len());
        for letter in &letters {
            let partition = InternalTopic::DEAD_LETTERS.about(letter.position.partition).partition;
            let next = at.entry(partition).or_default();
            let copy = *next;
            *next = next.plus(2);
            let record = Record {
                copy,
                // An event has at most 1 MiB.
                bytes: u32::try_from(letter.event.len()).unwrap_or(u32::MAX),
                epoch: letter.position.epoch,
                reason: letter.reason,
                state: LetterState::Dead,
            };
            records.push((Place::of(&letter.position), record));
        }
        let changes = records.iter().flat_map(|(place, record)| {
            // Together, so that no record is without its mark.
            [record.put(subscription, *place), record::mark(subscription, *place)]
        });
        self.commit(changes.collect()).await?;
        self.put(subscription, &records);
        Ok(())
    }

    /// Appends copies; says where those of each partition begin.
    async fn append(
        &self,
        items: Vec<(PartitionId, Vec<u8>)>,
    ) -> Result<BTreeMap<PartitionId, Offset>, BuryError> {
        loop {
            match self.writer.append(&items) {
                Ok(written) => {
                    let durable = written.pending.await;
                    durable.map_err(|error| BuryError::Refused(error.to_string()))?;
                    return Ok(written.firsts);
                }
                Err(AppendError::Full { retry_after }) => {
                    Timer.after(retry_after.max(Duration::from_millis(1))).await;
                }
                Err(AppendError::StorageFull) => return Err(BuryError::Later),
                Err(error) => return Err(BuryError::Refused(error.to_string())),
            }
        }
    }

    /// Commits changes of records; resolves when they are durable.
    pub(super) async fn commit(&self, changes: Vec<TableChange>) -> Result<(), BuryError> {
        for part in changes.chunks(COMMIT_RECORDS_MAX) {
            let pending = loop {
                match self.log.commit(self.log.term(), part.to_vec()) {
                    Ok(pending) => break pending,
                    Err(CommitError::Append(AppendError::Full { retry_after })) => {
                        Timer.after(retry_after.max(Duration::from_millis(1))).await;
                    }
                    Err(CommitError::Append(AppendError::StorageFull)) => {
                        return Err(BuryError::Later);
                    }
                    Err(error) => return Err(BuryError::Refused(error.to_string())),
                }
            };
            pending.await.map_err(|error| BuryError::Refused(error.to_string()))?;
        }
        Ok(())
    }

    /// Runs a change to its end, whatever becomes of its caller.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, Refusal>> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.changes.spawn(change).await.unwrap_or_else(|error| {
            Err(Refusal::new(Code::Internal, format!("the change ended early: {error}")))
        })
    }

    /// How much lies in a subscription's dead letters.
    pub(crate) fn counts(&self, id: SubscriptionId) -> DeadLetterCounts {
        self.graves().counts(id)
    }

    /// Changes whenever letters went away.
    pub(crate) fn freed(&self) -> watch::Receiver<u64> {
        self.freed.subscribe()
    }

    /// What is known of one letter without reading its copy.
    pub(crate) fn find(&self, id: SubscriptionId, position: &Position) -> Option<Record> {
        let record = self.graves().get(id, Place::of(position))?;
        (record.epoch == position.epoch).then_some(record)
    }

    /// Letters of a partition that no durable cursor covered when the service stopped, and why they
    /// are some; without a reason those that are gone since. Says it once.
    pub(crate) fn take_uncovered(
        &self,
        id: SubscriptionId,
        partition: TopicPartition,
    ) -> Vec<(u64, Option<Reason>)> {
        let offsets = self.uncovered.take(id, partition);
        let graves = self.graves();
        let why = |offset| graves.get(id, Place { partition, offset }).map(|record| record.reason);
        offsets.into_iter().map(|offset| (offset, why(offset))).collect()
    }

    /// What takes away the marks of those that nobody took: their subscription or topic is gone.
    pub(crate) fn unmark_rest(&self) -> Vec<TableChange> {
        self.uncovered.take_rest().into_iter().map(|(id, at)| record::unmark(id, at)).collect()
    }

    /// The letters among runs of offsets.
    pub(crate) fn among(
        &self,
        id: SubscriptionId,
        runs: &[(TopicPartition, u64, u64)],
    ) -> Vec<Place> {
        if runs.is_empty() {
            return Vec::new();
        }
        let graves = self.graves();
        let inside = |&(partition, first, end)| graves.within(id, partition, first..end);
        runs.iter().flat_map(inside).collect()
    }

    /// What takes away the marks of letters; part of the commit that saves the cursors.
    pub(crate) fn unmarking(&self, id: SubscriptionId, covered: &[Place]) -> Vec<TableChange> {
        covered.iter().map(|place| record::unmark(id, *place)).collect()
    }

    /// The letter of a position.
    pub(crate) async fn get(
        &self,
        id: SubscriptionId,
        position: Position,
    ) -> Result<DeadLetter, Refusal> {
        let known = self.find(id, &position);
        let record = known.ok_or_else(|| unknown(&position))?;
        let letter = self.letter(&mut Copies::of(&*self.log), Place::of(&position), record).await?;
        letter.ok_or_else(|| unknown(&position))
    }

    /// A subscription's letters after a position, in order of topic, partition and offset.
    pub(crate) async fn list(
        &self,
        id: SubscriptionId,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Refusal> {
        let after = after.map(|position| Place::of(&position));
        let found: Vec<_> = self.graves().after(id, after).take(limit).collect();
        let mut copies = Copies::of(&*self.log);
        let mut letters = Vec::with_capacity(found.len());
        for (place, record) in found {
            letters.extend(self.letter(&mut copies, place, record).await?);
        }
        Ok(letters)
    }

    /// Reads a letter's copy; nothing when the log keeps it no longer.
    async fn letter(
        &self,
        copies: &mut Copies<'_>,
        place: Place,
        record: Record,
    ) -> Result<Option<DeadLetter>, Refusal> {
        let about = place.partition.partition;
        let note = match copies.note(about, record.copy).await {
            Err(ReadError::Trimmed { .. }) => return Ok(None),
            note => readable(note)?,
        };
        let event = match copies.event(about, record.copy).await {
            Err(ReadError::Trimmed { .. }) => return Ok(None),
            event => readable(event)?,
        };
        let (dead_since, attempts) =
            note.map(|note| (note.buried_at, note.attempts)).unwrap_or_default();
        let Record { reason, state, .. } = record;
        let position = place.position(&record);
        Ok(Some(DeadLetter { position, event, reason, dead_since, state, attempts }))
    }

    pub(super) fn graves(&self) -> MutexGuard<'_, Graves> {
        self.graves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows records that are durable.
    pub(super) fn put(&self, id: SubscriptionId, records: &[(Place, Record)]) {
        let mut graves = self.graves();
        let before = graves.counts(id);
        records.iter().for_each(|&(place, record)| graves.insert(id, place, record));
        self.report(before, graves.counts(id));
    }

    /// Forgets records that are durably gone.
    pub(super) fn drop_all(&self, id: SubscriptionId, places: impl IntoIterator<Item = Place>) {
        let mut graves = self.graves();
        let before = graves.counts(id);
        for place in places {
            graves.remove(id, place);
        }
        let after = graves.counts(id);
        drop(graves);
        self.report(before, after);
        if after.letters < before.letters {
            self.freed.send_modify(|version| *version += 1);
        }
    }

    fn report(&self, before: DeadLetterCounts, after: DeadLetterCounts) {
        // Both are bounded by the room of a subscription.
        let moved = |of: fn(&DeadLetterCounts) -> u64| {
            i64::try_from(i128::from(of(&after)) - i128::from(of(&before))).unwrap_or(0)
        };
        shift(&self.recorder, moved(|c| c.letters), moved(|c| c.bytes));
    }
}

fn shift(recorder: &Recorder, letters: i64, bytes: i64) {
    recorder.shift(Gauge::SettleDeadLetters, letters);
    recorder.shift(Gauge::SettleDeadLetterBytes, bytes);
}

/// What was read; nothing where the disk gave back damaged bytes.
fn readable<T>(read: Result<Option<T>, ReadError>) -> Result<Option<T>, Refusal> {
    match read {
        Ok(found) => Ok(found),
        Err(ReadError::DataLoss { .. }) => Ok(None),
        Err(error) => Err(Refusal::new(Code::Internal, error.to_string())),
    }
}

pub(super) fn unknown(position: &Position) -> Refusal {
    let detail = format!("there is no dead letter of {position}");
    Refusal::new(Code::DeadLetterUnknown, detail).at_field("positions")
}

/// A change that the log did not take, as a caller sees it.
pub(super) fn refused(error: &BuryError) -> Refusal {
    let code = match error {
        BuryError::Later => Code::StorageFull,
        BuryError::Full { .. } => Code::ResourceExhausted,
        BuryError::Refused(_) => Code::LogReadOnly,
    };
    Refusal::new(code, error.to_string())
}

impl std::fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeadLetters").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
