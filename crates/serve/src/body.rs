//! Reading a request's body: counted while it streams, decompressed or not, within a time limit and
//! within the room that there is for large ones.

mod inflate;
mod reading;
mod room;

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use tidings_event::{Code, Refusal};
use tidings_telemetry::Timer;

use crate::limits::Limits;
use reading::{Reading, too_large};
pub(crate) use room::{FEW_REFUSED, RETRY_AFTER_MS, Room, Taken, Turn};

/// A whole body, and the room that it takes while somebody works on it.
#[derive(Default)]
pub(crate) struct Whole {
    pub(crate) bytes: Bytes,
    pub(crate) room: [Option<Taken>; 2],
}

/// What a body says.
#[derive(Clone, Copy)]
pub(crate) enum Says<'a> {
    /// What is wanted.
    Wish,
    /// Events; asked before anything is read, and again before each piece that comes.
    Events(&'a (dyn Fn() -> Result<(), Refusal> + Sync)),
}

impl Says<'_> {
    fn may_be_read(self) -> Result<(), Refusal> {
        match self {
            Self::Wish => Ok(()),
            Self::Events(may_be_read) => may_be_read(),
        }
    }
}

/// The whole body. A body in one piece is not copied.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    limits: &Limits,
    (room, timer): (&Room, Timer),
    says: Says<'_>,
) -> Result<Whole, Refusal> {
    let gzip = is_gzip(headers)?;
    let announced = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > limits.body_bytes as u64) {
        return Err(too_large(limits.body_bytes));
    }
    // Within the limit, which fits.
    let announced = announced.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
    let mut reading = Reading::new(body, gzip, announced, limits.body_bytes);
    let mut held = match says {
        // What is known to be large has room of its own, for which it waits.
        Says::Events(_) if announced <= room::SMALL => {
            Some(room.to_hold_small(reading.most().min(room::SMALL))?)
        }
        _ => None,
    };
    let small = reading.read_while_within(room::SMALL, says);
    if in_time(timer.limit(limits.body_read, small).await, limits.body_read)? {
        let bytes = reading.end()?;
        held.iter_mut().for_each(|held| held.shrink(bytes.len()));
        return Ok(Whole { bytes, room: [held, None] });
    }
    drop(held);
    let mut held = room.to_hold(reading.most()).await?;
    let rest = reading.read_while_within(limits.body_bytes, says);
    in_time(timer.limit(limits.body_read, rest).await, limits.body_read)?;
    let bytes = reading.end()?;
    held.shrink(bytes.len());
    let worked_on = room.to_work_on(bytes.len()).await?;
    Ok(Whole { bytes, room: [Some(held), worked_on] })
}

fn in_time<T>(
    read: Result<Result<T, Refusal>, tidings_telemetry::Elapsed>,
    limit: Duration,
) -> Result<T, Refusal> {
    read.unwrap_or_else(|_| {
        let detail = format!("the body did not arrive within {} s", limit.as_secs());
        Err(Refusal::new(Code::RequestTimeout, detail))
    })
}

/// Whether the body is compressed with gzip; anything else is not read.
fn is_gzip(headers: &HeaderMap) -> Result<bool, Refusal> {
    let Some(value) = headers.get(CONTENT_ENCODING) else { return Ok(false) };
    let value = value.as_bytes().trim_ascii();
    if value.eq_ignore_ascii_case(b"gzip") {
        return Ok(true);
    }
    if value.eq_ignore_ascii_case(b"identity") {
        return Ok(false);
    }
    let shown: String = String::from_utf8_lossy(value).chars().take(40).collect();
    let detail = format!("content-encoding `{shown}` is not read");
    Err(Refusal::new(Code::ContentTypeUnsupported, detail)
        .at_field("content-encoding")
        .with_hint("compress the body with gzip, once, or not at all"))
}
