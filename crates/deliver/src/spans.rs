//! The spans of sampled events that are delivered.

use tidings_event::Offset;
use tidings_event::block::TraceNote;
use tidings_telemetry::{Span, TraceContext};

use crate::live::Live;
use crate::sent::Sent;
use crate::stage::Stage;

impl Stage {
    /// Tells of the sampled events in what was just sent to a subscription.
    #[cold]
    pub(crate) fn trace(&self, live: &Live, sent: &Sent) {
        let traces = self.recorder.traces();
        if !traces.is_on() {
            return;
        }
        let now = self.clock.wall().0;
        for note in TraceNote::read(&sent.traced) {
            let offset = sent.base + u64::from(note.index);
            let holds = |&(first, count): &(Offset, u32)| {
                (first.0..first.0 + u64::from(count)).contains(&offset)
            };
            if !sent.delivery.offsets.iter().any(holds) {
                continue;
            }
            let taken_in = TraceContext { trace_id: note.trace_id, span_id: note.span_id };
            let name = live.lock().subscription.spec.name.clone();
            self.recorder.span(Span {
                name: "deliver",
                context: traces.within(taken_in),
                parent: Some(taken_in.span_id),
                start: sent.delivery.ingested_at.0,
                end: now,
                about: vec![("tidings.subscription", name), ("tidings.offset", offset.to_string())],
                is_error: false,
            });
        }
    }
}
