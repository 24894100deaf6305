//! What a client may make this process hold: bytes, connections, time.

use std::time::Duration;

/// Limits of the doors. Each refuses with its own code before memory is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most open connections; further ones wait in the system's queue.
    pub connections: usize,
    /// Most bytes of a request's body, and of a gRPC message but for its framing.
    pub body_bytes: usize,
    /// Most bytes of small bodies with events held at a time.
    pub bodies_small: usize,
    /// Most bytes of large bodies held at a time, those that still arrive included.
    pub bodies_held: usize,
    /// Most bytes of large bodies that are read as events or documents at a time.
    pub bodies_worked_on: usize,
    /// Most events of one batch.
    pub batch_events: usize,
    /// Most bytes of a request's headers, names and values.
    pub header_bytes: usize,
    /// How long a request's headers may take.
    pub header_read: Duration,
    /// How long a request's body may take.
    pub body_read: Duration,
    /// Most bytes of blocks that a connection may have unanswered.
    pub publish_credit: u32,
    /// Most bytes that wait to be written to a stream of HTTP/2 before no more are made.
    pub send_buffer: usize,
    /// Most bytes that a client may have sent without their being read, on one stream of HTTP/2 and on a
    /// connection.
    pub windows: (u32, u32),
    /// Silence after which a consumer gets a heartbeat.
    pub heartbeat: Duration,
    /// Most streams and calls at once on one HTTP/2 connection; further ones wait in the client.
    pub streams: u32,
    /// Most attachments of one stream that has many.
    pub attachments: usize,
    /// Silence after which an HTTP/2 or WebSocket peer is asked whether it is there.
    pub keep_alive: Duration,
    /// How long it may take to say so; then its connection ends.
    pub keep_alive_answer: Duration,
    /// How long requests may finish after a stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            body_bytes: 16 << 20,
            bodies_small: 256 << 20,
            bodies_held: 64 << 20,
            bodies_worked_on: 16 << 20,
            batch_events: 65_536,
            header_bytes: 64 << 10,
            header_read: Duration::from_secs(10),
            body_read: Duration::from_secs(30),
            publish_credit: 4 << 20,
            send_buffer: 1 << 20,
            windows: (4 << 20, 16 << 20),
            heartbeat: Duration::from_secs(15),
            streams: 256,
            attachments: 65_536,
            keep_alive: Duration::from_secs(20),
            keep_alive_answer: Duration::from_secs(10),
            drain: Duration::from_secs(5),
        }
    }
}
