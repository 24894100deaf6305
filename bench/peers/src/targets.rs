//! What Tidings is to reach against its peers, each as a ratio of medians of one run.

use std::fmt::Write;

use tidings_bench::report::{Report, Round, spread};

use crate::contest::{Contestant, Scenario};
use crate::peer::Class;
use crate::scenarios::{ingest, one_in_flight, one_to_one, open_loop};

/// Of the offered rate; who holds less has no latency at that rate.
const HELD: f64 = 0.99;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measure {
    /// Events a second.
    Rate,
    /// The latency at a quantile, in milliseconds.
    Latency(&'static str, u16),
    /// The server's processor time, in nanoseconds an event.
    ServerTime,
}

/// How ours must stand to theirs.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// Which rivals count.
#[derive(Clone, Copy, Debug)]
enum Rivals {
    Of(Class),
    All,
    /// Of D2, and called so.
    Named(&'static str),
}

/// One row.
struct Target {
    scenario: Scenario,
    ours: &'static str,
    measure: Measure,
    rivals: Rivals,
    bound: Bound,
}

const P50: Measure = Measure::Latency("p50", 500);
const P99: Measure = Measure::Latency("p99", 990);

const fn target(
    scenario: Scenario,
    ours: &'static str,
    measure: Measure,
    rivals: Rivals,
    bound: Bound,
) -> Target {
    Target { scenario, ours, measure, rivals, bound }
}

const TARGETS: &[Target] = {
    use Bound::{AtLeast, AtMost};
    use Class::{D0, D1, D2};
    use Measure::{Rate, ServerTime};
    use Rivals::{All, Named, Of};
    use Scenario::{Ingest, OneInFlight, OneToEight, OneToOne, OpenLoop, Replay};
    &[
        target(Ingest, ingest::BLOCKS, Rate, Of(D2), AtLeast(15.0)),
        target(Ingest, ingest::BLOCKS, Rate, Of(D1), AtLeast(5.0)),
        target(Ingest, ingest::NDJSON, Rate, Of(D2), AtLeast(3.0)),
        target(OneToOne, one_to_one::FRAMED, Rate, Of(D0), AtLeast(1.0)),
        target(OneToOne, one_to_one::GRPC, Rate, Of(D0), AtLeast(1.0)),
        target(OneToEight, one_to_one::FRAMED, Rate, Of(D0), AtLeast(2.5)),
        target(OneToEight, one_to_one::GRPC, Rate, Of(D0), AtLeast(1.7)),
        target(Replay, one_to_one::FRAMED, Rate, All, AtLeast(5.0)),
        target(OpenLoop, open_loop::GRPC, P99, All, AtMost(0.2)),
        target(OneInFlight, one_in_flight::GRPC, P50, Named("Redis"), AtMost(0.8)),
        target(Ingest, ingest::BLOCKS, ServerTime, Named("Kafka"), AtMost(0.2)),
        target(OneToOne, one_to_one::FRAMED, ServerTime, Named("Kafka"), AtMost(0.2)),
    ]
};

/// The table of targets, of what this run has.
pub(crate) fn table(report: &Report, rate: u64) -> String {
    let mut text = String::from(
        "| target | ours | best peer | ratio | asked | met |\n|---|---|---|---|---|---|\n",
    );
    for target in TARGETS {
        if let Some(row) = target.row(report, rate) {
            text += &row;
        }
    }
    text + "\n"
}

impl Target {
    fn row(&self, report: &Report, rate: u64) -> Option<String> {
        let all = self.scenario.contestants();
        let ours = all.iter().find(|c| c.is_ours() && c.who == self.ours)?;
        let ours = self.measure.median(report.rounds(&ours.title(self.scenario)))?;
        let (best, theirs) = self.best(&all, report, rate)?;
        let ratio = ours / theirs;
        let (asked, met) = self.bound.judge(ratio);
        let mut row = String::new();
        // Writing to a String cannot fail.
        let _infallible = writeln!(
            row,
            "| {}, {}: {} | {} | {} ({:?}): {} | {ratio:.2} | {asked} | {} |",
            self.scenario.title(),
            self.ours,
            self.measure.name(),
            self.measure.show(ours),
            best.who,
            best.class,
            self.measure.show(theirs),
            if met { "yes" } else { "no" },
        );
        Some(row)
    }

    /// The rival that is hardest to beat.
    fn best<'a>(
        &self,
        all: &'a [Contestant],
        report: &Report,
        rate: u64,
    ) -> Option<(&'a Contestant, f64)> {
        let rivals = all.iter().filter(|c| !c.is_ours() && self.rivals.has(c));
        let found = rivals.filter_map(|rival| {
            let rounds = report.rounds(&rival.title(self.scenario));
            let held = Measure::Rate.median(rounds)? >= HELD * rate as f64;
            if self.scenario == Scenario::OpenLoop && !held {
                return None;
            }
            Some((rival, self.measure.median(rounds)?))
        });
        match self.bound {
            Bound::AtLeast(_) => found.max_by(|one, other| one.1.total_cmp(&other.1)),
            Bound::AtMost(_) => found.min_by(|one, other| one.1.total_cmp(&other.1)),
        }
    }
}

impl Rivals {
    fn has(self, rival: &Contestant) -> bool {
        match self {
            Self::Of(class) => rival.class == class,
            Self::All => true,
            Self::Named(name) => rival.class == Class::D2 && rival.who.starts_with(name),
        }
    }
}

impl Measure {
    fn median(self, rounds: &[Round]) -> Option<f64> {
        let of = |round: &Round| match self {
            Self::Rate => Some(round.rate()),
            Self::Latency(_, thousandths) => {
                let latency = round.latency(f64::from(thousandths) / 1e3)?;
                Some(latency.as_secs_f64() * 1e3)
            }
            Self::ServerTime => Some(round.server_nanos()),
        };
        let values: Vec<f64> = rounds.iter().filter_map(of).collect();
        (!values.is_empty()).then(|| spread(values).median)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Rate => "events a second",
            Self::Latency(name, _) => name,
            Self::ServerTime => "server time an event",
        }
    }

    fn show(self, value: f64) -> String {
        match self {
            Self::Rate => format!("{value:.0}"),
            Self::Latency(..) => format!("{value:.2} ms"),
            Self::ServerTime => format!("{value:.0} ns"),
        }
    }
}

impl Bound {
    fn judge(self, ratio: f64) -> (String, bool) {
        match self {
            Self::AtLeast(least) => (format!(">= {least}"), ratio >= least),
            Self::AtMost(most) => (format!("<= {most}"), ratio <= most),
        }
    }
}

#[cfg(test)]
mod tests;
