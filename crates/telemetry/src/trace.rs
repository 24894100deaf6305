//! Traces: W3C contexts in, spans out to a collector over OTLP.
//!
//! Spans wait in a bounded queue for a task that sends them; when it is full they are dropped and
//! counted, so that nothing ever waits for a collector. Reference for contexts:
//! <https://www.w3.org/TR/trace-context/>.

mod context;
#[cfg(feature = "export")]
mod export;

use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SpanData, SpanEvents, SpanLinks};
use tokio::sync::mpsc;

pub use context::TraceContext;
#[cfg(feature = "export")]
pub use export::{TraceExport, TraceSettings, TracesError};

tokio::task_local! {
    /// The span of the request that is being answered, and when it began.
    static CURRENT: (TraceContext, u64);
}

/// One finished piece of work.
#[derive(Clone, Debug)]
pub struct Span {
    /// `publish`, `admit`, `log append`, `deliver`.
    pub name: &'static str,
    /// Its own place in the trace.
    pub context: TraceContext,
    /// The span it is part of; `None` for the first of a trace.
    pub parent: Option<[u8; 8]>,
    /// When it began, in nanoseconds since 1970.
    pub start: u64,
    /// When it ended.
    pub end: u64,
    /// What it was about.
    pub about: Vec<(&'static str, String)>,
    /// Whether it failed.
    pub is_error: bool,
}

/// Where spans go. Without a collector nothing is sampled, and that costs one branch.
#[derive(Debug, Default)]
pub struct Traces {
    queue: Option<mpsc::Sender<SpanData>>,
    ratio: f64,
}

impl Traces {
    /// Whether anything is sampled at all.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.queue.is_some()
    }

    /// The context of a request: part of the caller's trace when that is sampled, else the first
    /// of a new one for the share of requests that is configured.
    #[must_use]
    pub fn begin(&self, traceparent: Option<&str>) -> Option<(TraceContext, Option<[u8; 8]>)> {
        self.queue.as_ref()?;
        if let Some((caller, is_sampled)) = traceparent.and_then(TraceContext::parse) {
            return is_sampled.then(|| (self.within(caller), Some(caller.span_id)));
        }
        let trace_id = RandomIdGenerator::default().new_trace_id().to_bytes();
        let [.., a, b, c, d] = trace_id;
        let share = f64::from(u32::from_be_bytes([a, b, c, d])) / f64::from(u32::MAX);
        let first = TraceContext { trace_id, span_id: [0; 8] };
        (share < self.ratio).then(|| (self.within(first), None))
    }

    /// Runs the answering of a request whose span began at `started`.
    pub async fn scope<F: Future>(context: TraceContext, started: u64, answer: F) -> F::Output {
        CURRENT.scope((context, started), answer).await
    }

    /// The span of the request that this task is answering, and when it began.
    #[must_use]
    pub fn current() -> Option<(TraceContext, u64)> {
        CURRENT.try_with(|current| *current).ok()
    }

    /// A new span of the same trace.
    #[must_use]
    pub fn within(&self, context: TraceContext) -> TraceContext {
        let span_id = RandomIdGenerator::default().new_span_id().to_bytes();
        TraceContext { span_id, ..context }
    }

    /// Hands a span over; says whether there was room for it.
    pub fn end(&self, span: Span) -> bool {
        let Some(queue) = &self.queue else { return true };
        queue.try_send(data(span)).is_ok()
    }
}

fn data(span: Span) -> SpanData {
    let at = |nanos: u64| SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos);
    let about = span.about.into_iter().map(|(key, value)| KeyValue::new(key, value));
    SpanData {
        span_context: SpanContext::new(
            TraceId::from_bytes(span.context.trace_id),
            SpanId::from_bytes(span.context.span_id),
            TraceFlags::SAMPLED,
            false,
            TraceState::default(),
        ),
        parent_span_id: span.parent.map_or(SpanId::INVALID, SpanId::from_bytes),
        parent_span_is_remote: false,
        span_kind: match span.name {
            "publish" => SpanKind::Server,
            "deliver" => SpanKind::Producer,
            _ => SpanKind::Internal,
        },
        name: span.name.into(),
        start_time: at(span.start),
        end_time: at(span.end.max(span.start)),
        attributes: about.collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: if span.is_error { Status::error("") } else { Status::Unset },
        instrumentation_scope: InstrumentationScope::builder("tidings").build(),
    }
}

#[cfg(test)]
mod tests;
