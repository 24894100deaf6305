//! What was seen in key sequences: counted, said in the log now and then, and kept in the headers
//! of the blocks it was seen in.

use std::sync::{MutexGuard, PoisonError};

use bytes::Bytes;
use tidings_event::block::{BlockHeader, KeyNote, KeyNotes, KeyState};
use tidings_event::block::{extension_type, put_extension};
use tidings_event::{Offset, TopicPartition};
use tidings_log::{Table, TableChange};
use tidings_telemetry::Counter;

use crate::admit::Admission;
use crate::key_sequences::{BUCKETS, KeySequences, Stepped};
use crate::records;

/// The step of an event that was given an offset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noted {
    pub(crate) offset: Offset,
    pub(crate) step: Stepped,
}

/// Puts what was seen in a block's events into its header.
pub(crate) fn note(header: &mut BlockHeader, noted: &[Noted]) {
    let (base, end) = (header.base_offset, header.end_offset());
    let mut notes = KeyNotes::default();
    for Noted { offset, step } in noted {
        if let Some(out) = step.out.filter(|_| (base..end).contains(offset)) {
            notes.push(KeyNote {
                // A block's count is a u32.
                index: (offset.0 - base.0) as u32,
                state: out.state,
                expected: out.expected,
                seen: step.count.number,
            });
        }
    }
    if notes.notes.is_empty() {
        return;
    }
    let mut extensions = header.extensions.to_vec();
    // 64 notes take less than half of the room there is.
    if put_extension(&mut extensions, extension_type::KEY_NOTES, &notes.encode()) {
        header.extensions = extensions.into();
    }
}

impl Admission {
    /// Locked after cells and the window, never before.
    pub(crate) fn keys(&self) -> MutexGuard<'_, KeySequences> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the numbers of events that were not stored.
    pub(crate) fn undo_keys(&self, noted: &[Noted]) {
        if noted.is_empty() {
            return;
        }
        let mut keys = self.keys();
        noted.iter().rev().for_each(|noted| keys.undo(&noted.step));
    }

    /// Counts what was seen in events that are stored.
    pub(crate) fn tell_keys(&self, place: TopicPartition, noted: &[Noted]) {
        let out = noted.iter().filter_map(|noted| noted.step.out);
        let (mut times, mut missing, mut by_state) = (0, 0, [0; 4]);
        for out in out {
            times += 1;
            missing += out.missing;
            by_state[match out.state {
                KeyState::Gap => 0,
                KeyState::Late => 1,
                KeyState::Repeat => 2,
                KeyState::Reset => 3,
            }] += 1;
        }
        let Some(first) = noted.iter().find(|noted| noted.step.out.is_some()) else { return };
        let [gaps, late, repeats, resets] = by_state;
        self.recorder.count(Counter::AdmitKeyGaps, gaps);
        self.recorder.count(Counter::AdmitKeyMissing, missing);
        self.recorder.count(Counter::AdmitKeyLate, late);
        self.recorder.count(Counter::AdmitKeyRepeats, repeats);
        self.recorder.count(Counter::AdmitKeyResets, resets);
        if let (Some(times), Some(out)) =
            (self.quiet_keys.speak(self.clock.monotonic(), times), first.step.out)
        {
            tracing::warn!(
                partition = %place,
                offset = first.offset.0,
                state = out.state.as_str(),
                expected = out.expected,
                seen = first.step.count.number,
                times,
                "key_seq out of line; the event's trace tells more"
            );
        }
    }

    /// The keys that changed since the last checkpoint, or all of them, as records.
    pub(crate) fn changed_keys(&self, everything: bool) -> Vec<TableChange> {
        let buckets = (0..BUCKETS).filter_map(|bucket| {
            let keys = self.keys().changed(bucket, everything)?;
            let value: Option<Bytes> = Some(records::put_keys(&keys));
            Some(TableChange { table: Table::PRODUCERS, key: records::keys_key(bucket), value })
        });
        buckets.collect()
    }
}
