//! A small file system that a test can fill, where the test may mount one.

use std::path::{Path, PathBuf};
use std::process::Command;

const BALLAST: &str = "ballast";
const FILLED: &str = "filled";

/// A mounted tmpfs; dropping it unmounts it.
#[derive(Debug)]
pub struct Tmpfs(PathBuf);

impl Tmpfs {
    /// Mounts so many MiB on a new directory; `None`, told on stderr, where that is not allowed.
    ///
    /// # Panics
    /// When the directory cannot be created.
    #[must_use]
    pub fn mount(at: &Path, mib: u32) -> Option<Self> {
        std::fs::create_dir_all(at).expect("a directory can be created");
        let options = format!("size={mib}m");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tidings"]).arg(at);
        if mount.status().is_ok_and(|status| status.success()) {
            return Some(Self(at.to_owned()));
        }
        eprintln!("SKIPPED: this test needs to mount a tmpfs, which takes root");
        None
    }

    /// Puts a file of so many MiB on it, to be taken away by [`Self::free`].
    ///
    /// # Panics
    /// When it does not fit.
    pub fn weigh_down(&self, mib: usize) {
        std::fs::write(self.0.join(BALLAST), vec![1; mib << 20]).expect("the ballast fits");
    }

    /// Takes the ballast away.
    ///
    /// # Panics
    /// When there is none.
    pub fn free(&self) {
        std::fs::remove_file(self.0.join(BALLAST)).expect("the ballast is there");
    }

    /// Makes it read-only, or writable again.
    ///
    /// # Panics
    /// When the system does not.
    pub fn read_only(&self, is_read_only: bool) {
        let how = if is_read_only { "remount,ro" } else { "remount,rw" };
        let done = Command::new("mount").args(["-o", how]).arg(&self.0).status();
        assert!(done.expect("mount runs").success(), "it cannot be mounted anew");
    }

    /// Fills it to the last byte.
    ///
    /// # Panics
    /// When no file can be created on it.
    pub fn fill(&self) {
        // It ends with an error: that is when it is full.
        let mut file = std::fs::File::create(self.0.join(FILLED)).expect("a file can be created");
        let _full = std::io::copy(&mut std::io::repeat(1), &mut file);
    }

    /// Takes away what filled it.
    ///
    /// # Panics
    /// When nothing did.
    pub fn empty(&self) {
        std::fs::remove_file(self.0.join(FILLED)).expect("it was filled");
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _told = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
