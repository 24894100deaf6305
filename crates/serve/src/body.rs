//! Reading a request's body: counted while it streams, decompressed or not, within a time limit.

mod inflate;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http_body_util::BodyExt;
use tidings_event::{Code, Refusal};
use tidings_telemetry::Timer;

use crate::limits::Limits;
use inflate::Inflating;

/// Room made for what is announced, before any of it has come.
const ROOM_AT_ONCE: usize = 1 << 20;

/// The whole body. A body in one piece is not copied.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    limits: &Limits,
    timer: Timer,
) -> Result<Bytes, Refusal> {
    let gzip = is_gzip(headers)?;
    let announced = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > limits.body_bytes as u64) {
        return Err(too_large(limits.body_bytes));
    }
    let max = limits.body_bytes;
    // Within the limit, which fits.
    let announced = announced.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
    let read = async {
        if gzip { inflated(body, max).await } else { collect(body, announced, max).await }
    };
    timer.limit(limits.body_read, read).await.unwrap_or_else(|_| {
        let detail = format!("the body did not arrive within {} s", limits.body_read.as_secs());
        Err(Refusal::new(Code::RequestTimeout, detail))
    })
}

async fn collect(mut body: Body, announced: usize, max: usize) -> Result<Bytes, Refusal> {
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| cut_off())?.into_data() else { continue };
        if first.len().max(whole.len()) + data.len() > max {
            return Err(too_large(max));
        }
        if first.is_empty() {
            first = data;
            continue;
        }
        if whole.is_empty() {
            whole.reserve(announced.min(ROOM_AT_ONCE));
            whole.extend_from_slice(&first);
        }
        whole.extend_from_slice(&data);
    }
    if whole.is_empty() { Ok(first) } else { Ok(whole.freeze()) }
}

/// The body of a gzip stream, decompressed piece by piece: never more than `max` bytes either way.
async fn inflated(mut body: Body, max: usize) -> Result<Bytes, Refusal> {
    let mut inflating = Inflating::new(max);
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| cut_off())?.into_data() else { continue };
        read += data.len();
        if read > max {
            return Err(too_large(max));
        }
        inflating.push(&data)?;
    }
    inflating.end()
}

fn cut_off() -> Refusal {
    Refusal::new(Code::RequestMalformed, "the body ended before it was complete")
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

fn too_large(max: usize) -> Refusal {
    Refusal::new(Code::BatchTooLarge, format!("the body has more than {max} bytes"))
        .with_hint("send it in parts")
}
