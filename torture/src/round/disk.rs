//! A file system in an image in memory, which can lose its power.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tidings_event::{Clock, SystemClock};
use tidings_telemetry::Timer;

use crate::failure::TortureError;

/// A kind of file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileSystem {
    Ext4,
    Xfs,
    Btrfs,
}

impl FileSystem {
    const ALL: [Self; 3] = [Self::Ext4, Self::Xfs, Self::Btrfs];

    /// Those that can be made here.
    pub(crate) fn available() -> Vec<Self> {
        let can = |kind: &Self| {
            let mut mkfs = Command::new(format!("mkfs.{}", kind.name()));
            mkfs.arg("-V").output().is_ok()
        };
        Self::ALL.into_iter().filter(can).collect()
    }

    /// As `mkfs` and `mount` call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
        }
    }

    /// How it is mounted: it stores as little as may be without being asked to. By itself ext4 would do so
    /// every five seconds.
    fn options(self) -> &'static str {
        match self {
            Self::Ext4 | Self::Btrfs => "loop,commit=300",
            Self::Xfs => "loop",
        }
    }
}

/// More than `mkfs` needs at least, and room for a round of the fastest service. Holes take none.
const IMAGE_MIB: u64 = 384;

/// Longest time in which a process freezes: a sync under way ends before.
const FREEZES_WITHIN: Duration = Duration::from_secs(30);

/// A mounted image; dropping it unmounts it.
pub(crate) struct Disk {
    kind: FileSystem,
    image: PathBuf,
    mounted_at: PathBuf,
}

impl Disk {
    /// A new file system in a file of this directory, mounted here.
    pub(crate) fn make(
        kind: FileSystem,
        within: &Path,
        mounted_at: &Path,
    ) -> Result<Self, TortureError> {
        std::fs::create_dir_all(within).map_err(TortureError::at(within))?;
        std::fs::create_dir_all(mounted_at).map_err(TortureError::at(mounted_at))?;
        let image = within.join("image");
        let file = std::fs::File::create(&image).map_err(TortureError::at(&image))?;
        file.set_len(IMAGE_MIB << 20)?;
        let force = if kind == FileSystem::Ext4 { "-F" } else { "-f" };
        let mkfs = format!("mkfs.{}", kind.name());
        told(Command::new(mkfs).args(["-q", force]).arg(&image))?;
        let disk = Self { kind, image, mounted_at: mounted_at.to_owned() };
        disk.mount()?;
        Ok(disk)
    }

    fn mount(&self) -> Result<(), TortureError> {
        let options = self.kind.options();
        told(Command::new("mount").args(["-o", options]).arg(&self.image).arg(&self.mounted_at))
    }

    fn unmount(&self) -> Result<(), TortureError> {
        told(Command::new("umount").arg(&self.mounted_at))
    }

    fn copy(&self) -> PathBuf {
        self.image.with_extension("cut")
    }

    /// Freezes a process and takes what the disk would hold without power from here on.
    pub(crate) async fn cut(&self, process: u32) -> Result<(), TortureError> {
        freeze(process).await?;
        told(Command::new("cp").arg("--sparse=auto").arg(&self.image).arg(self.copy()))
    }

    /// Puts in place what was taken; nobody uses the file system any more.
    pub(crate) fn restore(&self) -> Result<(), TortureError> {
        self.unmount()?;
        std::fs::rename(self.copy(), &self.image).map_err(TortureError::at(&self.image))?;
        self.mount()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _told = Command::new("umount").arg("--lazy").arg(&self.mounted_at).status();
    }
}

/// Stops a process, and waits until none of its threads runs: one that is in the middle of a sync stops
/// as it comes back, before it can tell anybody.
async fn freeze(process: u32) -> Result<(), TortureError> {
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| std::io::Error::other("no such process"))?;
    kill_process(pid, Signal::STOP).map_err(std::io::Error::from)?;
    let clock = SystemClock::new();
    loop {
        let states = threads(process)?;
        // One that has ended by itself is told of by whoever comes to end it.
        if states.iter().all(|state| matches!(state, 'T' | 't' | 'D' | 'Z' | 'X')) {
            return Ok(());
        }
        if clock.monotonic() > FREEZES_WITHIN {
            return Err(std::io::Error::other(format!("it does not freeze: {states:?}")).into());
        }
        Timer.after(Duration::from_micros(200)).await;
    }
}

/// What each thread of a process does, as `/proc` abbreviates it.
fn threads(process: u32) -> Result<Vec<char>, TortureError> {
    let mut states = Vec::new();
    for task in std::fs::read_dir(format!("/proc/{process}/task"))? {
        // A thread may end meanwhile.
        let Ok(stat) = std::fs::read_to_string(task?.path().join("stat")) else { continue };
        let after_name = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        states.extend(after_name);
    }
    Ok(states)
}

/// Runs a command that must succeed.
pub(super) fn told(command: &mut Command) -> Result<(), TortureError> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(TortureError::Command { command: format!("{command:?}"), said })
}
