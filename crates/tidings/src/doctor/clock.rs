//! The wall clock: kept right by somebody, and going as fast as time.

use std::path::Path;
use std::time::Duration;

use tidings_event::{Clock, Timestamp};
use tidings_telemetry::Timer;
use tokio::process::Command;

use super::finding::Finding;

const CHECK: &str = "clock";

/// Before this program existed: 2025-01-01.
const EARLIEST: Timestamp = Timestamp(1_735_689_600_000_000_000);

/// More than this apart, the wall clock was set while the checks ran.
const JUMP: Duration = Duration::from_millis(50);

/// systemd-timesyncd touches it at each synchronisation.
const SYNCHRONIZED: &str = "/run/systemd/timesync/synchronized";

/// How long `timedatectl` may take.
const ANSWER: Duration = Duration::from_secs(2);

pub(crate) async fn check(clock: &dyn Clock, began: (Timestamp, Duration)) -> Vec<Finding> {
    let by_wall = Duration::from_nanos(clock.wall().0.abs_diff(began.0.0));
    let by_monotonic = clock.monotonic().saturating_sub(began.1);
    vec![judge(clock.wall(), by_wall, by_monotonic), synchronised(asked().await)]
}

pub(crate) fn judge(now: Timestamp, by_wall: Duration, by_monotonic: Duration) -> Finding {
    let why = "retention by age and every time that is stored follow the wall clock";
    let remedy = "set the clock, and run chrony or systemd-timesyncd";
    if now < EARLIEST {
        return Finding::fail(CHECK, format!("{now} is in the past"), why, remedy);
    }
    let apart = by_wall.abs_diff(by_monotonic);
    if apart > JUMP {
        let found = format!("{now}, moved by {apart:.0?} while the checks ran");
        return Finding::warn(CHECK, found, why, remedy);
    }
    Finding::ok(CHECK, now.to_string())
}

pub(crate) fn synchronised(state: Option<bool>) -> Finding {
    const CHECK: &str = "clock sync";
    let why = "events of machines with different clocks are hard to put side by side";
    match state {
        Some(true) => Finding::ok(CHECK, "synchronised"),
        Some(false) => {
            let remedy = "run chrony or systemd-timesyncd";
            Finding::warn(CHECK, "not synchronised", why, remedy)
        }
        None => {
            let remedy =
                "make sure that this machine, or its host, runs chrony or systemd-timesyncd";
            Finding::warn(CHECK, "cannot be told", why, remedy)
        }
    }
}

/// What the system says of the kernel's clock; `None` where it cannot be asked.
async fn asked() -> Option<bool> {
    if Path::new(SYNCHRONIZED).exists() {
        return Some(true);
    }
    let mut command = Command::new("timedatectl");
    command.args(["show", "--property=NTPSynchronized", "--value"]).kill_on_drop(true);
    let output = Timer.limit(ANSWER, command.output()).await.ok()?.ok()?;
    match output.stdout.trim_ascii() {
        b"yes" => Some(true),
        b"no" => Some(false),
        _ => None,
    }
}
