//! The doors.

use tidings_serve::{Limits, Port};

use crate::config::Config;
use crate::failure::Failure;

/// Bodies take at most these parts of the memory budget together: small ones while they are worked on,
/// whose events are copied twice; large ones, of which there is room for so much anyway, while they are
/// held, and while they are read as events. And what waits to be written to one stream at most this one.
const BODY_PARTS: (u64, u64, u64) = (32, 8, 32);
const STREAM_PART: u64 = 2_048;

/// And what a stream and a connection of HTTP/2 may be sent without its being read.
const WINDOW_PARTS: (u64, u64) = (512, 256);

pub(crate) fn limits(config: &Config) -> Limits {
    let by_default = Limits::default();
    let part = |bytes: usize, part| {
        bytes.min(usize::try_from(config.memory_budget / part).unwrap_or(usize::MAX))
    };
    let window = |bytes: u32, part| {
        bytes.min(u32::try_from(config.memory_budget / part).unwrap_or(u32::MAX))
    };
    let (small, held, worked_on) = BODY_PARTS;
    let (stream, connection) = by_default.windows;
    Limits {
        windows: (window(stream, WINDOW_PARTS.0), window(connection, WINDOW_PARTS.1)),
        bodies_small: part(usize::MAX, small),
        bodies_held: part(by_default.bodies_held, held),
        bodies_worked_on: part(by_default.bodies_worked_on, worked_on),
        send_buffer: part(by_default.send_buffer, STREAM_PART),
        connections: config.limits.connections,
        batch_events: config.limits.batch_events,
        publish_credit: config.limits.publish_credit_bytes,
        ..by_default
    }
}

pub(crate) async fn bind(config: &Config) -> Result<Port, Failure> {
    Port::bind(config.addr).await.map_err(Failure::failed)
}
