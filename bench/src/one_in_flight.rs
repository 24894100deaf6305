//! One event at a time: from its sending to its acknowledgement, which says that it is durable.

use tidings_client::{Client, PublisherOptions};
use tidings_event::{Clock, SystemClock};
use tidings_market::load::{Load, LoadOptions};

use crate::meter::Meter;
use crate::process::Server;
use crate::report::{Report, Round};
use crate::{Args, BenchError, open_loop};

/// Runs so many events one by one, a thousandth of a bulk round.
pub(crate) async fn run(args: &Args, report: &mut Report) -> Result<(), BenchError> {
    for _ in 0..args.rounds {
        let events = (args.events / 1_000).max(1);
        let round = one(args, events).await?;
        println!("one in flight: {:?}", round.latencies);
        report.add("one in flight, durable", round);
    }
    Ok(())
}

/// One round of so many events.
///
/// # Errors
/// When the service refuses an event or knows it already.
pub async fn one(args: &Args, events: u64) -> Result<Round, BenchError> {
    let server = Server::start(&args.server).await?;
    let client = Client::connect(&server.url).await?;
    let publisher = client.publisher(PublisherOptions::sequenced("bench")).await?;
    let mut load = Load::new(LoadOptions::DENSE);
    let (mut histogram, clock) = (open_loop::empty()?, SystemClock::new());
    let meter = Meter::start(&server)?;
    for _ in 0..events {
        let event = load.next_event(clock.wall());
        let sent = clock.monotonic();
        let placed = publisher.send(event.bytes).await?.await?;
        let took = clock.monotonic().saturating_sub(sent);
        if placed.duplicate {
            return Err(BenchError::Check("an event was taken for one that was there".into()));
        }
        histogram.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }
    let latencies = open_loop::quantiles(&histogram);
    let round = Round { latencies, ..meter.stop(&server, events)? };
    server.stop().await?;
    Ok(round)
}
