//! Which close code an end has; its reason is the problem's code.

use axum::extract::ws::{CloseFrame, close_code};
use tidings_event::{Code, Refusal};

/// Where no standard code says more: this and the HTTP status of the problem.
const PROBLEM: u16 = 4_000;

/// The close frame of a refusal.
pub(super) fn frame(refusal: &Refusal) -> CloseFrame {
    CloseFrame { code: code(refusal.code), reason: refusal.code.as_str().into() }
}

const fn code(code: Code) -> u16 {
    match code {
        Code::ShuttingDown => close_code::RESTART,
        _ => match code.http_status() {
            413 => close_code::SIZE,
            429 | 503 => close_code::AGAIN,
            500 => close_code::ERROR,
            status => PROBLEM + status,
        },
    }
}

#[cfg(test)]
mod tests;
