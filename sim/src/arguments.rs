//! The command line.

use std::ops::Range;
use std::time::Duration;

pub(crate) const USAGE: &str = "\
Usage: tidings-sim --seed N
       tidings-sim --seeds FROM..TO [--workers N] [--seconds N]

Simulates the delivery core and judges what its clients saw.

  --seed N          one seed: its history on stdout, its verdict on stderr
  --seeds FROM..TO  many seeds, a process each: a table of what happened, and every seed that failed
  --workers N       processes at a time (1)
  --seconds N       no seed is begun after so long

Exit codes: 0 valid, 1 violated, 2 vacuous (too little happened to prove anything), 64 wrong usage.
";

/// What is asked.
pub(crate) enum Asked {
    Help,
    One { seed: u64, is_brief: bool },
    Many(Arguments),
}

/// Many seeds.
pub(crate) struct Arguments {
    pub(crate) seeds: Range<u64>,
    pub(crate) workers: usize,
    /// No seed is begun after so long.
    pub(crate) time: Duration,
}

impl Arguments {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Asked, String> {
        let (mut one, mut many, mut workers, mut is_brief) = (None, None, 1, false);
        let mut time = Duration::MAX;
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "-h" | "--help" => return Ok(Asked::Help),
                "--brief" => is_brief = true,
                "--seed" => one = Some(number(&value()?)?),
                "--workers" => workers = number(&value()?)?.clamp(1, 64),
                "--seconds" => time = Duration::from_secs(number(&value()?)?),
                "--seeds" => {
                    let text = value()?;
                    let ends = text.split_once("..").ok_or("--seeds is FROM..TO")?;
                    many = Some(number(ends.0)?..number(ends.1)?);
                }
                _ => return Err(format!("{word} is not an option; see --help")),
            }
        }
        let workers = usize::try_from(workers).unwrap_or(1);
        match (one, many) {
            (Some(seed), None) => Ok(Asked::One { seed, is_brief }),
            (None, Some(seeds)) => Ok(Asked::Many(Self { seeds, workers, time })),
            _ => Err("either --seed or --seeds; see --help".to_owned()),
        }
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number"))
}
