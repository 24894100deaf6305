//! Real brokers: the one that tests share, where one answers, and one that a test may kill.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;
use tidings_log_pulsar::PulsarOptions;

use crate::Engine;
use crate::executable::xtask;
use crate::limit::signal;

const ANSWER: Duration = Duration::from_secs(30);

/// A broker.
#[derive(Clone, Debug)]
pub struct Pulsar {
    url: String,
    admin: String,
}

impl Pulsar {
    /// The one that `TIDINGS_PULSAR_URL` and `TIDINGS_PULSAR_ADMIN` name, or that `cargo xtask pulsar up` starts. Says
    /// aloud when it does not answer.
    ///
    /// # Panics
    /// When it does not, and `TIDINGS_PULSAR_REQUIRED` is set.
    #[must_use]
    pub fn find() -> Option<Self> {
        static FOUND: OnceLock<Option<Pulsar>> = OnceLock::new();
        FOUND.get_or_init(Self::look).clone()
    }

    fn look() -> Option<Self> {
        let said = |name, otherwise: &str| std::env::var(name).unwrap_or(otherwise.to_owned());
        let pulsar = Self {
            url: said("TIDINGS_PULSAR_URL", "pulsar://127.0.0.1:6650"),
            admin: said("TIDINGS_PULSAR_ADMIN", "http://127.0.0.1:8081"),
        };
        if pulsar.is_healthy() {
            return Some(pulsar);
        }
        let admin = &pulsar.admin;
        assert!(std::env::var_os("TIDINGS_PULSAR_REQUIRED").is_none(), "no Pulsar at {admin}");
        let told = format!(
            "\n!! THE SERVICE ON PULSAR WAS NOT TESTED: no broker answers at {admin}.\n\
             !! `cargo xtask pulsar up` starts one, TIDINGS_PULSAR_URL and TIDINGS_PULSAR_ADMIN name another;\n\
             !! TIDINGS_PULSAR_REQUIRED=1 makes this an error.\n\n"
        );
        // Not by a macro: what those say is kept from sight when a test passes.
        std::io::stderr().write_all(told.as_bytes()).expect("stderr can be written");
        None
    }

    fn is_healthy(&self) -> bool {
        // Something else may listen there.
        let is_ok = |answer: String| answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok");
        self.try_ask("GET", "brokers/health", "").is_ok_and(is_ok)
    }

    /// A log of its own.
    #[must_use]
    pub fn engine(&self) -> Engine {
        Engine::Pulsar(Box::new(PulsarOptions {
            url: self.url.clone(),
            admin_url: self.admin.clone(),
            tenant: "tidings-test".to_owned(),
            namespace: format!("e2e-{:032x}", rand::random::<u128>()),
            ..PulsarOptions::default()
        }))
    }

    /// Asks the admin interface; the whole answer.
    ///
    /// # Panics
    /// When it refuses.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let answer = self.try_ask(method, path, body).expect("the broker answers");
        assert!(answer.starts_with("HTTP/1.1 20"), "{method} {path}: {answer}");
        answer
    }

    fn try_ask(&self, method: &str, path: &str, body: &str) -> std::io::Result<String> {
        let (_, at) = self.admin.split_once("://").unwrap_or(("", &self.admin));
        let addr: SocketAddr = at.parse().map_err(std::io::Error::other)?;
        let mut stream = TcpStream::connect_timeout(&addr, ANSWER)?;
        stream.set_read_timeout(Some(ANSWER))?;
        write!(
            stream,
            "{method} /admin/v2/{path} HTTP/1.1\r\nHost: {at}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = vec![];
        stream.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

/// A broker that nobody else uses. Dropped, it is stopped and its data removed.
#[derive(Debug)]
pub struct OwnPulsar {
    dir: TempDir,
    /// Broker, admin interface, storage.
    ports: [u16; 3],
}

impl OwnPulsar {
    /// Starts one, where tests find the one that they share: what it takes is at hand there.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn start() -> Option<Self> {
        Pulsar::find()?;
        let free = || TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let listening = [free(), free(), free()];
        let ports = listening.map(|it| it.local_addr().expect("it has an address").port());
        let dir = tempfile::tempdir().expect("a directory can be made");
        let own = Self { dir, ports };
        own.start_again();
        Some(own)
    }

    /// Starts it again on what it has stored, and waits until it answers.
    ///
    /// # Panics
    /// When it does not.
    pub fn start_again(&self) {
        let [port, http, bookie] = self.ports.map(|port| port.to_string());
        let mut up = Command::new(xtask());
        up.args(["pulsar", "up", "--dir"])
            .arg(self.dir())
            .args(["--wait", "240", "--heap", "512m"]);
        up.args(["--port", &port, "--http-port", &http, "--bookie-port", &bookie]);
        let status = up.status().expect("xtask runs");
        assert!(status.success(), "the broker does not start");
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// It.
    #[must_use]
    pub fn pulsar(&self) -> Pulsar {
        let [port, http, _] = self.ports;
        Pulsar {
            url: format!("pulsar://127.0.0.1:{port}"),
            admin: format!("http://127.0.0.1:{http}"),
        }
    }

    /// kill -9.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&self) {
        let pid = std::fs::read_to_string(self.dir().join("pid")).expect("it runs");
        let pid: u32 = pid.trim().parse().expect("it has a number");
        signal(pid, "KILL");
        // What is dead and not waited for has no words; its ports are free when its last thread is gone.
        let words = format!("/proc/{pid}/cmdline");
        let listens = |port: &u16| TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok();
        while !std::fs::read(&words).unwrap_or_default().is_empty()
            || self.ports.iter().any(listens)
        {
            std::thread::yield_now();
        }
    }
}

impl Drop for OwnPulsar {
    fn drop(&mut self) {
        let mut down = Command::new(xtask());
        down.args(["pulsar", "down", "--dir"]).arg(self.dir());
        let _stopped = down.status();
    }
}
