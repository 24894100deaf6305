//! A running service that a test may kill.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tidings_client::Client;
use tidings_telemetry::Timer;

use crate::executable::{Finished, executable};
use crate::limit::{blocking, end, signal, soon};

/// The service on a free port, with a data directory. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    child: Option<Child>,
    url: String,
    log: PathBuf,
}

impl Server {
    /// Starts the service and waits until it says that it is ready.
    ///
    /// # Panics
    /// When it ends instead, with what it said.
    #[must_use]
    pub fn start(data_dir: &Path) -> Self {
        Self::launch(Command::new(executable()), data_dir, "127.0.0.1:0")
    }

    /// As [`Self::start`], at the address of one that ended.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_at(data_dir: &Path, addr: &str) -> Self {
        Self::launch(Command::new(executable()), data_dir, addr)
    }

    /// As [`Self::start`], and no file of it can grow beyond so many KiB.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_limited(data_dir: &Path, kib: u32) -> Self {
        let mut command = Command::new("bash");
        command.args(["-c", &format!("ulimit -S -f {kib}; exec \"$0\" \"$@\"")]).arg(executable());
        // A coverage profile cut off at the limit could not be read.
        command.env("LLVM_PROFILE_FILE", "/dev/null");
        Self::launch(command, data_dir, "127.0.0.1:0")
    }

    /// Takes the limit of [`Self::start_limited`] away.
    ///
    /// # Panics
    /// When the system does not.
    pub fn let_files_grow(&self) {
        let mut command = Command::new("prlimit");
        command.args(["--pid", &self.pid().to_string(), "--fsize=unlimited"]);
        assert!(command.status().expect("prlimit runs").success(), "the limit stays");
    }

    /// As [`Self::start`], by a command that has the executable as its last argument so far, or is
    /// it.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_by(command: Command, data_dir: &Path) -> Self {
        Self::launch(command, data_dir, "127.0.0.1:0")
    }

    /// As [`Self::start_by`], at the address of one that ended.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_at_by(command: Command, data_dir: &Path, addr: &str) -> Self {
        Self::launch(command, data_dir, addr)
    }

    /// Starts the service by such a command and does not wait until it is ready: it has no address.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn starting(command: Command, data_dir: &Path) -> Self {
        let (child, log) = Self::spawn(command, data_dir, "127.0.0.1:0");
        Self { child: Some(child), url: String::new(), log }
    }

    fn spawn(mut command: Command, data_dir: &Path, addr: &str) -> (Child, PathBuf) {
        let log = data_dir.with_extension("stderr");
        let opened = std::fs::OpenOptions::new().create(true).append(true).open(&log);
        let child = command
            .args(["--json", "serve", "--addr", addr, "--data-dir"])
            .arg(data_dir)
            .current_dir(data_dir.parent().expect("a data directory has a parent"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(opened.expect("the log of the service can be written"))
            .spawn();
        (child.expect("the executable starts"), log)
    }

    /// As [`Self::start_by`], where it may refuse to start or die on the way: how it ended then.
    ///
    /// # Errors
    /// How it ended.
    ///
    /// # Panics
    /// When it does neither become ready nor end.
    pub fn try_start_by(command: Command, data_dir: &Path) -> Result<Self, Ended> {
        Self::try_launch(command, data_dir, "127.0.0.1:0")
    }

    fn launch(command: Command, data_dir: &Path, addr: &str) -> Self {
        Self::try_launch(command, data_dir, addr)
            .unwrap_or_else(|ended| panic!("not ready: {ended:?}"))
    }

    fn try_launch(command: Command, data_dir: &Path, addr: &str) -> Result<Self, Ended> {
        let (mut child, log) = Self::spawn(command, data_dir, addr);
        let stdout = child.stdout.take().expect("stdout is piped");
        let line = blocking("the service to be ready", child.id(), move || {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).expect("stdout is readable");
            line
        });
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        let Some(addr) = ready["addr"].as_str() else {
            let how = blocking("the service to end", child.id(), move || child.wait());
            return Err(Ended::of(how.expect("it can be waited for"), &log));
        };
        Ok(Self { url: format!("http://{addr}"), child: Some(child), log })
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `host:port` of it.
    #[must_use]
    pub fn addr(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Its process.
    ///
    /// # Panics
    /// When it had ended before.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs until it is ended").id()
    }

    /// What it and its predecessors on the same directory wrote to stderr.
    #[must_use]
    pub fn log(&self) -> String {
        read(&self.log)
    }

    /// Waits until it has said something on stderr.
    ///
    /// # Panics
    /// When it does not within a minute.
    pub fn until_it_logs(&self, text: &str) {
        let (log, text, what) = (self.log.clone(), text.to_owned(), format!("{text:?} in the log"));
        blocking(&what, self.pid(), move || {
            while !read(&log).contains(&text) {
                std::thread::yield_now();
            }
        });
    }

    /// A connection to it.
    ///
    /// # Panics
    /// When it cannot be reached.
    pub async fn client(&self) -> Client {
        soon("a connection", Client::connect(&self.url)).await.expect("the service is reachable")
    }

    /// SIGHUP: read the configuration again.
    ///
    /// # Panics
    /// When it had ended before.
    pub fn hang_up(&self) {
        signal(self.child.as_ref().expect("it runs until it is ended").id(), "HUP");
    }

    /// SIGSTOP: it does nothing until [`Self::thaw`], and keeps all that it has.
    ///
    /// # Panics
    /// When it had ended before.
    pub fn freeze(&self) {
        signal(self.pid(), "STOP");
    }

    /// SIGCONT.
    ///
    /// # Panics
    /// When it had ended before.
    pub fn thaw(&self) {
        signal(self.pid(), "CONT");
    }

    /// kill -9.
    ///
    /// # Panics
    /// When it had ended before.
    pub fn kill(mut self) {
        let mut child = self.child.take().expect("it runs until it is ended");
        let ended = child.try_wait().expect("it can be asked");
        assert!(ended.is_none(), "it had ended before: {ended:?}, {}", read(&self.log));
        end(&mut child);
    }

    /// Whether it is killed by something else within so long; then it is killed. It may also end by
    /// itself, well.
    ///
    /// # Panics
    /// When it ends by itself otherwise.
    pub async fn is_killed_within(mut self, limit: Duration) -> bool {
        let mut child = self.child.take().expect("it runs until it is ended");
        let ended = async {
            loop {
                if let Some(status) = child.try_wait().expect("it can be asked") {
                    return status;
                }
                Timer.after(Duration::from_millis(1)).await;
            }
        };
        let Ok(status) = Timer.limit(limit, ended).await else {
            end(&mut child);
            return false;
        };
        let killed = status.signal() == Some(9);
        assert!(killed || status.success(), "it ended: {status:?}, {}", read(&self.log));
        killed
    }

    /// kill -9 if it still runs; else how it had ended.
    ///
    /// # Panics
    /// When it was ended here before.
    #[must_use]
    pub fn kill_or_ended(mut self) -> Option<Ended> {
        let mut child = self.child.take().expect("it runs until it is ended");
        let ended = child.try_wait().expect("it can be asked");
        end(&mut child);
        ended.map(|how| Ended::of(how, &self.log))
    }

    /// How it ends, which something else has told it to.
    ///
    /// # Panics
    /// When it does not end.
    #[must_use]
    pub fn wait(mut self) -> Ended {
        let mut child = self.child.take().expect("it runs until it is ended");
        let ended = blocking("the service to stop", child.id(), move || child.wait());
        Ended::of(ended.expect("it can be waited for"), &self.log)
    }

    /// SIGTERM, and how it ended.
    ///
    /// # Panics
    /// When it cannot be signalled, or does not end.
    #[must_use]
    pub fn terminate(mut self) -> Finished {
        let mut child = self.child.take().expect("it runs until it is ended");
        signal(child.id(), "TERM");
        let ended = blocking("the service to stop", child.id(), move || child.wait());
        let status = ended.expect("it can be waited for");
        Finished { code: status.code(), stdout: String::new(), stderr: read(&self.log) }
    }
}

/// How a service ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; absent when a signal ended it.
    pub code: Option<i32>,
    /// The signal that did.
    pub signal: Option<i32>,
    /// What it and its predecessors on the same directory wrote to stderr.
    pub stderr: String,
}

impl Ended {
    fn of(how: ExitStatus, log: &Path) -> Self {
        Self { code: how.code(), signal: how.signal(), stderr: read(log) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            end(child);
        }
    }
}

fn read(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap_or_default()
}
