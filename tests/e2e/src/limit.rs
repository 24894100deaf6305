//! Waiting with a limit, so that a test that would wait for ever says what for.

use std::future::Future;
use std::process::{Child, Command};
use std::sync::mpsc;
use std::time::Duration;

use tidings_telemetry::Timer;

/// Far above what anything here takes, on a slow machine and instrumented.
const LIMIT: Duration = Duration::from_secs(60);

/// The future's output.
///
/// # Panics
/// When it takes a minute, naming what was waited for.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match Timer.limit(LIMIT, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited {LIMIT:?} for {what}"),
    }
}

/// As [`soon`], for something that blocks and ends when `child` does: that one is killed.
pub(crate) fn blocking<T: Send + 'static>(
    what: &str,
    child: u32,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (done, outcome) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        // Nobody listens any more after the limit.
        let _late = done.send(work());
    });
    match outcome.recv_timeout(LIMIT) {
        Ok(outcome) => outcome,
        Err(mpsc::RecvTimeoutError::Timeout) => {
            signal(child, "KILL");
            panic!("waited {LIMIT:?} for {what}")
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => panic!("{what}: the waiting thread failed"),
    }
}

/// Sends a signal to a process that was started here and not waited for yet.
pub(crate) fn signal(child: u32, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), child.to_string()]).status();
    assert!(sent.expect("kill runs").success(), "SIG{name} cannot be sent");
}

/// Kills a process that may have ended.
pub(crate) fn end(child: &mut Child) {
    let _ended = child.kill();
    let _ended = child.wait();
}
