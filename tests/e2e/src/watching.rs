//! What a running service says of itself in its metrics, and the system of its process.

use crate::{Server, ask};

/// A metric without labels; 0 where it is not told yet.
///
/// # Panics
/// When the service cannot be asked.
#[must_use]
pub fn metric(server: &Server, name: &str) -> u64 {
    let text = ask(server, "GET /metrics", "", b"").body;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

/// Bytes that the process holds of the machine's memory, and the most that it ever held.
///
/// # Panics
/// When it has ended.
#[must_use]
pub fn resident(server: &Server) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()));
    let status = status.expect("a process has a status");
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.expect("a status tells of memory")
    };
    (kib("VmRSS:") << 10, kib("VmHWM:") << 10)
}
