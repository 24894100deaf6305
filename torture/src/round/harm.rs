//! How the lives of a round end, and on what.

use std::path::{Path, PathBuf};
use std::process::Command;

use tidings_e2e::{Call, Fault, Shim};

use super::disk::{Disk, FileSystem};
use crate::failure::TortureError;
use crate::plan::Plan;

/// The harm that rounds do.
#[derive(Clone, Debug)]
pub(crate) struct Harm {
    /// Of which part they are.
    pub(crate) part: &'static str,
    /// Lives that are cut short, before the last one.
    pub(crate) lives: u64,
    server: PathBuf,
    dir: PathBuf,
    /// The power is cut, on this file system in an image in this directory; `None`: kill -9.
    power: Option<(FileSystem, PathBuf)>,
    synced: bool,
    /// Whether lives end at named points.
    pub(super) at_points: bool,
}

impl Harm {
    /// Kills.
    pub(crate) fn new(part: &'static str, lives: u64, plan: &Plan) -> Self {
        let (server, dir) = (plan.server.clone(), plan.dir.clone());
        Self { part, lives, server, dir, power: None, synced: true, at_points: false }
    }

    /// Power cuts.
    pub(crate) fn on(self, kind: FileSystem, images: &Path) -> Self {
        Self { power: Some((kind, images.to_owned())), ..self }
    }

    /// Kills before named calls.
    pub(crate) fn at_points(self) -> Self {
        Self { at_points: true, ..self }
    }

    /// With every sync turned into nothing: what must go wrong.
    pub(crate) fn unsynced(self) -> Self {
        Self { synced: false, ..self }
    }

    /// Where a round works.
    pub(crate) fn dir(&self, seed: u64) -> PathBuf {
        let kind = self.power.as_ref().map_or("", |(kind, _)| kind.name());
        let synced = if self.synced { "" } else { "-unsynced" };
        self.dir.join(format!("{seed}{kind}{synced}"))
    }

    /// The disk of a round, mounted at its data directory; `None`: any.
    pub(super) fn disk(&self, seed: u64, data: &Path) -> Result<Option<Disk>, TortureError> {
        let Some((kind, images)) = &self.power else { return Ok(None) };
        Disk::make(*kind, &images.join(seed.to_string()), data).map(Some)
    }

    /// What starts the service.
    pub(super) fn command(&self, data: &Path) -> Command {
        let command = Command::new(&self.server);
        if self.synced {
            return command;
        }
        let shim = Shim::over(data);
        shim.hit_all(Call::Sync, Fault::Skipped);
        shim.hit_all(Call::SyncDir, Fault::Skipped);
        shim.before(command)
    }
}
