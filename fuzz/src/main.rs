//! Tries targets for as long as one likes: `tidings-fuzz [TARGET] [--minutes N] [--seed N]`, `--list`.

use std::process::ExitCode;
use std::time::Duration;

use tidings_event::{Clock, SystemClock};
use tidings_fuzz::{TARGETS, Target, hunt};

const USAGE: &str = "usage: tidings-fuzz [TARGET] [--minutes N] [--seed N] | --list";

/// What the command line says.
struct Wanted {
    target: Option<String>,
    minutes: u64,
    seed: u64,
    /// Only name the targets.
    list: bool,
}

fn main() -> ExitCode {
    let Some(wanted) = wanted(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if wanted.list {
        TARGETS.iter().for_each(|target| println!("{}", target.name));
        return ExitCode::SUCCESS;
    }
    let chosen = |target: &&Target| wanted.target.as_ref().is_none_or(|name| name == target.name);
    let targets: Vec<&Target> = TARGETS.iter().filter(chosen).collect();
    if targets.is_empty() {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!("no such target; there are {}", names.join(", "));
        return ExitCode::from(2);
    }
    let clock = SystemClock::new();
    let each = Duration::from_secs(wanted.minutes * 60) / u32::try_from(targets.len()).unwrap_or(1);
    for target in targets {
        let end = clock.monotonic() + each;
        let mut tries = 0;
        hunt(target, wanted.seed, |tried| {
            tries = tried;
            clock.monotonic() < end
        });
        println!("{:>16}: {tries} tries, nothing found", target.name);
    }
    ExitCode::SUCCESS
}

fn wanted(mut words: impl Iterator<Item = String>) -> Option<Wanted> {
    let mut wanted = Wanted { target: None, minutes: 1, seed: rand::random(), list: false };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--minutes" => wanted.minutes = words.next()?.parse().ok()?,
            "--seed" => wanted.seed = words.next()?.parse().ok()?,
            "--list" => wanted.list = true,
            name if !name.starts_with('-') => wanted.target = Some(name.to_owned()),
            _ => return None,
        }
    }
    Some(wanted)
}
