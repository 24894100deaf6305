//! The copy: tables first, for they say what is trimmed and dropped; then all journals side by side; then where they end.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tidings_event::block::Block;
use tidings_event::hop::Committed;
use tidings_event::{JournalSeq, Offset, TopicPartition};
use tidings_telemetry::Timer;

use super::{MigrationError, Progress, READ_BYTES, Target, size};
use crate::embedded::ClosedLog;
use crate::embedded::parts::{Copied, INTERNAL, end_change, seq_change};
use crate::partition_log::{AppendError, Journal, Pending, PendingError, TableChange};

/// Most bytes of keys and values of one commit; one change is always taken.
const COMMIT_BYTES: usize = 256 << 10;
/// Most changes of one commit.
const COMMIT_CHANGES: usize = 4096;
/// Most appends that wait for their answer, in each journal; the target bounds their bytes.
const UNDER_WAY_MAX: usize = 256;

/// Copies what the target does not have yet.
///
/// # Errors
/// Where it stopped. What is durable by then is not copied again.
pub async fn copy(
    source: &ClosedLog,
    target: &dyn Target,
    progress: &Progress,
) -> Result<(), MigrationError> {
    // Before anything else: whoever finds it knows that it is not to be served.
    let copied = Copied { origin: source.origin(), finished: false };
    record(target, vec![copied.change()]).await?;
    record(target, changes(source, target)).await?;
    let journal = |journal| copy_journal(source, target, journal, progress);
    tokio::try_join!(journal(Journal::Short), journal(Journal::Medium), journal(Journal::Long))?;
    let mut ends = vec![];
    for journal in Journal::TOPICS {
        ends.push(seq_change(journal, source.last_seq(journal)));
        let partitions = source.ends(journal).into_iter();
        ends.extend(partitions.map(|(id, end): (TopicPartition, Offset)| end_change(id, end)));
    }
    record(target, ends).await
}

/// What has to change in the target's tables, the engine's own first: topics, then trim points.
fn changes(source: &ClosedLog, target: &dyn Target) -> Vec<TableChange> {
    let (wanted, mut present) = (source.records(), target.records());
    let mut changes = vec![];
    for ((table, key), value) in wanted {
        let place = (table, key);
        if present.remove(&place).as_ref() != Some(&value) {
            changes.push(TableChange { table, key: place.1, value: Some(value) });
        }
    }
    let gone = present.into_keys().map(|(table, key)| TableChange { table, key, value: None });
    changes.extend(gone);
    changes.sort_by_key(|change| change.table.0 < INTERNAL);
    changes
}

/// Changes tables, a commit at a time, and waits until all are durable.
async fn record(target: &dyn Target, changes: Vec<TableChange>) -> Result<(), MigrationError> {
    let mut under_way = UnderWay::new(target, "records");
    let (mut commit, mut bytes) = (vec![], 0);
    for change in changes {
        let size = change.key.len() + change.value.as_ref().map_or(0, Bytes::len);
        if !commit.is_empty() && (bytes + size > COMMIT_BYTES || commit.len() == COMMIT_CHANGES) {
            under_way.add((0, 0), || target.record(&commit)).await?;
            (commit, bytes) = (vec![], 0);
        }
        bytes += size;
        commit.push(change);
    }
    under_way.add((0, 0), || target.record(&commit)).await?;
    under_way.finish(&Progress::default()).await
}

async fn copy_journal(
    source: &ClosedLog,
    target: &dyn Target,
    journal: Journal,
    progress: &Progress,
) -> Result<(), MigrationError> {
    let (mut after, last) = (target.reached(journal), source.last_seq(journal));
    if after > last {
        return Err(MigrationError::Ahead { journal, target: after, source_seq: last });
    }
    let mut under_way = UnderWay::new(target, "blocks");
    loop {
        let read = source.groups(journal, after, READ_BYTES).await;
        let blocks = read.map_err(|error| MigrationError::Source { journal, after, error })?;
        let Some(last) = blocks.last() else { break };
        after = last.seq;
        for group in blocks.chunk_by(|one, next| one.seq == next.seq) {
            let Some(Committed { seq, .. }) = group.first() else { continue };
            let import = || target.import(journal, *seq, blocks_of(group));
            under_way.add(size(group.iter().map(|it| &it.block)), import).await?;
            under_way.settle(UNDER_WAY_MAX, progress).await?;
        }
    }
    under_way.finish(progress).await
}

fn blocks_of(group: &[Committed]) -> Vec<Block> {
    group.iter().map(|committed| committed.block.clone()).collect()
}

/// Appends that wait for their answer, in their order.
struct UnderWay<'a> {
    target: &'a dyn Target,
    what: &'static str,
    pending: VecDeque<(Pending, (u64, u64))>,
    /// Blocks and bytes that were answered, and are not told yet.
    answered: (u64, u64),
}

impl<'a> UnderWay<'a> {
    fn new(target: &'a dyn Target, what: &'static str) -> Self {
        Self { target, what, pending: VecDeque::new(), answered: (0, 0) }
    }

    /// Appends, as soon as the target's queue has room.
    async fn add(
        &mut self,
        size: (u64, u64),
        append: impl Fn() -> Result<Pending, AppendError>,
    ) -> Result<(), MigrationError> {
        loop {
            match append() {
                Ok(pending) => {
                    self.pending.push_back((pending, size));
                    return Ok(());
                }
                Err(AppendError::Full { retry_after }) => {
                    if !self.answer().await? {
                        Timer.after(retry_after).await;
                    }
                }
                Err(error) => return Err(MigrationError::refused(self.target, self.what, error)),
            }
        }
    }

    /// Waits for the oldest one; `false` when there is none.
    async fn answer(&mut self) -> Result<bool, MigrationError> {
        let Some((pending, size)) = self.pending.pop_front() else { return Ok(false) };
        let answer = pending.await;
        self.take(answer, size)?;
        Ok(true)
    }

    fn take(
        &mut self,
        answer: Result<JournalSeq, PendingError>,
        size: (u64, u64),
    ) -> Result<(), MigrationError> {
        answer.map_err(|unknown| MigrationError::failed(self.target, self.what, unknown))?;
        self.answered = (self.answered.0 + size.0, self.answered.1 + size.1);
        Ok(())
    }

    /// Waits until at most so many are left, and tells of all that are answered by then.
    async fn settle(&mut self, left: usize, progress: &Progress) -> Result<(), MigrationError> {
        while self.pending.len() > left {
            self.answer().await?;
        }
        // Who waits for the others does so above.
        let mut nobody = Context::from_waker(Waker::noop());
        while let Some((pending, size)) = self.pending.front_mut() {
            let (answer, size) = (Pin::new(pending).poll(&mut nobody), *size);
            let Poll::Ready(answer) = answer else { break };
            self.pending.pop_front();
            self.take(answer, size)?;
        }
        progress.add(std::mem::take(&mut self.answered));
        Ok(())
    }

    async fn finish(mut self, progress: &Progress) -> Result<(), MigrationError> {
        self.settle(0, progress).await
    }
}
