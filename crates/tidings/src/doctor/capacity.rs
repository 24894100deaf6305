//! What the machine was measured to take: the file, and how much of it a running service uses.

use std::thread::available_parallelism;

use tidings_telemetry::Gauge;

use super::finding::Finding;
use crate::capacity::{Capacity, CapacityError};
use crate::config::Config;
use crate::scraped::value;

const CHECK: &str = "capacity";
const NOT_MEASURED: &str = "not measured; `tidings bench --here` does";

/// From so many hundredths on a service says so in its log, too.
const HIGH: f64 = 80.0;

pub(super) fn check(config: &Config) -> Finding {
    let (file, is_named) = config.capacity_file();
    let cores = available_parallelism().ok().map(|cores| cores.get() as u64);
    match Capacity::read(&file) {
        Ok(None) if is_named => {
            let found =
                format!("`admission.capacity_file` is {}, which is not there", file.display());
            let why = "the service would not start with it";
            let remedy = "measure with `tidings bench --here --capacity-file`, or take the key out";
            Finding::fail(CHECK, found, why, remedy)
        }
        read => judge(read, cores),
    }
}

pub(super) fn judge(read: Result<Option<Capacity>, CapacityError>, cores: Option<u64>) -> Finding {
    let again = "measure again with `tidings bench --here`";
    let capacity = match read {
        Ok(None) => return Finding::ok(CHECK, NOT_MEASURED),
        Ok(Some(capacity)) => capacity,
        Err(error) => {
            let why = "the service would not start with it";
            return Finding::fail(CHECK, error.to_string(), why, format!("correct it, or {again}"));
        }
    };
    match (capacity.cores, cores) {
        (Some(then), Some(now)) if then != now => {
            let found = format!("{capacity}; with {then} cores, this machine has {now}");
            let why = "what is told and refused by it is not what this machine takes";
            Finding::warn(CHECK, found, why, again)
        }
        _ => Finding::ok(CHECK, capacity.to_string()),
    }
}

/// How much a running service uses.
pub(super) fn used(metrics: &str) -> Finding {
    let capacity = value(metrics, Gauge::AdmitCapacity.name());
    let percent = value(metrics, Gauge::AdmitCapacityUsed.name());
    if capacity == 0.0 {
        return Finding::ok(CHECK, NOT_MEASURED);
    }
    let found = format!("{percent} % of {capacity} events/s used in the last 10 s");
    if percent < HIGH {
        return Finding::ok(CHECK, found);
    }
    let why =
        "acks come later and later from the measured capacity on, then publishers are refused";
    Finding::warn(CHECK, found, why, "spread the load, or use a machine that takes more")
}
