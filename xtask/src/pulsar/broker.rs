//! One standalone broker in its folder: started, asked, stopped.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use tidings_event::{Clock, SystemClock};

use super::asked::Asked;
use super::java::Java;
use super::secure::Secure;
use super::{PulsarError, conf};

/// Between two looks at whether it answers, or is gone.
const LOOK: Duration = Duration::from_millis(200);
/// An answer takes no longer.
const ANSWER: Duration = Duration::from_secs(5);
/// From being told to stop until it is killed.
const STOP: Duration = Duration::from_secs(40);
/// Lines of the log in a failure.
const TAIL: usize = 20;

/// What is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Answers,
    /// The process is there, and does not answer.
    Silent(u32),
    Stopped,
}

/// A broker, running or not.
pub(crate) struct Broker {
    pub(crate) dir: PathBuf,
    http: SocketAddr,
    ports: Vec<u16>,
    clock: SystemClock,
}

impl Broker {
    /// The one of a folder and ports.
    pub(crate) fn at(asked: &Asked) -> Self {
        let mut ports = vec![asked.port, asked.http_port, asked.bookie_port];
        if asked.secure {
            ports.extend([asked.tls_port, asked.https_port]);
        }
        Self {
            dir: asked.dir.clone(),
            http: (Ipv4Addr::LOCALHOST, asked.http_port).into(),
            ports,
            clock: SystemClock::new(),
        }
    }

    fn conf(&self) -> PathBuf {
        self.dir.join("standalone.conf")
    }

    fn metadata(&self) -> PathBuf {
        self.dir.join("metadata")
    }

    fn log(&self) -> PathBuf {
        self.dir.join("logs/pulsar.log")
    }

    /// Whether it runs, and answers.
    pub(crate) fn state(&self) -> State {
        match self.pid() {
            Some(_) if self.is_ready() => State::Answers,
            Some(pid) => State::Silent(pid),
            None => State::Stopped,
        }
    }

    /// The process, when it is alive and this folder's: the file alone may name a stranger.
    fn pid(&self) -> Option<u32> {
        let pid: u32 = fs::read_to_string(self.dir.join("pid")).ok()?.trim().parse().ok()?;
        let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        // A word of the command, whether the shell still runs or the JVM took its place.
        let metadata = self.metadata();
        let metadata = metadata.as_os_str().as_encoded_bytes();
        words.split(|byte| *byte == 0).any(|word| word == metadata).then_some(pid)
    }

    /// Healthy, and the namespace is there that it makes last.
    fn is_ready(&self) -> bool {
        let token = Secure::of(&self.dir).admin();
        let ok = |path| {
            let answer = get(self.http, path, token.as_deref());
            answer.is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
        };
        ok("/admin/v2/brokers/health") && ok("/admin/v2/namespaces/public/default")
    }

    /// Starts it and waits until it answers.
    pub(crate) fn start(&self, home: &Path, java: &Java, asked: &Asked) -> Result<(), PulsarError> {
        if let Some(pid) = self.pid() {
            return Err(self.not_ready(format!("process {pid} runs and is not ready")));
        }
        for port in self.ports.iter().copied() {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Err(PulsarError::PortTaken(port));
            }
        }
        let logs = self.dir.join("logs");
        fs::create_dir_all(&logs).map_err(PulsarError::file(&logs))?;
        let shipped = home.join("conf/standalone.conf");
        let shipped = fs::read_to_string(&shipped).map_err(PulsarError::file(&shipped))?;
        let conf = self.conf();
        let mut secured = vec![];
        if asked.secure {
            let secure = Secure::of(&self.dir);
            secure.make(&self.clock)?;
            secured = secure.conf(asked);
        }
        let composed = conf::compose(&shipped, asked, &secured);
        fs::write(&conf, composed).map_err(PulsarError::file(&conf))?;
        let began = self.clock.monotonic();
        let mut child = self.command(home, java, asked)?.spawn().map_err(|source| {
            PulsarError::Program { program: text(&home.join("bin/pulsar")), source, hint: "" }
        })?;
        let pid = self.dir.join("pid");
        fs::write(&pid, child.id().to_string()).map_err(PulsarError::file(&pid))?;
        let deadline = began + asked.wait;
        while !self.is_ready() {
            if let Ok(Some(status)) = child.try_wait() {
                return Err(self.not_ready(format!("it ended while starting: {status}")));
            }
            if self.clock.monotonic() > deadline {
                self.stop()?;
                let waited = asked.wait.as_secs();
                return Err(self.not_ready(format!("it did not answer within {waited} s")));
            }
            rest();
        }
        let took = self.clock.monotonic() - began;
        println!("ready after {:.1} s", took.as_secs_f64());
        Ok(())
    }

    fn command(&self, home: &Path, java: &Java, asked: &Asked) -> Result<Command, PulsarError> {
        let path = self.log();
        let log = fs::File::create(&path).map_err(PulsarError::file(&path))?;
        let errors = log.try_clone().map_err(PulsarError::file(&path))?;
        let mut command = Command::new(home.join("bin/pulsar"));
        command
            .args(["standalone", "--no-functions-worker", "--no-stream-storage"])
            .arg("--metadata-dir")
            .arg(self.metadata())
            .arg("--bookkeeper-dir")
            .arg(self.dir.join("bookkeeper"))
            .args(["--bookkeeper-port", &asked.bookie_port.to_string()])
            .env("PULSAR_STANDALONE_CONF", self.conf())
            .env("PULSAR_LOG_DIR", self.dir.join("logs"))
            .env("PULSAR_MEM", format!("-Xms256m -Xmx{0} -XX:MaxDirectMemorySize={0}", asked.heap))
            // What is shipped fits big machines: ZGC on a heap that is touched before it is used.
            .env(
                "PULSAR_GC",
                "-XX:+UseG1GC -XX:MaxGCPauseMillis=10 -XX:ParallelGCThreads=2 -XX:ConcGCThreads=1 \
                 -XX:+PerfDisableSharedMem",
            )
            .env(
                "PULSAR_GC_LOG",
                format!(
                    "-Xlog:gc:{}/logs/gc.log:time:filecount=3,filesize=10M",
                    self.dir.display()
                ),
            )
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            // It outlives this command, and the terminal's Ctrl-C is not meant for it.
            .process_group(0);
        match &java.home {
            Some(home) => command.env("JAVA_HOME", home),
            None => command.env_remove("JAVA_HOME"),
        };
        Ok(command)
    }

    /// Stops it: `false` when it did not run.
    pub(crate) fn stop(&self) -> Result<bool, PulsarError> {
        let Some(pid) = self.pid() else { return Ok(false) };
        signal("-TERM", pid)?;
        let deadline = self.clock.monotonic() + STOP;
        while is_alive(pid) {
            // Its words go before its ports do.
            if self.clock.monotonic() > deadline && self.pid() == Some(pid) {
                signal("-KILL", pid)?;
            }
            rest();
        }
        let file = self.dir.join("pid");
        match fs::remove_file(&file) {
            // Somebody else stopped it, too.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            removed => removed.map_err(PulsarError::file(&file))?,
        }
        Ok(true)
    }

    /// Removes its folder, if it is one.
    pub(crate) fn remove_data(&self) -> Result<(), PulsarError> {
        // Nothing is removed that this command did not make.
        if !self.conf().is_file() {
            return Ok(());
        }
        fs::remove_dir_all(&self.dir).map_err(PulsarError::file(&self.dir))
    }

    fn not_ready(&self, what: String) -> PulsarError {
        let log = self.log();
        let text = fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
        PulsarError::NotReady { what, log, tail }
    }
}

/// The answer to a request; `None` when there is none.
fn get(at: SocketAddr, path: &str, token: Option<&str>) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&at, ANSWER).ok()?;
    stream.set_read_timeout(Some(ANSWER)).ok()?;
    let who = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {at}\r\n{who}Connection: close\r\n\r\n").ok()?;
    let mut answer = vec![];
    stream.read_to_end(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}

/// Whether a process still holds its files and ports.
fn is_alive(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // The state follows the name, which stands in parentheses.
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

fn signal(name: &str, pid: u32) -> Result<(), PulsarError> {
    let program = "kill".to_owned();
    let status = Command::new(&program).args([name, &pid.to_string()]).status();
    status.map(drop).map_err(|source| PulsarError::Program { program, source, hint: "" })
}

/// Waits for a moment: nobody sends anything here.
fn rest() {
    let (_silent, waited) = mpsc::sync_channel::<()>(0);
    let _passed = waited.recv_timeout(LOOK);
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
