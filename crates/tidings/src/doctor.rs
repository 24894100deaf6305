//! `tidings doctor`: whether this machine, this data directory or Pulsar, and a running service can keep
//! the promise; what is wrong, why it matters, what to do.

mod capacity;
mod clock;
mod directory;
mod edges;
mod filesystem;
mod finding;
mod limits;
mod members;
mod memory;
mod online;
mod port;
mod pulsar;
mod space;
mod sync_speed;

use std::path::Path;

use tidings_event::{Clock, SystemClock};
use tidings_log::SystemDisk;

use crate::cli::DoctorArgs;
use crate::config::{Config, Engine, Flags};
use crate::failure::Failure;
use crate::output;
use finding::{Finding, Report, Verdict};
pub(crate) use sync_speed::measure as sync_times;

/// Carries out the checks that were asked for and says what they found.
pub(crate) async fn run(args: DoctorArgs, json: bool) -> Result<(), Failure> {
    let mut report = Report::default();
    let of_this_machine = args.server.is_none() || args.data_dir.is_some() || args.config.is_some();
    if of_this_machine {
        offline(&args, &mut report).await;
    }
    let asked = match &args.server {
        Some(server) => online::check(server, &mut report).await,
        None => Ok(()),
    };
    if json {
        output::json(&report.document())?;
    } else {
        report.lines().iter().try_for_each(|line| output::line(line))?;
    }
    asked?;
    match report.failed() {
        0 => Ok(()),
        failed => Err(Failure::Failed(format!("{failed} checks failed"))),
    }
}

async fn offline(args: &DoctorArgs, report: &mut Report) {
    let clock = SystemClock::new();
    let began = (clock.wall(), clock.monotonic());
    report.add(versions());
    let flags = Flags {
        config: args.config.clone(),
        addr: args.addr.clone(),
        data_dir: args.data_dir.clone(),
        insecure: false,
        engine: None,
    };
    let config = match Config::load(&flags, std::env::vars()) {
        Ok(config) => config,
        Err(error) => {
            let why = "the service would not start with it";
            report.add(Finding::fail("configuration", error.to_string(), why, "correct it"));
            return;
        }
    };
    let file = config.file.as_ref().map_or("defaults".to_owned(), |f| f.display().to_string());
    report.add(Finding::ok("configuration", file));
    let is_ours: port::IsOurs = match &config.engine {
        Engine::Embedded => {
            let holder = on_disk(&config, &clock, report);
            Box::new(move |pid, _| holder == Some(pid))
        }
        Engine::Pulsar(options) => {
            let found = pulsar::check(options, &clock).await;
            let is_reached = found.iter().all(|finding| finding.verdict < Verdict::Fail);
            report.extend(found);
            if is_reached {
                report.extend(members::check(options, config.cluster.as_ref(), &clock).await);
            }
            // There is no lock that would name it.
            Box::new(|_, name| name == env!("CARGO_BIN_NAME"))
        }
    };
    report.extend(edges::check(&config).await);
    report.add(capacity::check(&config));
    report.extend(limits::check(&config));
    report.add(memory::check(&config));
    report.add(port::check(config.addr, &is_ours));
    report.extend(clock::check(&clock, began).await);
}

/// What keeps the embedded log. The process that has it, if one does.
fn on_disk(config: &Config, clock: &dyn Clock, report: &mut Report) -> Option<u32> {
    let disk = SystemDisk;
    let holder = directory::holder(&config.data_dir);
    let place = directory::nearest(&config.data_dir);
    report.extend(directory::check(&disk, &config.data_dir, holder));
    report.extend(space::check(&disk, place, config));
    report.add(filesystem::check(place));
    report.add(sync_speed::check(&disk, clock, place));
    holder
}

fn versions() -> Finding {
    let kernel = read(Path::new("/proc/sys/kernel/osrelease"));
    let kernel = if kernel.is_empty() { "unknown" } else { kernel.trim() };
    Finding::ok("versions", format!("tidings {}, kernel {kernel}", env!("CARGO_PKG_VERSION")))
}

/// A small file of the system; empty where it has none.
fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests;
