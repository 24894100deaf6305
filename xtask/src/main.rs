//! Development commands, run as `cargo xtask COMMAND`.

mod bench;
mod ci;
mod docs;
mod fuzz;
mod gate;
mod install;
mod pulsar;
mod seeded;
mod simulation;
mod steps;
mod test;
mod tidy;
mod torture;

use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  tidy          check sizes, names, layers, first lines, and that docs and code agree
  docs          write the generated pages: docs/errors, docs/metrics.md
  test          run every test once, under coverage, end-to-end tests included
  fuzz          [TARGET] [--minutes N]: libFuzzer over the parsers of outside bytes
  torture       [PART..] [--minutes N] [--seed S]: harm the release binary, judge what it does
  seeded-bugs   [--only NN..]: put bugs into a copy of the tree; the tests named for them must fail
  bench         --peers [--rounds N] [--only SCENARIO,..]: the release binary beside its peers, in turns
  gate          [--renew] [--case NAME]: what an event costs, against bench/gate/baseline.json
  pulsar        up|down|status|token: a real Apache Pulsar on loopback, for the tests of its engine
  ci            everything that decides what lands: fmt, clippy, tidy, deny, audit, test
";

fn main() -> ExitCode {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let outcome = match std::env::args().nth(1).as_deref() {
        Some("tidy") => tidy::run(&root),
        Some("docs") => docs::write(&root),
        Some("test") => test::run(&root),
        Some("fuzz") => fuzz::run(&root, &std::env::args().skip(2).collect::<Vec<_>>()),
        Some("torture") => torture::run(&root, &std::env::args().skip(2).collect::<Vec<_>>()),
        Some("seeded-bugs") => seeded::run(&root, &std::env::args().skip(2).collect::<Vec<_>>()),
        Some("bench") => bench::run(&root, &std::env::args().skip(2).collect::<Vec<_>>()),
        Some("gate") => gate::run(&root, &std::env::args().skip(2).collect::<Vec<_>>()),
        Some("pulsar") => pulsar::run(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("ci") => ci::run(&root),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}
