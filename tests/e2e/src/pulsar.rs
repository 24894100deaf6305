//! Real brokers: the one that tests share, where one answers, and one that a test may kill.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tempfile::TempDir;
use tidings_log_pulsar::{PulsarOptions, Security};

use crate::Engine;
use crate::executable::xtask;
use crate::limit::signal;

const ANSWER: Duration = Duration::from_secs(30);

/// A broker.
#[derive(Clone, Debug)]
pub struct Pulsar {
    url: String,
    admin: String,
    /// The line that says to it who asks.
    who: String,
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
            who: String::new(),
        };
        if pulsar.is_healthy() {
            return Some(pulsar);
        }
        untested(&format!(
            "THE SERVICE ON PULSAR WAS NOT TESTED: no broker answers at {}.\n\
             !! `cargo xtask pulsar up` starts one, TIDINGS_PULSAR_URL and TIDINGS_PULSAR_ADMIN name another",
            pulsar.admin
        ));
        None
    }

    fn is_healthy(&self) -> bool {
        // Something else may listen there.
        let is_ok = |answer: String| answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok");
        self.try_ask("GET", "brokers/health", "").is_ok_and(is_ok)
    }

    /// Where it listens, without TLS.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
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

    /// As [`Self::ask`], whatever the answer is.
    ///
    /// # Errors
    /// There is none.
    pub fn try_ask(&self, method: &str, path: &str, body: &str) -> std::io::Result<String> {
        let (_, at) = self.admin.split_once("://").unwrap_or(("", &self.admin));
        let addr: SocketAddr = at.parse().map_err(std::io::Error::other)?;
        let mut stream = TcpStream::connect_timeout(&addr, ANSWER)?;
        stream.set_read_timeout(Some(ANSWER))?;
        write!(
            stream,
            "{method} /admin/v2/{path} HTTP/1.1\r\nHost: {at}\r\nContent-Type: application/json\r\n\
             {}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.who,
            body.len()
        )?;
        let mut answer = vec![];
        stream.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

/// Says aloud that there is something that is not tested, or fails where that must not be.
fn untested(why: &str) {
    assert!(std::env::var_os("TIDINGS_PULSAR_REQUIRED").is_none(), "{why}");
    let told = format!("\n!! {why};\n!! TIDINGS_PULSAR_REQUIRED=1 makes this an error.\n\n");
    // Not by a macro: what those say is kept from sight when a test passes.
    std::io::stderr().write_all(told.as_bytes()).expect("stderr can be written");
}

/// A broker that nobody else uses. Dropped, it is stopped and its data removed.
#[derive(Debug)]
pub struct OwnPulsar {
    dir: TempDir,
    /// Broker, admin interface, storage; the first two with TLS.
    ports: [u16; 5],
    secure: bool,
}

impl OwnPulsar {
    /// Starts one, where tests find the one that they share: what it takes is at hand there.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn start() -> Option<Self> {
        Pulsar::find()?;
        Some(Self::started(false))
    }

    /// As [`Self::start`], with TLS besides, and letting nobody in without a token or a certificate. Tests that run at the
    /// same time share it.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn secured() -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<OwnPulsar>> = Mutex::new(Weak::new());
        Pulsar::find()?;
        if Command::new("openssl").arg("version").output().is_err() {
            untested(
                "A SECURED PULSAR WAS NOT TESTED: certificates are made by `openssl`, which is not installed",
            );
            return None;
        }
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let own = shared.upgrade().unwrap_or_else(|| Arc::new(Self::started(true)));
        *shared = Arc::downgrade(&own);
        Some(own)
    }

    fn started(secure: bool) -> Self {
        let free = || TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let listening = [free(), free(), free(), free(), free()];
        let ports = listening.map(|it| it.local_addr().expect("it has an address").port());
        let dir = tempfile::tempdir().expect("a directory can be made");
        let own = Self { dir, ports, secure };
        own.start_again();
        own
    }

    /// Starts it again on what it has stored, and waits until it answers.
    ///
    /// # Panics
    /// When it does not.
    pub fn start_again(&self) {
        let [port, http, bookie, tls, https] = self.ports.map(|port| port.to_string());
        let mut up = Command::new(xtask());
        up.args(["pulsar", "up", "--dir"])
            .arg(self.dir())
            .args(["--wait", "240", "--heap", "512m"]);
        up.args(["--port", &port, "--http-port", &http, "--bookie-port", &bookie]);
        if self.secure {
            up.args(["--secure", "--tls-port", &tls, "--https-port", &https]);
        }
        let status = up.status().expect("xtask runs");
        assert!(status.success(), "the broker does not start");
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// It, without TLS, and asked as its own administrator.
    ///
    /// # Panics
    /// When what secures it cannot be read.
    #[must_use]
    pub fn pulsar(&self) -> Pulsar {
        let token = || std::fs::read_to_string(self.secret("admin.token")).expect("it has one");
        let who = if self.secure {
            format!("Authorization: Bearer {}\r\n", token())
        } else {
            String::new()
        };
        let [port, http, ..] = self.ports;
        Pulsar {
            url: format!("pulsar://127.0.0.1:{port}"),
            admin: format!("http://127.0.0.1:{http}"),
            who,
        }
    }

    /// A log of its own, reached by TLS and with a token that does not end.
    #[must_use]
    pub fn secured_options(&self) -> PulsarOptions {
        let [.., tls, https] = self.ports;
        let security = Security {
            ca_file: Some(self.secret("ca.pem")),
            token_file: Some(self.secret("service.token")),
            ..Security::default()
        };
        PulsarOptions {
            url: format!("pulsar+ssl://127.0.0.1:{tls}"),
            admin_url: format!("https://127.0.0.1:{https}"),
            tenant: "tidings-test".to_owned(),
            namespace: format!("e2e-{:032x}", rand::random::<u128>()),
            security,
            ..PulsarOptions::default()
        }
    }

    /// A file of what secures it, as `cargo xtask pulsar up --secure` makes them.
    #[must_use]
    pub fn secret(&self, name: &str) -> PathBuf {
        self.dir().join("secure").join(name)
    }

    /// A token by which it knows a role, for so many seconds or for ever.
    ///
    /// # Panics
    /// When none can be made.
    #[must_use]
    pub fn token(&self, role: &str, seconds: Option<u32>) -> String {
        let mut asked = Command::new(xtask());
        asked.args(["pulsar", "token", "--role", role, "--dir"]).arg(self.dir());
        asked
            .args(seconds.iter().flat_map(|seconds| ["--seconds".to_owned(), seconds.to_string()]));
        let made = asked.output().expect("xtask runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        String::from_utf8_lossy(&made.stdout).trim().to_owned()
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
