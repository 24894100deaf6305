//! The server under test, as a process: started, watched, stopped.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tidings_event::{Clock, SystemClock};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::BenchError;
use crate::meter::Measured;

/// Kernel clock ticks a second: fixed at 100 for user space on Linux.
const TICKS_PER_SECOND: u64 = 100;

/// More than any scenario opens: nobody is to wait for a connection.
const CONNECTIONS_MAX: &str = "16384";

/// A running server on a directory of its own.
pub struct Server {
    child: Child,
    processes: Processes,
    /// Where it listens.
    pub url: String,
    /// From start to ready.
    pub ready_after: Duration,
    dir: tempfile::TempDir,
}

impl Server {
    /// Starts the binary on an empty directory and waits until it is ready.
    ///
    /// # Errors
    /// When it cannot be started or ends at once.
    pub async fn start(binary: &Path) -> Result<Self, BenchError> {
        Self::start_in(binary, tempfile::tempdir_in(".")?).await
    }

    /// Starts the binary on a directory and waits until it is ready.
    pub(crate) async fn start_in(
        binary: &Path,
        dir: tempfile::TempDir,
    ) -> Result<Self, BenchError> {
        let clock = SystemClock::new();
        let mut child = Command::new(binary)
            .args(["serve", "--json", "--addr", "127.0.0.1:0", "--data-dir"])
            .arg(dir.path())
            .env("TIDINGS_LOGGING__LEVEL", "warn")
            .env("TIDINGS_LIMITS__CONNECTIONS", CONNECTIONS_MAX)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let gone = || BenchError::Check("the server ended before it was ready".into());
        let mut lines = BufReader::new(child.stdout.take().ok_or_else(gone)?).lines();
        let line = lines.next_line().await?.ok_or_else(gone)?;
        let ready: serde_json::Value = serde_json::from_str(&line).map_err(|_| gone())?;
        let addr = ready["addr"].as_str().ok_or_else(gone)?;
        let pid = child.id().ok_or_else(gone)?;
        let url = format!("http://{addr}");
        let processes = Processes(vec![pid]);
        Ok(Self { child, processes, url, ready_after: clock.monotonic(), dir })
    }

    /// Processor time so far.
    pub(crate) fn cpu(&self) -> Result<Duration, BenchError> {
        self.processes.cpu()
    }

    /// Bytes it caused to be written to disk so far.
    pub(crate) fn written_bytes(&self) -> Result<u64, BenchError> {
        self.processes.written_bytes()
    }

    /// Resident memory in KiB.
    pub(crate) fn resident_kib(&self) -> Result<u64, BenchError> {
        self.processes.resident_kib()
    }

    /// Ends it.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub async fn stop(self) -> Result<(), BenchError> {
        self.kill().await.map(drop)
    }

    /// Ends it as a crash would, and gives its directory back.
    pub(crate) async fn kill(mut self) -> Result<tempfile::TempDir, BenchError> {
        self.child.kill().await?;
        Ok(self.dir)
    }
}

impl Measured for Server {
    fn processes(&self) -> &Processes {
        &self.processes
    }
}

/// Processes that do one thing together, by their ids.
#[derive(Clone, Debug)]
pub struct Processes(pub Vec<u32>);

impl Processes {
    /// Processor time so far.
    pub(crate) fn cpu(&self) -> Result<Duration, BenchError> {
        self.0.iter().map(|&pid| cpu_of(pid)).sum()
    }

    /// Bytes they caused to be written to disk so far.
    pub(crate) fn written_bytes(&self) -> Result<u64, BenchError> {
        self.sum("io", "write_bytes:")
    }

    /// Resident memory in KiB.
    pub(crate) fn resident_kib(&self) -> Result<u64, BenchError> {
        self.sum("status", "VmRSS:")
    }

    fn sum(&self, file: &str, name: &str) -> Result<u64, BenchError> {
        let of = |pid| field(&fs::read_to_string(format!("/proc/{pid}/{file}"))?, name);
        self.0.iter().map(of).sum()
    }
}

/// Processor time of this process.
pub(crate) fn own_cpu() -> Result<Duration, BenchError> {
    cpu_of(std::process::id())
}

/// Processor time that anything used on this machine since it began, and how many cores it has.
pub(crate) fn machine_cpu() -> Result<(Duration, u32), BenchError> {
    let stat = fs::read_to_string("/proc/stat")?;
    let broken = || BenchError::Check("/proc/stat is not as expected".into());
    let all = stat.lines().next().and_then(|l| l.strip_prefix("cpu ")).ok_or_else(broken)?;
    let fields: Vec<u64> = all.split_whitespace().filter_map(|f| f.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; guests are in user.
    let idle = [3, 4];
    let busy: u64 = fields
        .iter()
        .take(8)
        .enumerate()
        .filter(|(at, _)| !idle.contains(at))
        .map(|(_, t)| t)
        .sum();
    let is_core = |l: &&str| l.starts_with("cpu") && !l.starts_with("cpu ");
    let cores = stat.lines().filter(is_core).count();
    let cores = u32::try_from(cores).map_err(|_| broken())?;
    Ok((Duration::from_millis(busy * 1_000 / TICKS_PER_SECOND), cores))
}

fn cpu_of(pid: u32) -> Result<Duration, BenchError> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let broken = || BenchError::Check("/proc/PID/stat is not as expected".into());
    // The name may hold spaces; the fields after it do not. utime and stime are fields 14 and 15.
    let fields: Vec<&str> =
        stat.rsplit(')').next().ok_or_else(broken)?.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<u64>().ok()).ok_or_else(broken);
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 1_000 / TICKS_PER_SECOND))
}

fn field(text: &str, name: &str) -> Result<u64, BenchError> {
    let line = text.lines().find_map(|l| l.strip_prefix(name));
    let number = line.and_then(|l| l.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| BenchError::Check(format!("no {name} in /proc")))
}
