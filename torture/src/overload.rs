//! More is published than the service can take, twice, five and ten times as much, while a tenth of its
//! consumers never read.
//!
//! Memory stays within its budget, publishers are told when to come again and nothing else, nothing that
//! was acknowledged is lost or out of order, and soon after each flood everything is as quick as before.

mod flood;
mod latencies;
mod ledger;
mod memory;
mod readers;
mod steady;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidings_e2e::{Server, metric, resident};
use tidings_event::Clock;
use tidings_telemetry::Timer;

use flood::{Flood, Told};
use memory::Memory;
use readers::{INSTRUMENTS, READING, Readers, STALLED, Stalled, Witness};
use steady::{BASE, Base, Sending};

use crate::failure::TortureError;
use crate::plan::Plan;
use crate::report::{Row, Verdict};
use crate::violation::{Failed, hold};

const PART: &str = "overload";

/// The least that there can be.
const BUDGET: u64 = 256 << 20;
/// What may come in between two looks of the service at its memory, as a part of the budget.
const ABOVE_MAX: u64 = 10;
/// How often as much as it can take is offered.
const TIMES: [u64; 3] = [2, 5, 10];
/// Of what it can take, the part that is sent all the time.
const BASE_PART: u64 = 10;
/// Parts of the time: to find out what it can take, of the base load alone, and of each flood.
const PARTS: (f64, f64, f64) = (0.05, 0.1, 0.2);
const CAPACITY_MIN: Duration = Duration::from_secs(2);
const SECONDS_MIN: usize = 5;
/// Seconds of the base load in which everything warms up.
const WARM_UP: usize = 2;
/// Within so many seconds after a flood the base load is as quick as before: for so many seconds in a row
/// 99 of 100 events come within twice the time of the slowest second before, or within the least time
/// that is told from the noise of a machine that does other things as well.
const BACK_WITHIN: usize = 10;
const IN_A_ROW: usize = 3;
const NOISE: Duration = Duration::from_millis(20);
/// Longest time in which nothing comes while something that was acknowledged has not come.
const SILENT_MAX: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(100);

/// Without these a run proves nothing.
const NEEDED: &[&str] = &["acked", "refused", "sheds"];

/// One run.
pub(crate) async fn run(plan: &Plan) -> Result<Row, TortureError> {
    let (dir, mut row) = (plan.dir.join(plan.seed.to_string()), Row::new(PART, plan.seed));
    if dir.exists() {
        std::fs::remove_dir_all(&dir).map_err(TortureError::at(&dir))?;
    }
    std::fs::create_dir_all(&dir).map_err(TortureError::at(&dir))?;
    match flooded(plan, &dir, &mut row).await {
        Ok(()) => {}
        Err(Failed::Torture(error)) => return Err(error),
        Err(Failed::Broken(how)) => {
            row.verdict = Verdict::Violated(format!("the log is in {}:\n{how}", dir.display()));
            return Ok(row);
        }
    }
    std::fs::remove_dir_all(&dir).map_err(TortureError::at(&dir))?;
    Ok(row.unless_vacuous(NEEDED))
}

/// The service, and everybody around it.
struct Run<'s> {
    server: &'s Server,
    witness: Arc<Witness>,
    flood: Flood,
    memory: Memory,
    /// What the base load has to be as quick as again.
    quick: Duration,
}

async fn flooded(plan: &Plan, dir: &Path, row: &mut Row) -> Result<(), Failed> {
    let mut command = Command::new(&plan.server);
    command.env("TIDINGS_MEMORY__BUDGET", BUDGET.to_string());
    let server = Server::start_by(command, &dir.join("data"));
    let (url, witness) = (server.url(), Witness::new());
    readers::subscribe(&server.client().await).await?;
    let mut reading = Readers::attach(url, 0..READING, &witness).await?;
    let stalled = Stalled::attach(&server).await?;
    let flood = Flood::connect(url, plan.seed, INSTRUMENTS, &witness.ledger).await?;
    let memory = Memory::watch(&server.client().await);
    let mut run =
        Run { server: &server, witness: Arc::clone(&witness), flood, memory, quick: NOISE };

    let share = |part: f64| plan.time.mul_f64(part);
    let capacity = run.capacity(share(PARTS.0).max(CAPACITY_MIN)).await?;
    let sending = Sending {
        seed: plan.seed + 1,
        instruments: INSTRUMENTS,
        rate: capacity / BASE_PART,
        ledger: Arc::clone(&witness.ledger),
        latencies: Arc::clone(&witness.latencies),
        is_read: readers::is_read,
    };
    let base = Base::begin(url, sending).await?;
    run.before(share(PARTS.1)).await?;
    let mut told = Told::default();
    for times in TIMES {
        told = run.flood(times, capacity * times, share(PARTS.2), told).await?;
        row.runs += 1;
    }
    base.end().await?;
    drop(stalled);
    let last = Readers::attach(url, READING..READING + STALLED, &witness).await?;
    let totals = run.everything_came().await?;
    hold(!reading.has_lost_one(), || "a consumer was cut off".to_owned())?;
    drop((reading, last));
    run.tell(row, &told, totals)
}

impl Run<'_> {
    fn second(&self) -> usize {
        self.witness.latencies.second(self.witness.clock.wall())
    }

    /// Waits until a second of the base load is over.
    async fn until(&self, second: usize) {
        while self.second() < second {
            Timer.after(LOOK).await;
        }
    }

    /// Events a second that are acknowledged and come to those that read, when more are always there: the
    /// second time, for the first makes topics and fills caches.
    async fn capacity(&self, time: Duration) -> Result<u64, Failed> {
        self.closed_loop(time).await?;
        let (acked, came) = self.closed_loop(time).await?;
        println!("{PART}: acknowledged {acked} events/s, {came} events/s with their delivery");
        Ok(came.max(BASE_PART))
    }

    /// Events a second that are acknowledged, and that come as well.
    async fn closed_loop(&self, time: Duration) -> Result<(u64, u64), Failed> {
        let (clock, read) = (&self.witness.clock, &self.witness.read);
        let (began, before) = (clock.monotonic(), read.load(Ordering::Relaxed));
        let told = self.flood.as_answered(time).await;
        hold(told.odd.is_empty(), || format!("producers were told {:?}", told.odd))?;
        let acked_after = clock.monotonic().saturating_sub(began);
        let mut last = (before, clock.monotonic());
        // Every second event is for one that reads.
        while (last.0 - before) * 2 < told.acked {
            Timer.after(LOOK).await;
            let (now, at) = (read.load(Ordering::Relaxed), clock.monotonic());
            if now > last.0 {
                last = (now, at);
            }
            let silent = at.saturating_sub(last.1);
            hold(silent < SILENT_MAX, || format!("{} of {told:?} came", last.0 - before))?;
        }
        let came_after = clock.monotonic().saturating_sub(began);
        let rate = |after: Duration| (told.acked as f64 / after.as_secs_f64()) as u64;
        Ok((rate(acked_after), rate(came_after)))
    }

    /// How quick the base load is when there is nothing else.
    async fn before(&mut self, time: Duration) -> Result<(), Failed> {
        let (from, latencies) = (self.second() + WARM_UP, &self.witness.latencies);
        let end = from + usize::try_from(time.as_secs()).unwrap_or(0).max(SECONDS_MIN);
        self.until(end + 1).await;
        let slowest = latencies.each(from..end).into_iter().flatten().max();
        let slowest = slowest.ok_or_else(|| Failed::Broken("the base load did not come".into()))?;
        self.quick = (2 * slowest).max(NOISE);
        let whole = [50, 99].map(|hundredths| latencies.quantile(from..end, hundredths));
        println!("{PART}: base load alone: p50, p99 {whole:?}, slowest second's p99 {slowest:?}");
        Ok(())
    }

    /// One flood, and the time after it.
    async fn flood(
        &self,
        times: u64,
        rate: u64,
        time: Duration,
        before: Told,
    ) -> Result<Told, Failed> {
        let from = self.second();
        let told = self.flood.at(rate, time).await;
        let end = self.second() + 1;
        let back = self.back_after(end).await;
        let latencies = &self.witness.latencies;
        let quantiles = [50, 99].map(|hundredths| latencies.quantile(from..end, hundredths));
        let (now, most) = resident(self.server);
        println!(
            "{PART}: {times} x: offered {} refused {} held back {} acked {} unknown {} in {time:.0?}; \
             base p50, p99 {quantiles:?}; back after {back:?} s; {} MiB resident, {} MiB at most; {}",
            told.offered,
            told.refused,
            told.held_back,
            told.acked,
            told.unknown,
            now >> 20,
            most >> 20,
            self.memory,
        );
        hold(told.odd.is_empty(), || format!("producers were told {:?}", told.odd))?;
        hold(back.is_some(), || {
            let seconds = latencies.each(end..self.second());
            format!("{times} x: not within {:?} again: {seconds:?}", self.quick)
        })?;
        Ok(before.with(told))
    }

    /// How many seconds after one the base load is as quick as before.
    async fn back_after(&self, end: usize) -> Option<usize> {
        loop {
            let now = self.second();
            let each = self.witness.latencies.each(end..now.saturating_sub(1).max(end));
            let is_quick = |p99: &Option<Duration>| p99.is_some_and(|p99| p99 <= self.quick);
            let back = each.windows(IN_A_ROW).position(|row| row.iter().all(is_quick));
            if let Some(after) = back.filter(|after| *after <= BACK_WITHIN) {
                return Some(after);
            }
            if now > end + BACK_WITHIN + IN_A_ROW + 1 {
                return None;
            }
            Timer.after(LOOK).await;
        }
    }

    /// Waits until all that was acknowledged has come.
    async fn everything_came(&self) -> Result<ledger::Totals, Failed> {
        let clock = &self.witness.clock;
        let mut last = (u64::MAX, clock.monotonic());
        loop {
            let (now, at) = (self.witness.came.load(Ordering::Relaxed), clock.monotonic());
            if now != last.0 {
                last = (now, at);
            } else {
                // It is judged when nothing new comes: that takes long.
                match self.witness.ledger.judge(&[BASE.0]) {
                    Ok(totals) => return Ok(totals),
                    Err(how) => hold(at.saturating_sub(last.1) < SILENT_MAX, || how)?,
                }
            }
            Timer.after(10 * LOOK).await;
        }
    }

    fn tell(self, row: &mut Row, told: &Told, totals: ledger::Totals) -> Result<(), Failed> {
        let (_, most) = resident(self.server);
        row.count("acked", totals.acked);
        row.count("came", totals.came);
        row.count("refused", told.refused);
        row.count("sheds", metric(self.server, "tidings_memory_sheds_total"));
        row.count("refused for memory", metric(self.server, "tidings_serve_memory_refused_total"));
        row.count("MiB resident at most", most >> 20);
        let bound = BUDGET + BUDGET / ABOVE_MAX;
        hold(most <= bound, || format!("{most} bytes were held, and the budget is {BUDGET}"))
    }
}
