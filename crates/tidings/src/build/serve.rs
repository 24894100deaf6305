//! The doors.

use tidings_serve::{Limits, Parts, Server};

use crate::config::Config;
use crate::failure::Failure;

/// With a small memory budget bodies take at most these parts of it together: while they are held, and
/// while they are read as events; and what waits to be written to one stream at most this one.
const PARTS: (u64, u64) = (8, 32);
const STREAM_PART: u64 = 2_048;

/// And what a stream and a connection of HTTP/2 may be sent without its being read.
const WINDOW_PARTS: (u64, u64) = (256, 64);

pub(crate) fn limits(config: &Config) -> Limits {
    let by_default = Limits::default();
    let part = |bytes: usize, part| {
        bytes.min(usize::try_from(config.memory_budget / part).unwrap_or(usize::MAX))
    };
    let window = |bytes: u32, part| {
        bytes.min(u32::try_from(config.memory_budget / part).unwrap_or(u32::MAX))
    };
    let (stream, connection) = by_default.windows;
    Limits {
        windows: (window(stream, WINDOW_PARTS.0), window(connection, WINDOW_PARTS.1)),
        bodies_held: part(by_default.bodies_held, PARTS.0),
        bodies_worked_on: part(by_default.bodies_worked_on, PARTS.1),
        send_buffer: part(by_default.send_buffer, STREAM_PART),
        connections: config.limits.connections,
        batch_events: config.limits.batch_events,
        publish_credit: config.limits.publish_credit_bytes,
        ..by_default
    }
}

pub(crate) async fn bind(config: &Config, parts: Parts) -> Result<Server, Failure> {
    Server::bind(config.addr, parts).await.map_err(Failure::failed)
}
