//! Traces reach a collector: one trace from the publish to each delivery, with the right parents.

use std::path::Path;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tidings_client::{Client, ConsumerEvent, ConsumerOptions, PublisherOptions};
use tidings_e2e::{Server, indicator, indicator_json, send_raw, soon, subscribe};
use tidings_event::{encode, v1};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const TOPIC: &str = "analysis/indicators/5m";

/// What a collector does with what it is sent.
struct Seen(mpsc::Sender<Span>);

#[tonic::async_trait]
impl TraceService for Seen {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans.into_iter();
        for span in resources.flat_map(|r| r.scope_spans).flat_map(|scope| scope.spans) {
            self.0.send(span).await.unwrap();
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// A collector, and a service that sends to it.
struct Rig {
    server: Server,
    spans: mpsc::Receiver<Span>,
    _collector: JoinSet<()>,
}

impl Rig {
    async fn start(dir: &Path, ratio: f64) -> Self {
        let listening = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listening.local_addr().unwrap();
        let (sender, spans) = mpsc::channel(1_000);
        let mut collector = JoinSet::new();
        let router =
            tonic::transport::Server::builder().add_service(TraceServiceServer::new(Seen(sender)));
        collector.spawn(async move {
            router.serve_with_incoming(TcpListenerStream::new(listening)).await.unwrap();
        });
        let config = format!("[traces]\nendpoint = \"http://{addr}\"\nsample_ratio = {ratio:.1}\n");
        std::fs::write(dir.join("tidings.toml"), config).unwrap();
        let server = Server::start(&dir.join("data"));
        Self { server, spans, _collector: collector }
    }

    /// The spans of these names, in their order, of one trace; others of the trace may come between.
    async fn spans(&mut self, trace: &str, names: [&str; 4]) -> [Span; 4] {
        let mut seen: Vec<Span> = Vec::new();
        while !names.iter().all(|name| seen.iter().any(|span| span.name == *name)) {
            let span = soon("a span", self.spans.recv()).await.unwrap();
            if hex(&span.trace_id) == trace {
                seen.push(span);
            }
        }
        names.map(|name| seen.iter().find(|span| span.name == name).unwrap().clone())
    }

    /// Is given so many events, by one consumer.
    async fn consume(&self, client: &Client, mut events: usize) {
        let options = ConsumerOptions::new("s", "test");
        let mut consumer = soon("a consumer", client.consumer(options)).await.unwrap();
        while events > 0 {
            let next = soon("an event", consumer.next()).await.unwrap().unwrap();
            if let ConsumerEvent::Events(delivered) = next {
                consumer.ack_up_to(delivered.last_position()).await.unwrap();
                events -= delivered.events().count();
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const NAMES: [&str; 4] = ["publish", "admit", "log append", "deliver"];

fn check([publish, admit, append, deliver]: &[Span; 4], caller: &str) {
    assert_eq!(hex(&publish.parent_span_id), caller);
    assert_eq!(admit.parent_span_id, publish.span_id);
    assert_eq!(append.parent_span_id, admit.span_id);
    assert_eq!(deliver.parent_span_id, admit.span_id);
    let about = |key: &str| {
        let found = deliver.attributes.iter().find(|attribute| attribute.key == key);
        format!("{:?}", found.unwrap().value)
    };
    assert!(about("tidings.subscription").contains("\"s\""));
    for span in [publish, admit, append, deliver] {
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{span:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_s_trace_is_followed_to_the_delivery() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(dir.path(), 0.0).await;
    let client = rig.server.client().await;
    subscribe(&client, "s", &[TOPIC]).await;
    let body = indicator_json("AAPL", 5, 1.0);
    let request = |traceparent: &str| {
        format!(
            "POST /api/v1/events HTTP/1.1\r\nhost: e2e\r\nconnection: close\r\n\
             content-type: application/json\r\ntraceparent: {traceparent}\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let unsampled = request(&format!("00-{}-{CALLER}-00", "a".repeat(32)));
    assert_eq!(send_raw(&rig.server, unsampled.as_bytes(), true).status, 200);
    let sampled = request(&format!("00-{TRACE}-{CALLER}-01"));
    assert_eq!(send_raw(&rig.server, sampled.as_bytes(), true).status, 200);
    rig.consume(&client, 2).await;
    let spans = rig.spans(TRACE, NAMES).await;
    check(&spans, CALLER);
    while let Ok(span) = rig.spans.try_recv() {
        assert_eq!(hex(&span.trace_id), TRACE, "nobody asked for this one to be followed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_s_own_trace_is_followed_and_delivered_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(dir.path(), 0.0).await;
    let client = rig.server.client().await;
    subscribe(&client, "s", &[TOPIC]).await;
    let mut event = v1::Event::decode(&indicator("AAPL", "5m", 1)[..]).unwrap();
    event.traceparent = format!("00-{TRACE}-{CALLER}-01");
    let options = PublisherOptions::sequenced("p");
    let publisher = soon("a publisher", client.publisher(options)).await.unwrap();
    let receipt = publisher.send(&encode(&event)).await.unwrap();
    soon("an outcome", receipt).await.unwrap();
    rig.consume(&client, 1).await;
    check(&rig.spans(TRACE, NAMES).await, CALLER);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_of_the_other_publishes_begins_a_trace() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(dir.path(), 1.0).await;
    let client = rig.server.client().await;
    subscribe(&client, "s", &[TOPIC]).await;
    let body = indicator_json("AAPL", 5, 1.0);
    let sent =
        tidings_e2e::ask(&rig.server, "POST /api/v1/events", "application/json", body.as_bytes());
    assert_eq!(sent.status, 200);
    rig.consume(&client, 1).await;
    let first = soon("a span", rig.spans.recv()).await.unwrap();
    let trace = hex(&first.trace_id);
    let admit = first;
    assert_eq!(admit.name, "admit");
    let mut publish = None;
    while publish.is_none() {
        let span = soon("a span", rig.spans.recv()).await.unwrap();
        assert_eq!(hex(&span.trace_id), trace);
        publish = Some(span).filter(|span| span.name == "publish");
    }
    let publish = publish.unwrap();
    assert_eq!(
        (hex(&publish.parent_span_id), &admit.parent_span_id),
        (String::new(), &publish.span_id)
    );
}
