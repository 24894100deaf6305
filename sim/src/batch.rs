//! Many seeds: a process each, and what they counted added up.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tidings_event::{Clock, SystemClock};
use tidings_telemetry::Timer;
use tokio::process::Command;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use crate::arguments::Arguments;

/// A seed that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// What has to happen somewhere among enough seeds.
const NEEDED: &[&str] = &[
    "clean stops",
    "connections cut",
    "dead letters",
    "events acknowledged",
    "filters changed",
    "gaps",
    "group moves",
    "journals that met an I/O error",
    "kills",
    "power cuts in writes",
    "producers fenced",
    "redeliveries",
    "redriven",
    "repeats recognised",
    "seeks",
    "torn tails",
];
/// So many seeds are enough.
const ENOUGH: u64 = 200;

/// How one seed ended.
struct Ended {
    seed: u64,
    code: Option<i32>,
    counts: String,
    told: String,
}

#[derive(Default)]
struct Sums {
    seeds: u64,
    failed: Vec<u64>,
    vacuous: u64,
    counts: BTreeMap<String, u64>,
}

/// What a seed counted, for [`run`] to add up.
pub(crate) fn line(counts: &BTreeMap<&'static str, u64>) -> String {
    let counts: Vec<_> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
    counts.join(", ")
}

/// Runs seeds; the exit code of all of them.
pub(crate) fn run(arguments: &Arguments) -> io::Result<u8> {
    let program = std::env::current_exe()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let sums = runtime.block_on(all(program, arguments))?;
    let mut out = io::stdout().lock();
    writeln!(out, "{} seeds, {} failed, {} vacuous", sums.seeds, sums.failed.len(), sums.vacuous)?;
    for (what, count) in &sums.counts {
        writeln!(out, "{count:>10} {what}")?;
    }
    for seed in &sums.failed {
        writeln!(out, "FAILED: tidings-sim --seed {seed}")?;
    }
    let lacks = |what: &&&str| sums.counts.get(**what).copied().unwrap_or(0) == 0;
    let missing: Vec<_> = NEEDED.iter().filter(lacks).copied().collect();
    if !sums.failed.is_empty() {
        return Ok(1);
    }
    if sums.seeds >= ENOUGH && !missing.is_empty() {
        writeln!(out, "VACUOUS: no {}", missing.join(", no "))?;
        return Ok(2);
    }
    Ok(0)
}

async fn all(program: PathBuf, arguments: &Arguments) -> io::Result<Sums> {
    let (mut sums, mut running) = (Sums::default(), JoinSet::new());
    let mut seeds = arguments.seeds.clone();
    let (clock, start) = (SystemClock::new(), SystemClock::new().monotonic());
    loop {
        while running.len() < arguments.workers
            && clock.monotonic() - start < arguments.time
            && let Some(seed) = seeds.next()
        {
            running.spawn(one(program.clone(), seed));
        }
        match running.join_next().await {
            None => return Ok(sums),
            Some(ended) => sums.add(ended.map_err(io::Error::other)??)?,
        }
    }
}

async fn one(program: PathBuf, seed: u64) -> io::Result<Ended> {
    let mut command = Command::new(program);
    command.args(["--brief", "--seed", &seed.to_string()]).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(output) = Timer.limit(PATIENCE, command.output()).await else {
        let told = format!("it hangs: no end after {} s\n", PATIENCE.as_secs());
        return Ok(Ended { seed, code: None, counts: String::new(), told });
    };
    let output = output?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let code = output.status.code();
    Ok(Ended { seed, code, counts: text(output.stdout), told: text(output.stderr) })
}

impl Sums {
    fn add(&mut self, ended: Ended) -> io::Result<()> {
        self.seeds += 1;
        match ended.code {
            Some(0) => {}
            Some(2) => self.vacuous += 1,
            _ => {
                self.failed.push(ended.seed);
                let mut err = io::stderr().lock();
                writeln!(err, "== seed {}\n{}", ended.seed, ended.told)?;
            }
        }
        for part in ended.counts.trim().split(", ") {
            if let Some((count, what)) = part.split_once(' ') {
                *self.counts.entry(what.to_owned()).or_default() += count.parse().unwrap_or(0);
            }
        }
        Ok(())
    }
}
