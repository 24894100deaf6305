//! What the service tells about itself: metric names, the recorder, the log set-up, how close it
//! is to its memory budget, and the one timer that waits.
//!
//! Metrics are plain atomic cells, one per name in [`names`]: recording one is an add, without a
//! lock or an allocation. [`Recorder::encode`] writes them as OpenMetrics text.

mod histogram;
mod logs;
mod memory;
mod names;
mod recorder;
mod timer;
mod trace;

pub use logs::{LogFormat, LogLevel, LogsError, start_logs};
pub use memory::{Memory, MemoryLevel};
pub use names::{Counter, Gauge, Latency};
pub use recorder::Recorder;
pub use timer::{Elapsed, Timer};
pub use trace::{Span, TraceContext, Traces};
#[cfg(feature = "export")]
pub use trace::{TraceExport, TraceSettings, TracesError};
