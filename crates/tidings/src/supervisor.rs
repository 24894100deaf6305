//! Telling the process that started this one how it is: the notify protocol of systemd, which is
//! one datagram a message to the socket that `NOTIFY_SOCKET` names.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tidings_telemetry::Timer;

/// Whoever started this process and wants to know; or nobody.
pub(crate) struct Supervisor {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// As the environment says. A socket that cannot be used is told in the log, and is nobody.
    pub(crate) fn of_environment() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").and_then(|name| {
            let opened = open(name.as_bytes());
            opened.inspect_err(|error| tracing::warn!(%error, "NOTIFY_SOCKET is of no use")).ok()
        });
        let own = std::process::id().to_string();
        let for_us = std::env::var("WATCHDOG_PID").map_or(true, |pid| pid == own);
        let micros = std::env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok());
        let watchdog = micros.filter(|micros| for_us && *micros > 0).map(Duration::from_micros);
        Self { socket, watchdog }
    }

    /// Serving from now on.
    pub(crate) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// Not serving any more.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=finishing what was taken");
    }

    /// Says twice in each interval of the watchdog that this runtime still runs its tasks. Never
    /// ends.
    pub(crate) async fn watch(&self) {
        let Some(interval) = self.watchdog else { return std::future::pending().await };
        loop {
            self.tell("WATCHDOG=1");
            Timer.after(interval / 2).await;
        }
    }

    fn tell(&self, state: &str) {
        if let Some((socket, to)) = &self.socket
            && let Err(error) = socket.send_to_addr(state.as_bytes(), to)
        {
            tracing::warn!(%error, "the supervisor was not told");
        }
    }
}

/// The socket; a name that starts with `@` is in the abstract namespace.
fn open(name: &[u8]) -> std::io::Result<(UnixDatagram, SocketAddr)> {
    let to = match name {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        path => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path))?,
    };
    let socket = UnixDatagram::unbound()?;
    // A supervisor that does not read must not stop what it supervises.
    socket.set_nonblocking(true)?;
    Ok((socket, to))
}

#[cfg(test)]
mod tests;
