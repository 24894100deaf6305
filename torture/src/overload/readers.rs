//! A thousand consumers: nine hundred that read what comes and acknowledge it, and a hundred that never
//! read, by each way in which that can be.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use tidings_client::{
    Client, ClientError, Consumer, ConsumerEvent, ConsumerOptions, Consumers, Delivered,
};
use tidings_e2e::{Server, soon};
use tidings_event::{Clock, Code, SystemClock, scan};
use tidings_telemetry::Timer;
use tokio::task::JoinSet;

use super::flood::FLOOD;
use super::latencies::Latencies;
use super::ledger::Ledger;
use super::steady::BASE;
use crate::failure::TortureError;

pub(super) const READING: usize = 900;
pub(super) const STALLED: usize = 100;
/// Instruments of each who stalls; who reads has one. They take turns.
const OF_STALLED: usize = READING / STALLED;
pub(super) const INSTRUMENTS: usize = 2 * READING;
/// Consumers that share a stream.
const SHARING: usize = 100;
/// Between two looks at whether a subscription is free.
const LOOK: Duration = Duration::from_millis(10);

/// Whether one of those that read has an instrument.
pub(super) fn is_read(instrument: usize) -> bool {
    instrument.is_multiple_of(2)
}

/// What is told of everything that comes.
pub(super) struct Witness {
    pub(super) ledger: Arc<Ledger>,
    pub(super) latencies: Arc<Latencies>,
    pub(super) clock: SystemClock,
    /// Events that came to those that read, and that came at all.
    pub(super) read: AtomicU64,
    pub(super) came: AtomicU64,
}

impl Witness {
    pub(super) fn new() -> Arc<Self> {
        let clock = SystemClock::new();
        Arc::new(Self {
            ledger: Arc::new(Ledger::new(2, INSTRUMENTS)),
            latencies: Arc::new(Latencies::new(clock.wall())),
            clock,
            read: AtomicU64::new(0),
            came: AtomicU64::new(0),
        })
    }

    fn take(&self, delivered: &Delivered) -> Result<(), ClientError> {
        let now = self.clock.wall();
        for event in delivered.events() {
            let event = event?;
            let envelope = scan(event.event)?;
            let instrument = envelope.instrument.trim_start_matches('I').parse().ok();
            let load = [FLOOD, BASE].iter().find(|load| load.1 == envelope.timeframe);
            let number = envelope.key_seq.and_then(|number| u32::try_from(number).ok());
            let (Some(instrument), Some(&(load, _)), Some(number)) = (instrument, load, number)
            else {
                self.ledger.broken(|| format!("{envelope:?} was never sent"));
                continue;
            };
            self.ledger.came((load, instrument), number, event.offset.0, event.redelivered);
            if is_read(instrument) {
                self.read.fetch_add(1, Ordering::Relaxed);
                if load == BASE.0 {
                    self.latencies.came(envelope.produced_at, now);
                }
            }
            self.came.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Makes the subscriptions: the first ones are of those that read.
pub(super) async fn subscribe(client: &Client) -> Result<(), TortureError> {
    let name = |instrument: usize| format!("'I{instrument:06}'");
    for number in 0..READING + STALLED {
        let filter = match number.checked_sub(READING) {
            None => format!("instrument == {}", name(2 * number)),
            Some(stalled) => {
                let first = stalled * OF_STALLED;
                let names = (first..first + OF_STALLED).map(|place| name(2 * place + 1));
                format!("instrument in [{}]", names.collect::<Vec<_>>().join(", "))
            }
        };
        let request = json!({
            "name": subscription(number), "topics": ["analysis/**"], "start": "earliest",
            "delivery": {"stream": {}}, "filter": filter,
        });
        client.rest().create_subscription_as(&request).await?;
    }
    Ok(())
}

fn subscription(number: usize) -> String {
    format!("s-{number}")
}

/// Attaches to a subscription once it is free.
async fn attach(consumers: &Consumers, number: usize) -> Result<Consumer, ClientError> {
    let attached = async {
        loop {
            match consumers.attach(ConsumerOptions::new(subscription(number), "reader")).await {
                Err(error) if error.is(Code::SubscriptionBusy) => Timer.after(LOOK).await,
                attached => return attached,
            }
        }
    };
    soon("a free subscription", attached).await
}

/// Those that read, until they are dropped.
pub(super) struct Readers {
    tasks: JoinSet<()>,
}

impl Readers {
    pub(super) async fn attach(
        url: &str,
        numbers: std::ops::Range<usize>,
        witness: &Arc<Witness>,
    ) -> Result<Self, TortureError> {
        let mut tasks = JoinSet::new();
        let numbers: Vec<usize> = numbers.collect();
        for sharing in numbers.chunks(SHARING) {
            let consumers = Client::connect(url).await?.consumers();
            for &number in sharing {
                let consumer = attach(&consumers, number).await?;
                tasks.spawn(read(consumer, Arc::clone(witness)));
            }
        }
        Ok(Self { tasks })
    }

    /// Whether one of them has ended.
    pub(super) fn has_lost_one(&mut self) -> bool {
        self.tasks.try_join_next().is_some()
    }
}

async fn read(mut consumer: Consumer, witness: Arc<Witness>) {
    while let Some(next) = consumer.next().await {
        let done = match next {
            Ok(ConsumerEvent::Events(delivered)) => {
                let taken = witness.take(&delivered);
                // A connection that is lost meanwhile is told of by what comes next.
                let _asked = consumer.ack_up_to(delivered.last_position()).await;
                taken
            }
            Ok(ConsumerEvent::Gap(gap)) => {
                witness.ledger.broken(|| format!("a gap: {gap:?}"));
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            witness.ledger.broken(|| format!("a consumer was told {error}"));
        }
    }
}

/// Those that never read, until they are dropped.
pub(super) struct Stalled {
    /// On streams of their own, and on one that others share and read.
    _consumers: Vec<Consumer>,
    /// Whose connections nobody reads.
    _sockets: Vec<TcpStream>,
}

impl Stalled {
    /// A third of them in each way.
    pub(super) async fn attach(server: &Server) -> Result<Self, TortureError> {
        let (mut stalled, mut sockets) = (Vec::new(), Vec::new());
        let sharing = server.client().await.consumers();
        for number in READING..READING + STALLED {
            match number % 3 {
                0 => {
                    let options = ConsumerOptions::new(subscription(number), "stalled");
                    stalled.push(server.client().await.consumer(options).await?);
                }
                1 => stalled.push(attach(&sharing, number).await?),
                _ => sockets.push(stream(server, number)?),
            }
        }
        Ok(Self { _consumers: stalled, _sockets: sockets })
    }
}

/// A stream of server-sent events that is open, and that nobody reads.
fn stream(server: &Server, number: usize) -> std::io::Result<TcpStream> {
    let mut socket = TcpStream::connect(server.addr())?;
    let path = format!("/api/v1/subscriptions/{}/stream", subscription(number));
    write!(socket, "GET {path} HTTP/1.1\r\nhost: torture\r\n\r\n")?;
    let mut heard = BufReader::new(socket.try_clone()?);
    let mut line = String::new();
    while !line.contains("event: opened") {
        line.clear();
        if heard.read_line(&mut line)? == 0 {
            return Err(std::io::Error::other("the stream ended before it was open"));
        }
    }
    Ok(socket)
}
