//! A server over an in-memory log, and raw HTTP/1.1 against it.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use tidings_admit::{Admission, AdmitSettings};
use tidings_catalog::{Catalog, CatalogSettings};
use tidings_deliver::{Deliver, DeliverSettings};
use tidings_event::{Clock, SystemClock};
use tidings_log::{MemoryLog, PartitionLog};
use tidings_serve::{Limits, Origins, Parts, Server, ShownConfig};
use tidings_telemetry::{Memory, Recorder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A running server; stopped and awaited by [`Self::stop`], aborted when dropped.
pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) memory: Memory,
    pub(crate) recorder: Arc<Recorder>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

pub(crate) async fn start() -> Running {
    start_with(Limits::default()).await
}

/// Stages over an in-memory log, with nothing before them.
pub(crate) async fn parts(limits: Limits) -> (Parts, Arc<MemoryLog>) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let in_memory = MemoryLog::new(Arc::clone(&clock));
    let log: Arc<dyn PartitionLog> = in_memory.clone();
    let recorder = Recorder::new();
    let catalog = Catalog::open(Arc::clone(&log), CatalogSettings::default(), Arc::clone(&clock))
        .await
        .unwrap();
    let settings = AdmitSettings::default();
    let admission = Admission::open(
        Arc::clone(&log),
        Arc::clone(&catalog),
        Arc::clone(&clock),
        Arc::clone(&recorder),
        settings,
    );
    let admission = admission.await.unwrap();
    let settings = DeliverSettings::default();
    let deliver = Deliver::open(
        Arc::clone(&log),
        Arc::clone(&catalog),
        Arc::clone(&clock),
        Arc::clone(&recorder),
        settings,
    );
    let deliver = deliver.await.unwrap();
    let parts = Parts {
        give_back: || {},
        memory: Memory::default(),
        admission,
        deliver,
        catalog,
        intervals: None,
        log,
        recorder,
        clock,
        standing: None,
        limits: limits.into(),
        config: ShownConfig::default(),
        origins: Origins::new(&["https://desk.example".to_owned()]).unwrap(),
    };
    (parts, in_memory)
}

pub(crate) async fn start_with(limits: Limits) -> Running {
    let (parts, in_memory) = parts(limits).await;
    let (memory, recorder) = (parts.memory.clone(), Arc::clone(&parts.recorder));
    let server = Server::bind(([127, 0, 0, 1], 0).into(), parts).await.unwrap();
    let addr = server.local_addr();
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let token = stop.clone();
    tasks.spawn(async move { server.run(token).await.unwrap() });
    Running { addr, log: in_memory, memory, recorder, stop, tasks }
}

impl Running {
    /// Stops the server and waits for its end.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }

    /// A gRPC connection of its own.
    pub(crate) async fn grpc(&self) -> tonic::transport::Channel {
        let url = format!("http://{}", self.addr);
        tonic::transport::Endpoint::from_shared(url).unwrap().connect().await.unwrap()
    }

    /// One request with these header lines and body.
    pub(crate) async fn ask(&self, line: &str, headers: &[&str], body: &[u8]) -> Reply {
        let mut text = format!("{line} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n");
        for header in headers {
            text.push_str(header);
            text.push_str("\r\n");
        }
        if !headers.iter().any(|h| h.starts_with("content-length") || h.starts_with("transfer")) {
            text.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(body);
        self.raw(&bytes).await
    }

    /// Bytes as they are; the server may close before it took them all.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        let (mut read, mut write) = stream.split();
        let mut answer = Vec::new();
        let (_refused_early, _reset_after_answer) =
            tokio::join!(write.write_all(bytes), read.read_to_end(&mut answer));
        Reply::parse(&answer)
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.ask(&format!("GET {path}"), &[], b"").await
    }

    pub(crate) async fn send(&self, line: &str, json: &str) -> Reply {
        self.ask(line, &["content-type: application/json"], json.as_bytes()).await
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Asserts the status and gives the document.
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }
}

/// An indicators event in JSON.
pub(crate) fn event(instrument: &str, minute: u32) -> String {
    let (start, end) = (minute * 5, minute * 5 + 5);
    let at = |m: u32| format!("2026-01-02T{:02}:{:02}:00Z", m / 60, m % 60);
    format!(
        r#"{{"source":"ta-1","kind":"INDICATORS","instrument":"{instrument}","venue":"XNAS","timeframe":"5m","interval_start":"{}","interval_end":"{}","produced_at":"2026-01-02T15:00:00Z","indicators":{{"values":{{"rsi_14":32.7}}}}}}"#,
        at(start),
        at(end)
    )
}

/// The same in canonical bytes, with an id of its own.
pub(crate) fn canonical(instrument: &str, minute: u32) -> bytes::Bytes {
    let mut event = tidings_event::json::from_json(event(instrument, minute).as_bytes()).unwrap();
    let id = tidings_event::foreign_event_id(instrument, &minute.to_string());
    event.id = bytes::Bytes::copy_from_slice(&id);
    tidings_event::encode(&event).into()
}
