//! Opening a data directory: lock, new term, recovery, writers.

use std::io;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::thread;

use tidings_event::Clock;
use tidings_telemetry::Recorder;
use tokio::sync::Semaphore;

use super::context::{Context, is_no_room};
use super::group::{self, PAGE};
use super::indexer::Indexer;
use super::journal::JournalStore;
use super::leases::Leases;
use super::meta::Identity;
use super::options::{EmbeddedOptions, OpenError};
use super::recovery::{Recovered, Source, recover};
use super::spare::Spares;
use super::tables::Tables;
use super::wall::WallGuard;
use super::writer::Writer;
use super::{EmbeddedLog, READS, check, index, meta, snapshot};
use crate::disk::Disk;
use crate::partition_log::Journal;

impl EmbeddedLog {
    /// Opens a data directory, or starts a new log in an empty one.
    ///
    /// # Errors
    /// When another process has it open, a newer version wrote it, or the system cannot read or
    /// write it. Damage of stored blocks is no error: reads name it.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: EmbeddedOptions,
        clock: Arc<dyn Clock>,
        recorder: Arc<Recorder>,
    ) -> Result<Arc<Self>, OpenError> {
        let (log, writers) = Self::recover(disk, dir, options, clock, recorder, side_by_side)?;
        let (indexer, indexing) = Indexer::spawn().map_err(OpenError::io(dir))?;
        for writer in writers {
            let thread = writer.spawn(indexer.clone()).map_err(OpenError::io(dir))?;
            log.threads().push(thread);
        }
        log.threads().push(indexing);
        Ok(Arc::new(log))
    }

    /// Recovers a data directory; nothing is written to it until the writers run.
    pub(super) fn recover(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: EmbeddedOptions,
        clock: Arc<dyn Clock>,
        recorder: Arc<Recorder>,
        journals: Journals,
    ) -> Result<(Self, [Writer; 4]), OpenError> {
        disk.create_dir_all(dir).map_err(OpenError::io(dir))?;
        let lock = check::lock(&*disk, dir)?;
        let context = Arc::new(Context {
            disk,
            dir: dir.to_owned(),
            options,
            clock,
            recorder,
            queued: AtomicU64::new(0),
            spares: Spares::default(),
        });
        let identity = meta::advance(&context)?;
        let tables = Arc::new(Tables::default());
        let state = dir.join(Journal::State.name());
        snapshot::load(&*context.disk, &state, (&tables, identity.log))
            .map_err(OpenError::io(&state))?;
        let state = start(&context, Journal::State, identity, &tables)?;
        let [short, medium, long] =
            journals(&|journal| start(&context, journal, identity, &tables));
        let writers = [short?, medium?, long?, state];
        let wall = guard(&context, &tables, &writers[..Journal::TOPICS.len()]);
        let log = Self {
            epoch: identity.epoch,
            term: identity.term,
            journals: writers.each_ref().map(|writer| Arc::clone(writer.journal())),
            context,
            tables,
            threads: Mutex::default(),
            leases: Leases::new(identity.term),
            wall: Mutex::new(wall),
            lock: Mutex::new(Some(lock)),
            reads: Arc::new(Semaphore::new(READS)),
            is_still: false,
        };
        Ok((log, writers))
    }
}

/// Makes the writer of a journal.
pub(super) type Start<'a> = &'a (dyn Fn(Journal) -> Result<Writer, OpenError> + Sync);

/// Has the journals of topics recovered; they have nothing in common.
pub(super) type Journals = fn(Start<'_>) -> [Result<Writer, OpenError>; 3];

/// Each in a thread of its own, if there is one: while one waits for the disk, another works.
fn side_by_side(start: Start<'_>) -> [Result<Writer, OpenError>; 3] {
    thread::scope(|scope| {
        let started = Journal::TOPICS.map(|journal| {
            let thread = thread::Builder::new().name(format!("log-{}", journal.name()));
            thread.spawn_scoped(scope, move || start(journal)).map_err(|_| journal)
        });
        started.map(|started| match started {
            Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Err(journal) => start(journal),
        })
    })
}

/// The guard of the wall clock: retention had come to where the record says or, when it never ran, to the
/// oldest block. The newest may be from after a jump.
fn guard(context: &Context, tables: &Tables, writers: &[Writer]) -> WallGuard {
    let (recorded, leap) = tables.wall().unzip();
    let oldest = |writer: &Writer| writer.journal().core().oldest_block();
    let last = recorded.or_else(|| writers.iter().filter_map(oldest).min());
    let monotonic = context.clock.monotonic();
    let mut guard = WallGuard::after(last, leap.unwrap_or_default(), monotonic);
    // Now, not when retention first runs: a clock that jumps until then is seen to.
    guard.look(context.clock.wall(), monotonic);
    guard
}

/// Recovers a journal and makes its writer.
fn start(
    context: &Arc<Context>,
    kind: Journal,
    identity: Identity,
    tables: &Arc<Tables>,
) -> Result<Writer, OpenError> {
    let source = Source {
        disk: &*context.disk,
        dir: &context.dir,
        options: &context.options,
        recorder: &context.recorder,
        identity,
        verify: false,
    };
    let mut recovered = recover(source, kind, tables)?;
    for segment in recovered.segments.values_mut().filter(|segment| !segment.indexed) {
        index::write_or_say(context, segment, || true);
        segment.indexed = true;
    }
    let dir = context.dir.join(kind.name());
    context.find_spare(kind).map_err(OpenError::io(&dir))?;
    if kind == Journal::State {
        replay(&recovered, tables).map_err(OpenError::io(&dir))?;
    }
    let (end, highest) = (recovered.end, recovered.highest);
    let leftovers = std::mem::take(&mut recovered.leftovers);
    let journal = Arc::new(JournalStore::new(kind, context, identity, tables, recovered));
    let mut writer = Writer::new(journal, end, highest, leftovers);
    if highest > 0 {
        match writer.begin() {
            // The first write does it when there is room. Until then the end is judged again by the same
            // bytes: what was accepted is synced, and nothing follows it.
            Err(error) if is_no_room(&error) => {
                tracing::warn!(journal = kind.name(), %error, "no room for a new segment yet");
            }
            begun => begun.map_err(OpenError::io(&dir))?,
        }
    }
    Ok(writer)
}

/// Applies the state journal's records that no snapshot holds.
pub(crate) fn replay(recovered: &Recovered, tables: &Tables) -> io::Result<()> {
    let after = tables.read().seq;
    for segment in recovered.segments.values() {
        for (seq, page) in segment.groups.iter().filter(|(seq, _)| *seq > after) {
            let at = u64::from(*page) * PAGE as u64;
            let limit = segment.file.len()?;
            let Some(group) = group::read(&*segment.file, at, limit)? else { continue };
            for block in 0..group.headers.len() {
                let block = group::read_body(&*segment.file, at, &group, block)?;
                tables.apply(block.iter().map(|block| (*seq, block)));
            }
        }
    }
    Ok(())
}
