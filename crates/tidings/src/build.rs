//! One file per subsystem: configuration in, the running stage out.

pub(crate) mod admit;
pub(crate) mod catalog;
pub(crate) mod deliver;
pub(crate) mod edge;
pub(crate) mod insight;
pub(crate) mod log;
pub(crate) mod pressure;
pub(crate) mod serve;

use std::sync::Arc;

use tidings_event::Clock;
use tidings_telemetry::Recorder;

/// What every stage is given.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) recorder: Arc<Recorder>,
}
