//! Appending with traces: which events are sampled, and the spans from the door to the disk.
//!
//! An event that carries a sampled `traceparent` belongs to its producer's trace. Else the first
//! event of a block stands for the request's trace, where that has one. Both are noted in the
//! block's header, so that delivery goes on with the same trace.

use tidings_event::TopicPartition;
use tidings_event::block::{Block, Flags, TRACE_NOTES_MAX, TraceNote, events};
use tidings_log::{AppendError, Pending};
use tidings_telemetry::{Recorder, Span, TraceContext, Traces};

use crate::admit::Admission;

/// A sampled event on its way to the disk.
struct Sampled {
    place: TopicPartition,
    admit: TraceContext,
    publish: TraceContext,
    /// The publish span, where no door tells of it: its parent.
    own: Option<Option<[u8; 8]>>,
    /// When the work on it began.
    started: u64,
}

impl Admission {
    /// Appends blocks; without a collector for traces, that is all.
    pub(crate) fn append(&self, mut blocks: Vec<Block>) -> Result<Pending, AppendError> {
        if !self.recorder.traces().is_on() {
            return self.log.append(blocks);
        }
        let started = self.clock.wall().0;
        let sampled = sample(self.recorder.traces(), &mut blocks, started);
        let pending = self.log.append(blocks)?;
        if sampled.is_empty() {
            return Ok(pending);
        }
        let appended = self.clock.wall().0;
        for event in &sampled {
            tell(&self.recorder, event, "admit", (event.started, appended), false);
        }
        let (clock, recorder) = (self.clock.clone(), self.recorder.clone());
        let (done, outer) = Pending::channel();
        self.tracing.spawn(async move {
            let stored = pending.await;
            let now = clock.wall().0;
            for event in &sampled {
                tell(&recorder, event, "log append", (appended, now), stored.is_err());
                if event.own.is_some() {
                    tell(&recorder, event, "publish", (event.started, now), stored.is_err());
                }
            }
            if let Ok(seq) = stored {
                // Whoever published may have gone away.
                let _gone = done.send(seq);
            }
        });
        Ok(outer)
    }
}

/// Finds the sampled events, and notes them in their blocks.
fn sample(traces: &Traces, blocks: &mut [Block], now: u64) -> Vec<Sampled> {
    let door = Traces::current();
    let by_chance = if door.is_none() { traces.begin(None) } else { None };
    let mut sampled = Vec::new();
    for block in blocks.iter_mut().filter(|block| !block.header.flags.contains(Flags::INTERNAL)) {
        let place = block.header.topic_partition;
        let mut notes = Vec::new();
        for (index, event) in (0u32..).zip(events(&block.body).flatten()) {
            if notes.len() == TRACE_NOTES_MAX {
                break;
            }
            let envelope = tidings_event::scan(event).ok();
            let parent = envelope.filter(|e| !e.traceparent.is_empty());
            let (publish, own, started) = match (parent, door, by_chance) {
                (Some(e), _, _) => match traces.begin(Some(e.traceparent)) {
                    Some((publish, parent)) => (publish, Some(parent), now),
                    None => continue,
                },
                (None, Some((publish, started)), _) if index == 0 => (publish, None, started),
                (None, None, Some((publish, parent))) if index == 0 => (publish, Some(parent), now),
                _ => continue,
            };
            let admit = traces.within(publish);
            notes.push(TraceNote { index, trace_id: admit.trace_id, span_id: admit.span_id });
            sampled.push(Sampled { place, admit, publish, own, started });
        }
        TraceNote::put(&mut block.header, &notes);
    }
    sampled
}

fn tell(
    recorder: &Recorder,
    of: &Sampled,
    name: &'static str,
    (start, end): (u64, u64),
    is_error: bool,
) {
    let (context, parent) = match name {
        "publish" => (of.publish, of.own.flatten()),
        "admit" => (of.admit, Some(of.publish.span_id)),
        _ => (recorder.traces().within(of.admit), Some(of.admit.span_id)),
    };
    let about = vec![
        ("tidings.topic_id", of.place.topic.to_string()),
        ("tidings.partition", of.place.partition.to_string()),
    ];
    recorder.span(Span { name, context, parent, start, end, about, is_error });
}

#[cfg(test)]
mod tests;
