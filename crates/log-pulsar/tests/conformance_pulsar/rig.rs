//! A real broker for tests, the logs on it, and what stands between the two.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use tidings_event::{ManualClock, Term};
use tidings_log::conformance::Engine;
use tidings_log::conformance::fixture::NOW;
use tidings_log::{Origin, PartitionLog};
use tidings_log_pulsar::{Import, OpenError, PulsarLog, PulsarOptions};
use tidings_telemetry::Recorder;

use crate::gate::Gate;

/// What a variable says.
pub(crate) fn said(name: &str, otherwise: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}

/// Where an address with a scheme points to.
pub(crate) fn address(url: &str) -> SocketAddr {
    url.split_once("://").unwrap().1.parse().unwrap()
}

/// Whether a broker answers; says so aloud when none does. `TIDINGS_PULSAR_REQUIRED` makes that a failure.
pub(crate) fn is_there() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    *THERE.get_or_init(|| {
        let admin = said("TIDINGS_PULSAR_ADMIN", "http://127.0.0.1:8081");
        let there = is_healthy(address(&admin));
        if !there {
            assert!(std::env::var_os("TIDINGS_PULSAR_REQUIRED").is_none(), "no Pulsar at {admin}");
            let told = format!(
                "\n!! THE LOG ON PULSAR WAS NOT TESTED: no broker answers at {admin}.\n\
                 !! `cargo xtask pulsar up` starts one, TIDINGS_PULSAR_URL and TIDINGS_PULSAR_ADMIN name another;\n\
                 !! TIDINGS_PULSAR_REQUIRED=1 makes this an error.\n\n"
            );
            // Not by a macro: what those say is kept from sight when a test passes.
            std::io::stderr().write_all(told.as_bytes()).unwrap();
        }
        there
    })
}

fn is_healthy(at: SocketAddr) -> bool {
    // Something else may listen there.
    let is_ok = |answer: String| answer.starts_with("HTTP/1.1 200") && answer.contains("\r\nok");
    ask(at, "GET", "brokers/health", "").is_ok_and(is_ok)
}

/// The answer of the admin interface.
pub(crate) fn ask(at: SocketAddr, method: &str, path: &str, body: &str) -> std::io::Result<String> {
    let limit = Duration::from_secs(30);
    let mut stream = TcpStream::connect_timeout(&at, limit)?;
    stream.set_read_timeout(Some(limit))?;
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

/// A log of its own on the broker, over its openings.
pub(crate) struct OnPulsar {
    options: PulsarOptions,
    pub(crate) gate: Gate,
    open: Option<Arc<PulsarLog>>,
    crashes: u32,
}

impl OnPulsar {
    /// A log for a test, where there is a broker.
    pub(crate) async fn find() -> Option<Self> {
        if is_there() { Some(Self::new().await) } else { None }
    }

    pub(crate) async fn new() -> Self {
        let url = said("TIDINGS_PULSAR_URL", "pulsar://127.0.0.1:6650");
        let gate = Gate::before(address(&url)).await;
        let options = PulsarOptions {
            url,
            admin_url: said("TIDINGS_PULSAR_ADMIN", "http://127.0.0.1:8081"),
            tenant: "tidings-test".to_owned(),
            namespace: format!("case-{:032x}", rand::random::<u128>()),
            queue_bytes_max: 4 << 20,
            ring_bytes: 128 << 10,
            detour: Some(gate.at),
            ..PulsarOptions::default()
        };
        Self { options, gate, open: None, crashes: 0 }
    }

    async fn opened(&mut self) -> Arc<PulsarLog> {
        let log = self.try_open().await.unwrap();
        self.open = Some(Arc::clone(&log));
        log
    }

    /// Another owner, if there may be one.
    pub(crate) async fn try_open(&self) -> Result<Arc<PulsarLog>, OpenError> {
        let clock = Arc::new(ManualClock::at(NOW));
        PulsarLog::open(self.options.clone(), clock, Recorder::new()).await
    }

    /// As it would be opened by another process.
    pub(crate) fn options(&self) -> &PulsarOptions {
        &self.options
    }

    /// Another owner, by a term that it was granted.
    pub(crate) async fn granted(&self, term: u64) -> Result<Arc<PulsarLog>, OpenError> {
        let options = PulsarOptions { term: Some(Term(term)), ..self.options.clone() };
        PulsarLog::open(options, Arc::new(ManualClock::at(NOW)), Recorder::new()).await
    }

    /// Opens it to take in a copy.
    pub(crate) async fn import(&self, origin: Origin) -> Result<Import, OpenError> {
        let clock = Arc::new(ManualClock::at(NOW));
        Import::open(origin, self.options.clone(), clock, Recorder::new()).await
    }
}

impl OnPulsar {
    /// Another owner, while the one before goes on as if it had the log.
    pub(crate) async fn another(&mut self) -> Arc<dyn PartitionLog> {
        self.opened().await
    }

    /// Tells the broker to unload a journal's topic.
    pub(crate) async fn unload(&self, journal: &str) {
        self.ask("PUT", journal, "unload").await;
    }

    /// Messages that the broker has stored of a journal, whoever they are of.
    pub(crate) async fn entries(&self, journal: &str) -> u64 {
        let answer = self.ask("GET", journal, "internalStats").await;
        // Around it there may be the marks of a chunk.
        let json = &answer[answer.find('{').unwrap()..=answer.rfind('}').unwrap()];
        let stats: serde_json::Value = serde_json::from_str(json).unwrap();
        stats["numberOfEntries"].as_u64().unwrap()
    }

    async fn ask(&self, method: &'static str, journal: &str, what: &str) -> String {
        let PulsarOptions { tenant, namespace, admin_url, .. } = &self.options;
        let path = format!("persistent/{tenant}/{namespace}/{journal}-partition-0/{what}");
        let at = address(admin_url);
        let asked = move || ask(at, method, &path, "");
        let answer = tokio::task::spawn_blocking(asked).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
        answer
    }
}

#[async_trait]
impl Engine for OnPulsar {
    async fn open(&mut self) -> Arc<dyn PartitionLog> {
        if let Some(open) = self.open.take() {
            open.close().await;
        }
        self.opened().await
    }

    /// The former owner is gone, or goes on as if it had the log: by turns.
    async fn crash(&mut self) -> Option<Arc<dyn PartitionLog>> {
        let former = self.open.take()?;
        self.crashes += 1;
        if self.crashes.is_multiple_of(2) {
            former.abandon();
        }
        let log = self.opened().await;
        drop(former);
        Some(log)
    }

    fn hold(&mut self) -> bool {
        self.gate.shut();
        true
    }

    fn release(&mut self) {
        self.gate.open();
    }
}
