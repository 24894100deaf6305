//! Which close code an end has; its reason is the problem's code.

use tidings_event::{Code, Refusal};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// Where no standard code says more: this and the HTTP status of the problem.
const PROBLEM: u16 = 4_000;

/// The close frame of a refusal.
pub(super) fn frame(refusal: &Refusal) -> CloseFrame {
    CloseFrame { code: code(refusal.code).into(), reason: refusal.code.as_str().into() }
}

fn code(code: Code) -> u16 {
    match code {
        Code::ShuttingDown => CloseCode::Restart.into(),
        _ => match code.http_status() {
            413 => CloseCode::Size.into(),
            429 | 503 => CloseCode::Again.into(),
            500 => CloseCode::Error.into(),
            status => PROBLEM + status,
        },
    }
}

#[cfg(test)]
mod tests;
