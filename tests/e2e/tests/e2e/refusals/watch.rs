//! The server of a table, and whether it is as it was.

use std::cell::Cell;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tidings_e2e::{Server, ask, executable, indicator_json};

use super::row::Table;

pub(super) struct Watch {
    pub(super) server: Server,
    /// Offset of the next good event.
    next: Cell<Option<u64>>,
    /// Events that were stored.
    stored: Cell<u64>,
    rss_kib: u64,
    _dir: TempDir,
}

impl Watch {
    pub(super) fn start(table: &Table) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new(executable());
        command.envs(&table.env);
        let server = Server::start_by(command, &dir.path().join("data"));
        let watch =
            Self { server, next: Cell::new(None), stored: Cell::new(0), rss_kib: 0, _dir: dir };
        // A publish of each size has been through once before memory is looked at.
        watch.nothing_was_stored().unwrap();
        Self { rss_kib: watch.rss(), ..watch }
    }

    /// What comes next was stored on purpose.
    pub(super) fn forget_offsets(&self) {
        self.next.set(None);
        self.stored.set(self.counted());
    }

    /// Publishes a good event: it gets the next offset, and is the only one stored meanwhile.
    pub(super) fn nothing_was_stored(&self) -> Result<(), String> {
        let good = indicator_json("GOOD", 0, 1.5);
        let answer = ask(&self.server, "POST /api/v1/events", "application/json", good.as_bytes());
        let document: Value = answer.json();
        let Some(offset) = document["results"][0]["offset"].as_u64() else {
            return Err(format!("a good publish is refused: {answer:?}"));
        };
        let (next, counted) = (self.next.replace(Some(offset + 1)), self.counted());
        let before = self.stored.replace(counted);
        match next {
            Some(next) if next != offset => Err(format!("the tail was at {offset}, not {next}")),
            Some(_) if counted != before + 1 => Err(format!("{} stored", counted - before - 1)),
            _ => Ok(()),
        }
    }

    /// Events that admission has stored.
    fn counted(&self) -> u64 {
        let metrics = ask(&self.server, "GET /metrics", "", b"").body;
        let line = metrics.lines().find(|line| line.starts_with("tidings_admit_events_total"));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).expect("a counter")
    }

    pub(super) fn grown_kib(&self) -> u64 {
        self.rss().saturating_sub(self.rss_kib)
    }

    fn rss(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.pid()));
        let status = status.expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Lines that the process logged as errors.
    pub(super) fn errors(&self) -> Vec<String> {
        let is_error =
            |line: &&str| line.contains("\"level\":\"ERROR\"") || line.contains(" ERROR ");
        self.server.log().lines().filter(is_error).map(str::to_owned).collect()
    }
}
