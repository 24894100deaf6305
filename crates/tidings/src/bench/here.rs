//! `tidings bench --here`: what this machine takes, and the capacity file that says so.
//!
//! A service of its own on the disk that is named, one consumer that takes everything: first as fast as
//! it goes, which is the ceiling; then steady rates below it until acks are in time; then bursts, all
//! instruments and timeframes at one instant. The load shares the machine with the service, so that a
//! service alone takes more.

use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use serde_json::json;
use tidings_client::Client;
use tidings_event::{Clock, SystemClock};
use tidings_log::SystemDisk;

use super::args::{BenchArgs, Scenario};
use super::own_server::OwnServer;
use super::pace::Schedule;
use super::report::{KEPT_UP, Percentiles, Spread};
use super::round::{Bench, Round};
use super::search::Search;
use super::{BenchError, Failure, on_a_bed, output, unsound};
use crate::capacity::{Capacity, FILE};
use crate::config::{Config, Engine, Flags};
use crate::doctor::sync_times;

/// Looks for the steady rate: after them it is known to a sixty-fourth of the ceiling.
const LOOKS: u32 = 6;

pub(super) async fn run(args: &BenchArgs, json: bool) -> Result<(), Failure> {
    let data_dir = data_dir(args)?;
    let file = args.capacity_file.clone().unwrap_or_else(|| data_dir.join(FILE));
    std::fs::create_dir_all(&data_dir)?;
    let folder = tempfile::Builder::new().prefix(".tidings-bench-").tempdir_in(&data_dir)?;
    let clock = SystemClock::new();
    let syncs = sync_times(&SystemDisk, &clock, folder.path())?;
    say(json, &format!("measuring {} for about a minute", data_dir.display()));
    let service = OwnServer::start(&folder.path().join("data")).await?;
    let client = Client::connect(&service.url).await?;
    let found =
        on_a_bed(client, args, Some(service.pid), async |bench| find(bench, args, json).await);
    let found = found.await;
    service.end().await?;
    folder.close()?;
    let found = found?;
    let capacity = Capacity {
        events_per_second: found.rate,
        measured_at: Some(clock.wall().to_string()),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        cores: available_parallelism().ok().map(|cores| cores.get() as u64),
        event_bytes: Some(found.event_bytes),
        ack_p99_ms: Some(found.ack_p99_ms),
        ack_p99_ms_max: Some(args.ack_p99.as_secs_f64() * 1e3),
        burst_events: Some(found.burst_events),
        burst_seconds: Some(found.burst_seconds),
        burst_ack_p99_ms: Some(found.burst_ack_p99_ms),
        sync_p50_us: micros_at(&syncs, 50),
        sync_p99_us: micros_at(&syncs, 99),
    };
    capacity.write(&file).map_err(Failure::failed)?;
    if json {
        return output::json(&json!({ "file": file, "capacity": capacity }));
    }
    output::line(&format!("{capacity}\nwritten to {}", file.display()))
}

/// Where the service would keep its data: as named, or as configured.
fn data_dir(args: &BenchArgs) -> Result<PathBuf, Failure> {
    let flags = Flags { data_dir: args.data_dir.clone(), ..Flags::default() };
    let config = Config::load(&flags, std::env::vars());
    let config = config.map_err(|error| Failure::Usage(error.to_string()))?;
    match config.engine {
        Engine::Embedded => Ok(config.data_dir),
        // A service of its own would take the log from the one that has it.
        Engine::Pulsar(_) => Err(Failure::Usage(
            "--here measures the embedded engine on this machine's disk, and `engine.kind` is pulsar: measure a \
             service that runs with `tidings bench --server`"
                .to_owned(),
        )),
    }
}

fn micros_at(times: &[Duration], share: usize) -> Option<u64> {
    let at = (times.len() * share / 100).min(times.len().saturating_sub(1));
    times.get(at).and_then(|took| u64::try_from(took.as_micros()).ok())
}

/// What was found out about a machine.
struct Found {
    rate: u64,
    ack_p99_ms: f64,
    event_bytes: u64,
    burst_events: u64,
    burst_seconds: f64,
    burst_ack_p99_ms: f64,
}

async fn find(bench: &mut Bench, args: &BenchArgs, json: bool) -> Result<Found, BenchError> {
    let warm = bench.warm_up(args.events).await?;
    if !warm.is_sound() {
        return Err(unsound("warm-up", warm));
    }
    let consumers = args.consumers(Scenario::Latency);
    let ceiling = ceiling(bench, args, consumers).await?;
    say(json, &format!("as fast as it goes: {ceiling} events/s"));
    let (mut search, mut steady) = (Search::below(ceiling, LOOKS), None);
    while let Some(rate) = search.next() {
        let round = bench.at_their_times(Schedule::steady(rate, args.duration), consumers).await?;
        let acks = sound(&round, &format!("{rate} events/s"))?;
        let in_time = acks.p99 <= args.ack_p99.as_secs_f64() * 1e3 && round.kept_up >= KEPT_UP;
        let word = if in_time { "in time" } else { "too late" };
        say(json, &format!("{rate} events/s: p99 of acks {:.1} ms, {word}", acks.p99));
        search.tell(rate, in_time);
        if in_time {
            steady = Some((rate, acks.p99));
        }
    }
    let (rate, ack_p99_ms) = steady.ok_or_else(|| {
        let bound = args.ack_p99.as_millis();
        BenchError::Task(format!(
            "at no rate that was tried 99 of 100 acks came within {bound} ms; see `tidings doctor`, or \
             allow more with --ack-p99"
        ))
    })?;
    let (mut seconds, mut p99s) = (Vec::new(), Vec::new());
    for number in 1..=args.rounds {
        let round = bench.round(Scenario::Burst, args).await?;
        let acks = sound(&round, &format!("burst {number}"))?;
        let (events, took) = (round.events, round.took.as_secs_f64());
        say(
            json,
            &format!(
                "burst {number}: {events} events in {took:.3} s, p99 of acks {:.1} ms",
                acks.p99
            ),
        );
        seconds.push(took);
        p99s.push(acks.p99);
    }
    let median = |numbers: Vec<f64>| Spread::of(numbers.into_iter()).map_or(0.0, |s| s.median);
    Ok(Found {
        rate,
        ack_p99_ms,
        event_bytes: bench.feed.sent.bytes / bench.feed.sent.events.max(1),
        burst_events: bench.burst(),
        burst_seconds: median(seconds),
        burst_ack_p99_ms: median(p99s),
    })
}

/// The rate that no steady load reaches: events in and out, with as many unanswered as may be.
async fn ceiling(bench: &mut Bench, args: &BenchArgs, consumers: u32) -> Result<u64, BenchError> {
    let mut rates = Vec::new();
    for number in 1..=args.rounds {
        let round = bench.fan_out(bench.burst() * 4, consumers).await?;
        round.verdicts.iter().try_for_each(|verdict| match verdict.is_sound() {
            true => Ok(()),
            false => Err(unsound(&format!("ceiling, round {number}"), *verdict)),
        })?;
        rates.push(round.rate());
    }
    Ok(Spread::of(rates.into_iter()).map_or(0, |rate| rate.median as u64))
}

/// The latencies of acks of a round whose output is as it was put in.
fn sound(round: &Round, what: &str) -> Result<Percentiles, BenchError> {
    for verdict in &round.verdicts {
        if !verdict.is_sound() {
            return Err(unsound(what, *verdict));
        }
    }
    Percentiles::of(&round.acks)
        .ok_or_else(|| BenchError::Task(format!("{what}: nothing was timed")))
}

fn say(json: bool, text: &str) {
    if !json {
        output::note(text);
    }
}
