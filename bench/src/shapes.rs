//! Events in over HTTP as text: canonical JSON a line, and the platform's two shapes a line. Every
//! request is answered 200, and the service counts as many events as were sent.

use tidings_event::{Clock, SystemClock, json};
use tidings_market::load::{Load, LoadOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::meter::Meter;
use crate::process::Server;
use crate::report::{Report, Round};
use crate::{Args, BenchError};

/// Events of one request.
const BATCH: usize = 500;
/// Connections, each with one request on its way.
const CONNECTIONS: u64 = 4;
/// An id whose last twelve digits are written over for each event.
const ID: &str = "01900000-0000-7000-8000-000000000000";
const COUNTED: usize = 12;

/// How an event is written.
type Write = fn(usize, &str) -> String;

const SHAPES: [(&str, Write); 3] = [("NDJSON", canonical), ("shape A", a), ("shape B", b)];

/// Runs the three shapes in turns.
pub(crate) async fn run(args: &Args, report: &mut Report) -> Result<(), BenchError> {
    for round in 0..args.rounds {
        for (shape, write) in SHAPES {
            let measured = one(args, write).await?;
            println!("{shape} round {round}: {:.0} ev/s", measured.rate());
            report.add(&format!("HTTP {shape}, {BATCH} a request, durable"), measured);
        }
    }
    Ok(())
}

/// One round of canonical JSON, a line an event.
///
/// # Errors
/// When a request is refused, or not every event was stored.
pub async fn ndjson(args: &Args) -> Result<Round, BenchError> {
    one(args, canonical).await
}

async fn one(args: &Args, write: Write) -> Result<Round, BenchError> {
    let server = Server::start(&args.server).await?;
    let requests = args.events / CONNECTIONS / BATCH as u64;
    let events = requests * CONNECTIONS * BATCH as u64;
    let addr = server.url.trim_start_matches("http://").to_owned();
    let mut bodies: Vec<Body> = (0..CONNECTIONS).map(|which| Body::new(which, write)).collect();
    let meter = Meter::start(&server)?;
    let mut senders = JoinSet::new();
    while let Some(body) = bodies.pop() {
        senders.spawn(send(addr.clone(), body, requests));
    }
    while let Some(ended) = senders.join_next().await {
        ended.map_err(|e| BenchError::Check(e.to_string()))??;
    }
    let round = meter.stop(&server, events)?;
    let mut stream = TcpStream::connect(&addr).await?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: bench\r\n\r\n").await?;
    let metrics = answer(&mut stream).await?;
    let stored = format!("\ntidings_admit_events_total {events}\n");
    if !String::from_utf8_lossy(&metrics).contains(&stored) {
        return Err(BenchError::Check(format!("not {events} events were stored")));
    }
    server.stop().await?;
    Ok(round)
}

/// A request's body, used again with other ids.
struct Body {
    head: String,
    bytes: Vec<u8>,
    /// Where the counted digits of each id stand.
    ids: Vec<usize>,
    next: u64,
}

impl Body {
    fn new(which: u64, write: Write) -> Self {
        let mut bytes = Vec::new();
        let mut ids = Vec::new();
        for number in 0..BATCH {
            let instrument = format!("I{:06}", number * 20 + usize::try_from(which).unwrap_or(0));
            let line = write(number, &instrument);
            // Each shape writes the id once, so it is there.
            let at = line.find(ID).unwrap_or_default() + ID.len() - COUNTED;
            ids.push(bytes.len() + at);
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
        }
        let head = format!(
            "POST /api/v1/events HTTP/1.1\r\nhost: bench\r\ncontent-type: application/x-ndjson\r\n\
             content-length: {}\r\n\r\n",
            bytes.len()
        );
        Self { head, bytes, ids, next: which << 40 }
    }

    /// Gives every event an id that was not there before.
    fn renew(&mut self) {
        for &at in &self.ids {
            let mut number = self.next;
            self.next += 1;
            for digit in self.bytes.iter_mut().skip(at).take(COUNTED).rev() {
                *digit = b"0123456789abcdef"[(number % 16) as usize];
                number /= 16;
            }
        }
    }
}

async fn send(addr: String, mut body: Body, requests: u64) -> Result<(), BenchError> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    for _ in 0..requests {
        body.renew();
        stream.write_all(body.head.as_bytes()).await?;
        stream.write_all(&body.bytes).await?;
        answer(&mut stream).await?;
    }
    Ok(())
}

/// Reads an answer, which must be 200.
async fn answer(stream: &mut TcpStream) -> Result<Vec<u8>, BenchError> {
    let mut read = Vec::with_capacity(128 << 10);
    let end = loop {
        if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Err(BenchError::Check("the connection was closed".into()));
        }
    };
    let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
    if !head.starts_with("http/1.1 200 ") {
        let text = String::from_utf8_lossy(&read[..read.len().min(600)]).into_owned();
        return Err(BenchError::Check(text));
    }
    let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok());
    let length: usize = length.ok_or_else(|| BenchError::Check("no length".into()))?;
    while read.len() < end + length {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(BenchError::Check("the connection was closed".into()));
        }
    }
    Ok(read.split_off(end))
}

/// An event of the load in canonical JSON.
fn canonical(number: usize, instrument: &str) -> String {
    let mut load = Load::new(LoadOptions { seed: number as u64, instruments: 1, timeframes: 1 });
    let event = load.next_event(SystemClock::new().wall());
    let mut event: tidings_event::v1::Event = json::to_json(event.bytes)
        .and_then(|text| json::from_json(text.as_bytes()))
        .unwrap_or_default();
    instrument.clone_into(&mut event.instrument);
    event.key_seq = None;
    event.id = tidings_event::parse_event_id(ID).unwrap_or_default().to_vec().into();
    json::to_json(&tidings_event::encode(&event)).unwrap_or_default()
}

/// The same values in shape A.
fn a(number: usize, instrument: &str) -> String {
    let value = 100.0 + number as f64 / 7.0;
    format!(
        r#"{{"eventId":"{ID}","eventType":"TechnicalIndicatorComputedEvent","timestamp":"2026-01-05T14:31:00.125Z","instrument_id":"{instrument}","timeframe":"1m","indicators":{{"sma":{{"periods":[20,50],"values":[{value},{}],"timestamp":"2026-01-05T14:31:00.000Z"}},"rsi":{{"period":14,"value":65.4,"signal":"neutral","timestamp":"2026-01-05T14:31:00.000Z"}},"macd":{{"fast_period":12,"slow_period":26,"signal_period":9,"macd":1.25,"signal":1.1,"histogram":0.15,"crossover":"bullish","timestamp":"2026-01-05T14:31:00.000Z"}}}},"quality_metrics":{{"calculation_accuracy":0.999,"data_completeness":0.98,"computation_time_ms":45}}}}"#,
        value + 1.0
    )
}

/// The same values in shape B.
fn b(number: usize, instrument: &str) -> String {
    let value = 100.0 + number as f64 / 7.0;
    format!(
        r#"{{"event_type":"technical_indicator_updated","event_id":"{ID}","timestamp":"2026-01-05T14:31:00.125Z","indicator_update":{{"instrument_id":"{instrument}","timeframe":"1m","indicators":{{"sma_20":{{"value":{value},"confidence":0.98,"signal":"NEUTRAL","metadata":{{"trend":"sideways"}}}},"rsi_14":{{"value":65.4,"confidence":0.95,"signal":"NEUTRAL","metadata":{{"overbought_threshold":70}}}},"macd":{{"value":0.45,"confidence":0.92,"signal":"BUY","metadata":{{"histogram":0.12,"signal_line":0.33}}}}}},"computation_time_ms":12.5,"data_points_used":200}}}}"#
    )
}
