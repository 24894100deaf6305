//! Many WebSocket consumers at a fixed rate each: latency from the intended send time.
//!
//! Every consumer has a subscription of its own on the same topic and acknowledges as it goes, so
//! that each event is delivered as often as there are consumers.

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, SinkExt, StreamExt};
use hdrhistogram::Histogram;
use prost::Message as _;
use serde_json::json;
use tidings_client::{Client, PublisherOptions};
use tidings_event::block::events;
use tidings_event::{Clock, SystemClock, Timestamp};
use tidings_market::load::LoadOptions;
use tidings_telemetry::Timer;
use tidings_wire::v1;
use tidings_wire::v1::consume_request::Message as Asked;
use tidings_wire::v1::consume_response::Message as Said;
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::blocks::{Blocks, PARTITIONS};
use crate::process::{Server, own_cpu};
use crate::report::{Report, Round};
use crate::{Args, BenchError, consume};

const CONSUMERS: u64 = 1_000;
const RATE: u64 = 100;
const SECONDS: u64 = 12;
const WARM_UP: Duration = Duration::from_secs(2);
/// The library clears all of this before each read; its default would cost the client more than
/// everything else it does.
const READ_BUFFER_BYTES: usize = 4 << 10;

pub(crate) type Ws = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Runs both forms.
pub(crate) async fn run(args: &Args, report: &mut Report) -> Result<(), BenchError> {
    for _ in 0..args.rounds {
        for protobuf in [false, true] {
            let form = if protobuf { "Protobuf" } else { "JSON" };
            let round = one(args, protobuf).await?;
            println!("{CONSUMERS} WebSockets, {RATE} ev/s each, {form}: {:?}", round.latencies);
            report.add(&format!("{CONSUMERS} WebSockets at {RATE} ev/s each, {form}"), round);
        }
    }
    Ok(())
}

pub(crate) fn broken(error: impl std::fmt::Display) -> BenchError {
    BenchError::Check(error.to_string())
}

/// A socket that has opened a subscription.
pub(crate) async fn open(url: &str, name: &str, protobuf: bool) -> Result<Ws, BenchError> {
    let url = format!("{}/api/v1/ws", url.replacen("http", "ws", 1));
    let mut request = url.into_client_request().map_err(broken)?;
    let form = if protobuf { "tidings.v1.protobuf" } else { "tidings.v1.json" };
    request.headers_mut().insert("sec-websocket-protocol", form.parse().map_err(broken)?);
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
    let (mut ws, _) =
        connect_async_with_config(request, Some(config), true).await.map_err(broken)?;
    let opening = if protobuf {
        let open = v1::ConsumeOpen {
            subscription: name.to_owned(),
            consumer: "bench".to_owned(),
            ..v1::ConsumeOpen::default()
        };
        let credit = v1::Credit { events: u64::MAX, bytes: u64::MAX };
        asking(vec![Asked::Open(open), Asked::Credit(credit)])
    } else {
        text(&json!({"type": "open", "subscription": name}))
    };
    ws.send(opening).await.map_err(broken)?;
    if !protobuf {
        ws.send(text(&json!({"type": "credit", "events": u64::MAX}))).await.map_err(broken)?;
    }
    ws.next().await.ok_or_else(|| broken("it was closed"))?.map_err(broken)?;
    Ok(ws)
}

fn text(document: &serde_json::Value) -> Message {
    Message::Text(document.to_string().into())
}

fn asking(messages: Vec<Asked>) -> Message {
    let request = |message| v1::ConsumeRequest { message: Some(message), attachment: 0 };
    let requests = messages.into_iter().map(request).collect();
    Message::Binary(v1::ConsumeRequests { requests }.encode_to_vec().into())
}

async fn one(args: &Args, protobuf: bool) -> Result<Round, BenchError> {
    let server = Server::start(&args.server).await?;
    let client = Client::connect(&server.url).await?;
    let total = RATE * SECONDS;
    let clock = SystemClock::new();
    let start = Arc::new(Barrier::new(usize::try_from(CONSUMERS).unwrap_or(1) + 1));
    let mut consumers = JoinSet::new();
    for number in 0..CONSUMERS {
        let name = format!("s-{number}");
        consume::subscribe(&client, &name, &["analysis/**"]).await?;
        let ws = open(&server.url, &name, protobuf).await?;
        let taking = Taking { ws, total, seen: 0, clock, histogram: histogram()? };
        let start = Arc::clone(&start);
        consumers.spawn(async move {
            start.wait().await;
            taking.run().await
        });
    }
    start.wait().await;
    let publisher = client.publisher(PublisherOptions::sequenced("bench")).await?;
    let mut blocks = Blocks::new(LoadOptions::SPREAD);
    let (cpu, own, began, wall) = (server.cpu()?, own_cpu()?, clock.monotonic(), clock.wall());
    for tick in 0..total {
        let due = Duration::from_micros(tick * 1_000_000 / RATE);
        let early = due.saturating_sub(clock.monotonic().saturating_sub(began));
        if !early.is_zero() {
            Timer.after(early).await;
        }
        let intended = Timestamp(wall.0 + due.as_nanos() as u64);
        for block in blocks.next_events(1, intended) {
            let place = (block.partition, PARTITIONS);
            publisher.send_body_to(&block.topic, place, block.body, block.count).await?;
        }
    }
    publisher.flush().await?;
    let mut all = histogram()?;
    while let Some(ended) = consumers.join_next().await {
        all.add(ended.map_err(broken)??).map_err(broken)?;
    }
    let timed = (total - RATE * WARM_UP.as_secs()) * CONSUMERS;
    if all.len() != timed {
        return Err(broken(format!("{} events were timed of {timed}", all.len())));
    }
    let latency = |quantile| (quantile, Duration::from_micros(all.value_at_quantile(quantile)));
    let round = Round {
        events: total * CONSUMERS,
        took: clock.monotonic().saturating_sub(began),
        server_cpu: server.cpu()?.saturating_sub(cpu),
        client_cpu: own_cpu()?.saturating_sub(own),
        written_bytes: server.written_bytes()?,
        resident_kib: server.resident_kib()?,
        latencies: [0.5, 0.99, 0.999, 1.0].map(latency).to_vec(),
        ..Round::default()
    };
    server.stop().await?;
    Ok(round)
}

fn histogram() -> Result<Histogram<u64>, BenchError> {
    Histogram::new_with_bounds(1, 60_000_000, 3).map_err(broken)
}

/// One consumer.
struct Taking {
    ws: Ws,
    total: u64,
    seen: u64,
    clock: SystemClock,
    histogram: Histogram<u64>,
}

impl Taking {
    async fn run(mut self) -> Result<Histogram<u64>, BenchError> {
        while self.seen < self.total {
            // Everything that has come is acknowledged together.
            let (mut ids, mut up_to) = (Vec::new(), Vec::new());
            let mut next = self.ws.next().await;
            loop {
                let message = next.ok_or_else(|| broken("it was closed"))?;
                match message.map_err(broken)? {
                    Message::Text(text) => ids.extend(self.text(&text)?),
                    Message::Binary(bytes) => self.binary(bytes, &mut up_to)?,
                    _ => {}
                }
                match self.ws.next().now_or_never() {
                    Some(ready) if self.seen < self.total => next = ready,
                    _ => break,
                }
            }
            let ack = if up_to.is_empty() {
                text(&json!({"type": "ack", "up_to": ids}))
            } else {
                asking(vec![Asked::Ack(v1::Ack { up_to, runs: Vec::new() })])
            };
            if !ids.is_empty() || matches!(ack, Message::Binary(_)) {
                self.ws.send(ack).await.map_err(broken)?;
            }
        }
        if self.seen > self.total {
            return Err(broken(format!("{} events came of {}", self.seen, self.total)));
        }
        Ok(self.histogram)
    }

    fn time(&mut self, intended: u64) {
        self.seen += 1;
        if self.seen > RATE * WARM_UP.as_secs() {
            let micros = self.clock.wall().0.saturating_sub(intended) / 1_000;
            self.histogram.saturating_record(micros);
        }
    }

    /// The client does not parse all of the JSON: it is the service that is measured.
    fn text(&mut self, frame: &str) -> Result<Option<String>, BenchError> {
        if !frame.starts_with(r#"{"type":"events""#) {
            return Ok(None);
        }
        let after = |key: &'static str| {
            frame.match_indices(key).map(move |(at, key)| &frame[at + key.len()..])
        };
        for rest in after(r#""produced_at":""#) {
            let time = rest.split('"').next().unwrap_or_default();
            self.time(time.parse::<Timestamp>().map_err(broken)?.0);
        }
        let last = after(r#""ack_id":""#).last().ok_or_else(|| broken("no ack id"))?;
        Ok(last.split('"').next().map(str::to_owned))
    }

    fn binary(
        &mut self,
        bytes: bytes::Bytes,
        up_to: &mut Vec<v1::Position>,
    ) -> Result<(), BenchError> {
        let batch = v1::ConsumeResponses::decode(bytes).map_err(broken)?;
        for said in batch.responses.into_iter().filter_map(|response| response.message) {
            let Said::Delivery(delivery) = said else { continue };
            for event in events(&delivery.body) {
                let envelope = tidings_event::scan(event.map_err(broken)?).map_err(broken)?;
                self.time(envelope.produced_at.0);
            }
            let Some(run) = delivery.offsets.last() else { continue };
            up_to.push(v1::Position {
                topic_id: delivery.topic_id,
                epoch: delivery.epoch,
                partition: delivery.partition,
                offset: run.first + u64::from(run.count) - 1,
            });
        }
        Ok(())
    }
}
