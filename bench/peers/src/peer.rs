//! A peer as processes: started by its script, held still while others are measured, killed at the end.

use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tidings_bench::BenchError;
use tidings_bench::meter::Measured;
use tidings_bench::process::Processes;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

/// Which system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum System {
    Nats,
    Redis,
    Kafka,
    Pulsar,
}

impl System {
    fn script(self) -> &'static str {
        match self {
            Self::Nats => "nats",
            Self::Redis => "redis",
            Self::Kafka => "kafka",
            Self::Pulsar => "pulsar",
        }
    }

    /// Whether it gets quicker while it runs, so that it runs before it is measured.
    pub(crate) fn warms_up(self) -> bool {
        matches!(self, Self::Kafka | Self::Pulsar)
    }
}

/// What an acknowledgement of it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Nothing, or that it is in memory.
    D0,
    /// That it is in the page cache.
    D1,
    /// That it is on disk.
    D2,
}

impl Class {
    fn durability(self) -> &'static str {
        match self {
            Self::D0 => "memory",
            Self::D1 => "cache",
            Self::D2 => "fsync",
        }
    }
}

/// A running peer. Dropped, it is killed at once; and its script kills it when our end of the pipe is
/// closed, however that comes.
pub(crate) struct Peer {
    processes: Processes,
    /// The first is where clients connect.
    pub(crate) ports: [u16; 3],
    /// As its script names it.
    pub(crate) version: String,
    open: Option<ChildStdin>,
    script: Child,
    _dir: tempfile::TempDir,
}

impl Peer {
    /// Starts it on a directory beside the server's, and waits until it is ready.
    pub(crate) async fn start(
        scripts: &Path,
        system: System,
        class: Class,
    ) -> Result<Self, BenchError> {
        let dir = tempfile::tempdir_in(".")?;
        let ports = free_ports()?;
        let mut script = Command::new(scripts.join(system.script()))
            .arg(dir.path())
            .arg(class.durability())
            .args(ports.map(|port| port.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let gone = || BenchError::Check(format!("{system:?} did not start"));
        let open = Some(script.stdin.take().ok_or_else(gone)?);
        let mut lines = BufReader::new(script.stdout.take().ok_or_else(gone)?).lines();
        let line = lines.next_line().await?.ok_or_else(gone)?;
        let (pid, version) =
            line.strip_prefix("ready ").and_then(|l| l.split_once(' ')).ok_or_else(gone)?;
        let processes = Processes(vec![pid.parse().map_err(|_| gone())?]);
        let version = version.to_owned();
        Ok(Self { processes, ports, version, open, script, _dir: dir })
    }

    /// Makes it stand still: it uses no processor time until it may go on.
    pub(crate) fn hold(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn release(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends it, and returns when it is gone.
    pub(crate) async fn stop(mut self) -> Result<(), BenchError> {
        self.signal(Signal::KILL);
        drop(self.open.take());
        self.script.wait().await?;
        self.processes.0.clear();
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        for pid in self.processes.0.iter().filter_map(|&pid| Pid::from_raw(pid.cast_signed())) {
            if let Err(error) = kill_process(pid, signal) {
                eprintln!("tidings-peers: process {pid:?}: {error}");
            }
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

impl Measured for Peer {
    fn processes(&self) -> &Processes {
        &self.processes
    }
}

/// Ports that nobody has at this moment.
fn free_ports() -> Result<[u16; 3], BenchError> {
    let bind = || std::net::TcpListener::bind("127.0.0.1:0");
    let held = [bind()?, bind()?, bind()?];
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}
