//! Plain HTTP/1.1 by hand: what curl sends, and what no client would.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use tidings_telemetry::Timer;

use crate::{Server, soon};

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status code; 0 when the connection was closed without an answer.
    pub status: u16,
    /// Everything before the body.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The body as JSON; null when it is not.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// A broker starts, or a token is replaced, and the service finds it: on a machine that has other things to do.
const READY: Duration = Duration::from_secs(300);

/// Asks until readiness has this status; what it said.
///
/// # Panics
/// When that takes minutes.
pub async fn until_ready_is(server: &Server, status: u16) -> String {
    let asking = async {
        loop {
            let answer = ask(server, "GET /readyz", "", b"");
            if answer.status == status {
                return answer.body;
            }
            Timer.after(Duration::from_millis(100)).await;
        }
    };
    Timer.limit(READY, asking).await.expect("readiness changes")
}

/// Sends a request: `POST /path`, its content type (may be empty) and its body.
///
/// # Panics
/// When the service cannot be reached or does not answer.
#[must_use]
pub fn ask(server: &Server, line: &str, content_type: &str, body: &[u8]) -> Answer {
    let kind = match content_type {
        "" => String::new(),
        kind => format!("content-type: {kind}\r\n"),
    };
    let length = body.len();
    let head = format!(
        "{line} HTTP/1.1\r\nhost: e2e\r\nconnection: close\r\n{kind}content-length: {length}\r\n\r\n"
    );
    send_raw(server, &[head.as_bytes(), body].concat(), true)
}

/// Asks for the status of a subscription until it is as wanted.
///
/// # Panics
/// When it is not within a minute.
pub async fn until(server: &Server, subscription: &str, is_wanted: impl Fn(&Value) -> bool) {
    let line = format!("GET /api/v1/subscriptions/{subscription}/status");
    let asking = async {
        while !is_wanted(&ask(server, &line, "", b"").json()) {
            tokio::task::yield_now().await;
        }
    };
    soon("a subscription to be as wanted", asking).await;
}

/// Sends bytes as they are; without `wait` the connection is dropped unanswered.
///
/// # Panics
/// As [`ask`].
#[must_use]
pub fn send_raw(server: &Server, bytes: &[u8], wait: bool) -> Answer {
    let mut stream = TcpStream::connect(server.addr()).expect("the service is reachable");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit can be set");
    // It may refuse before it has read everything.
    let _refused = stream.write_all(bytes);
    let mut text = Vec::new();
    if wait {
        // A connection that is reset after the answer still has answered.
        let _reset = stream.read_to_end(&mut text);
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}
