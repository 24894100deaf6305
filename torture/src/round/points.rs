//! Named moments at which the service is killed: just before one call on its files. The shim kills it,
//! so that the binary is the one that ships and has nothing of this in it.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tidings_e2e::{Call, Chronicle, Fault, Server, Shim};
use tidings_telemetry::Timer;
use tokio::task::JoinSet;

use crate::failure::TortureError;

/// Longer than retention's first round takes to come.
const LIMIT: Duration = Duration::from_millis(1600);
/// What a life does before it is told to stop.
const LIFE: Duration = Duration::from_millis(100);

/// A call before which the service is killed.
pub(crate) struct Point {
    /// As the table counts it.
    pub(crate) name: &'static str,
    call: Call,
    /// Part of the path.
    only: &'static str,
    /// What the write holds.
    holds: &'static [u8],
    /// Whether it comes so often that some may pass.
    often: bool,
    /// Whether it comes when the service is told to stop.
    stops: bool,
}

const ANY: Point =
    Point { name: "", call: Call::Write, only: "", holds: b"", often: false, stops: false };

/// How a change of a table begins: its number, and that there is a value.
const CATALOG: &[u8] = &[1, 0, 0, 0, 1];
const CURSORS: &[u8] = &[2, 0, 0, 0, 1];
const DEAD_LETTERS: &[u8] = &[9, 0, 0, 0, 1];

/// All of them.
pub(crate) const POINTS: &[Point] = &[
    Point { name: "at roll, before the index", call: Call::Rename, only: ".idx", ..ANY },
    Point { name: "before the header", only: ".seg", holds: b"TSG1", ..ANY },
    Point { name: "before the directory's sync", call: Call::SyncDir, ..ANY },
    Point { name: "before a group's sync", call: Call::Sync, only: "/short/", often: true, ..ANY },
    Point { name: "at retention, before unlink", call: Call::Remove, only: ".seg", ..ANY },
    Point { name: "at a cursor save", only: "/state/", holds: CURSORS, often: true, ..ANY },
    Point { name: "at a catalog commit", only: "/state/", holds: CATALOG, ..ANY },
    Point {
        name: "before the state's sync",
        call: Call::Sync,
        only: "/state/",
        often: true,
        ..ANY
    },
    Point {
        name: "between a dead letter's copy and record",
        only: "/state/",
        holds: DEAD_LETTERS,
        ..ANY
    },
    Point {
        name: "at compaction, before the snapshot",
        call: Call::Rename,
        only: "snapshot-",
        stops: true,
        ..ANY
    },
];

impl Point {
    /// Kills the service before the call that comes after so many like it.
    pub(crate) fn arm(&self, shim: &Shim, skip: u64) {
        shim.only(self.only);
        shim.holding(self.holds);
        shim.hit(self.call, Fault::Killed, skip, 1);
    }

    /// Ends a life at this point; whether it came there in time.
    pub(crate) async fn end(
        &self,
        shim: &Shim,
        skip: u64,
        server: Server,
        (chronicle, members): (&Chronicle, &mut JoinSet<()>),
    ) -> Result<bool, TortureError> {
        self.arm(shim, if self.often { skip } else { 0 });
        if self.stops {
            Timer.after(LIFE).await;
            // It would let go of its consumers one after the other, with nobody to say when.
            chronicle.mark("reconnect", None);
            members.abort_all();
            chronicle.mark("reconnect", None);
            let pid = i32::try_from(server.pid()).ok().and_then(Pid::from_raw);
            let pid = pid.ok_or_else(|| std::io::Error::other("no such process"))?;
            kill_process(pid, Signal::TERM).map_err(std::io::Error::from)?;
        }
        let killed = server.is_killed_within(LIMIT).await;
        shim.heal();
        Ok(killed)
    }
}
