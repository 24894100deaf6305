//! An answer over HTTP/2 that does not run ahead of its reader while memory is short.
//!
//! The library holds up to 1 MiB of each stream that its peer does not read, which thousands of streams
//! would have together. So while memory is short the next piece is made when those before are written.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use futures::task::AtomicWaker;
use hyper::body::{Frame, SizeHint};
use tidings_telemetry::{Memory, MemoryLevel};

/// See the module.
pub(super) struct Paced {
    inner: Body,
    memory: Memory,
    unwritten: Arc<Unwritten>,
}

/// What the library holds of one answer.
#[derive(Default)]
struct Unwritten {
    pieces: AtomicUsize,
    /// Who waits until there are none.
    waiting: AtomicWaker,
}

/// A piece, until it is written or given up.
struct Piece {
    bytes: Bytes,
    of: Arc<Unwritten>,
}

impl Paced {
    pub(super) fn new(inner: Body, memory: Memory) -> Self {
        Self { inner, memory, unwritten: Arc::default() }
    }

    /// Whether what was made before has to be written first.
    fn is_ahead(&self, cx: &Context<'_>) -> bool {
        if self.memory.level() < MemoryLevel::Shed {
            return false;
        }
        // First, so that what is written from here on wakes it.
        self.unwritten.waiting.register(cx.waker());
        self.unwritten.pieces.load(Ordering::SeqCst) > 0
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.is_ahead(cx) {
            return Poll::Pending;
        }
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        polled.map_ok(|frame| frame.map_data(|bytes| self.unwritten.hold(bytes)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Unwritten {
    fn hold(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        self.pieces.fetch_add(1, Ordering::SeqCst);
        Bytes::from_owner(Piece { bytes, of: Arc::clone(self) })
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if self.of.pieces.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.of.waiting.wake();
        }
    }
}

#[cfg(test)]
mod tests;
