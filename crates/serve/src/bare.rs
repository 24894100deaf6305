//! Answers that the HTTP library gives by itself, to what is no request: a bare status. On its way
//! out each becomes the problem that says the same, with a code and a request id like any other.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use tidings_event::{Code, Refusal};
use tidings_telemetry::{Counter, Recorder};
use tidings_wire::ProblemDocument;
use tidings_wire::problem::PROBLEM_JSON;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::caller::{REQUEST_ID, RequestId};

/// A stream whose bare answers are spelled out.
pub(crate) struct Spelled<S> {
    stream: S,
    recorder: Arc<Recorder>,
    /// What goes instead of a bare answer, and how much of it has gone.
    instead: Vec<u8>,
    gone: usize,
    /// What was read before and is read again.
    unread: Bytes,
    /// Whether a write waits for the peer.
    unwritten: Arc<AtomicBool>,
}

impl<S> Spelled<S> {
    pub(crate) fn new(stream: S, recorder: Arc<Recorder>) -> Self {
        let (instead, unread) = (Vec::new(), Bytes::new());
        Self { stream, recorder, instead, gone: 0, unread, unwritten: Arc::default() }
    }

    /// The same stream after bytes that were taken from it too early.
    pub(crate) fn with_unread(self, unread: Bytes) -> Self {
        Self { unread, ..self }
    }

    /// Whether a write waits for the peer, now and later.
    pub(crate) fn unwritten(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.unwritten)
    }

    pub(crate) fn into_inner(self) -> S {
        self.stream
    }

    /// Takes note of how a write went.
    fn wrote<T>(&self, outcome: Poll<T>) -> Poll<T> {
        self.unwritten.store(outcome.is_pending(), Ordering::Relaxed);
        outcome
    }

    /// Takes a bare answer out of what is to be written.
    fn takes(&mut self, bytes: &[u8]) -> bool {
        let Some(code) = bare(bytes) else { return false };
        self.recorder.count(Counter::ServeRequests, 1);
        self.recorder.count(Counter::ServeErrors, 1);
        self.instead = spelled(code);
        self.gone = 0;
        true
    }
}

impl Spelled<TcpStream> {
    /// Waits until there is something to read; whether there will ever be.
    pub(crate) async fn spoken(&self) -> io::Result<bool> {
        Ok(!self.unread.is_empty() || self.stream.peek(&mut [0]).await? > 0)
    }
}

/// The code of a bare answer: a whole head of the library's own, without a body. An answer of ours
/// has a request id.
fn bare(bytes: &[u8]) -> Option<Code> {
    let status = bytes.strip_prefix(b"HTTP/1.1 ").or_else(|| bytes.strip_prefix(b"HTTP/1.0 "))?;
    let code = match status.get(..3)? {
        b"400" => Code::RequestMalformed,
        b"414" | b"431" => Code::HeaderTooLarge,
        _ => return None,
    };
    let head = std::str::from_utf8(bytes).ok()?.to_ascii_lowercase();
    let is_bare = head.ends_with("\r\n\r\n") && head.contains("\r\ncontent-length: 0\r\n");
    (is_bare && !head.contains(REQUEST_ID)).then_some(code)
}

/// The whole answer; the connection ends after it.
fn spelled(code: Code) -> Vec<u8> {
    let detail = match code {
        Code::HeaderTooLarge => "the request's head is larger than the limit",
        _ => "the bytes are no HTTP request",
    };
    let refusal = Refusal::new(code, detail).with_hint("the connection is closed");
    let id = RequestId::take(&HeaderMap::new());
    let document = ProblemDocument::new(&refusal, &id.0);
    let body = serde_json::to_string(&document).unwrap_or_default();
    let reason = http::StatusCode::from_u16(document.status).ok();
    let reason = reason.and_then(|status| status.canonical_reason()).unwrap_or("Refused");
    format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: {PROBLEM_JSON}\r\n{REQUEST_ID}: {}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        document.status,
        id.0,
        body.len(),
    )
    .into_bytes()
}

impl<S: AsyncWrite + Unpin> Spelled<S> {
    /// Writes what goes instead, to its end.
    fn poll_instead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.gone < self.instead.len() {
            let rest = &self.instead[self.gone..];
            let written = Pin::new(&mut self.stream).poll_write(cx, rest);
            let count = ready!(self.wrote(written))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.gone += count;
        }
        if !self.instead.is_empty() {
            self.instead = Vec::new();
            self.gone = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Spelled<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let count = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Spelled<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_instead(cx))?;
        if self.takes(bytes) {
            // Taken whole; what goes instead is written on, or with the flush that follows.
            let _later = self.poll_instead(cx)?;
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_instead(cx))?;
        match slices.iter().find(|slice| !slice.is_empty()) {
            Some(first) if bare(first).is_some() => self.poll_write(cx, first),
            _ => {
                let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
                self.wrote(written)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(cx))?;
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.wrote(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
