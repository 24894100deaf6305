//! The lines of an event stream. What is said holds no line break: it is JSON.

use std::fmt::Write;

use tidings_wire::stream::Frame;

/// How long a client waits before it connects again.
pub(super) const RETRY: &str = "retry: 1000\n\n";

/// An event with a name of its own; it becomes the client's last one when it has an id.
pub(super) fn named(out: &mut String, kind: &str, id: Option<&str>, data: &str) {
    if let Some(id) = id {
        // Writing to a String cannot fail.
        let _infallible = writeln!(out, "id: {id}");
    }
    let _infallible = write!(out, "event: {kind}\ndata: {data}\n\n");
}

/// A delivered event: the client's default kind. What it says is written where it lies.
pub(super) fn delivered(
    out: &mut String,
    id: impl FnOnce(&mut String),
    say: impl FnOnce(&mut Frame),
) {
    out.push_str("id: ");
    id(out);
    out.push_str("\ndata: ");
    let mut frame = Frame::behind(std::mem::take(out));
    say(&mut frame);
    *out = frame.into_text();
    out.push_str("\n\n");
}
