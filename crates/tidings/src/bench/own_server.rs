//! A server of the bench's own: this executable as another process, on temporary data.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::failure::Failure;

/// See the module. Dropping it ends the process.
pub(super) struct OwnServer {
    child: Child,
    pub(super) pid: u32,
    pub(super) url: String,
}

impl OwnServer {
    /// Starts it on a data directory; it serves when this returns. The configuration is that which a
    /// service started here would have, but for address, directory and capacity file.
    pub(super) async fn start(data_dir: &Path) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--json", "serve", "--addr", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .env("TIDINGS_ADMISSION__CAPACITY_FILE", "")
            .env("TIDINGS_LOGGING__LEVEL", "warn")
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let ended = || Failure::Failed("the service ended before it was ready".to_owned());
        let pid = child.id().ok_or_else(ended)?;
        let stdout = child.stdout.take().ok_or_else(ended)?;
        let line = BufReader::new(stdout).lines().next_line().await?.ok_or_else(ended)?;
        let ready: serde_json::Value = serde_json::from_str(&line)?;
        let addr = ready.get("addr").and_then(serde_json::Value::as_str).ok_or_else(ended)?;
        Ok(Self { child, pid, url: format!("http://{addr}") })
    }

    /// Ends it; its data are of no use to anybody.
    pub(super) async fn end(mut self) -> Result<(), Failure> {
        Ok(self.child.kill().await?)
    }
}
