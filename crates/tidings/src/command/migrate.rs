//! `tidings migrate`: moves an embedded log to Pulsar. It is verified, copied, read again, and found equal.

mod show;

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tidings_event::{Clock, SystemClock};
use tidings_log::migration::{Compared, MigrationError, Progress, compare, copy, missing, total};
use tidings_log::{CheckError, ClosedLog, OpenError, SystemDisk};
use tidings_log_pulsar::{Import, OpenError as PulsarError, PulsarOptions};
use tidings_telemetry::{LogFormat, Recorder};

use crate::build::log::{refused, sizes};
use crate::cli::MigrateArgs;
use crate::command::check;
use crate::config::{Config, Engine, EngineKind, Flags};
use crate::failure::Failure;
use crate::moved::Moved;
use crate::output;
use show::Show;

pub(super) async fn run(args: MigrateArgs, as_json: bool) -> Result<(), Failure> {
    let flags = Flags {
        config: args.config,
        data_dir: args.from,
        // Where the log is to go, whoever has it now.
        engine: Some(EngineKind::Pulsar),
        ..Flags::default()
    };
    let config = Config::load(&flags, std::env::vars());
    let config = config.map_err(|error| Failure::Usage(error.to_string()))?;
    let Engine::Pulsar(options) = &config.engine else {
        return Err(Failure::Usage("`engine.kind` is not pulsar".to_owned()));
    };
    let _level = tidings_telemetry::start_logs("warn", LogFormat::Text)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let (queue_bytes_max, _) = sizes(&config);
    // Nobody reads on what was written last.
    let options = PulsarOptions { queue_bytes_max, ring_bytes: 0, ..(**options).clone() };
    let show = Show::new(as_json);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let source = verified(&config.data_dir, &clock, &show).await?;
    judge(&source, args.accept_damage, &config.data_dir, as_json)?;
    let moving = Moving { source, dir: &config.data_dir, options, clock, show };
    let outcome = moving.all().await?;
    moving.tell(&outcome, &config)
}

/// What came of it.
enum Outcome {
    /// All of it is there.
    Moved { copied: (u64, u64), compared: Compared },
    /// It was there before.
    Before,
}

/// Opens the source, which takes as long as its disk takes to read all of it.
async fn verified(dir: &Path, clock: &Arc<dyn Clock>, show: &Show) -> Result<ClosedLog, Failure> {
    show.say(&format!("verifies {}", dir.display()));
    let (place, clock) = (dir.to_owned(), Arc::clone(clock));
    let open = move || ClosedLog::open(Arc::new(SystemDisk), &place, clock);
    let opened = tokio::task::spawn_blocking(open).await.map_err(Failure::failed)?;
    opened.map_err(|error| match error {
        CheckError::NotALog(_) => {
            Failure::Usage(format!("{error}; name the one to move with --from"))
        }
        CheckError::Open(OpenError::Damaged { .. }) => Failure::Damaged(error.to_string()),
        CheckError::Open(OpenError::Locked(_)) => Failure::Failed(format!(
            "{} is in use by another process: stop the service before its log is moved",
            dir.display()
        )),
        CheckError::Open(_) => Failure::failed(error),
    })
}

/// Refuses a damaged source, unless that is accepted; names what is lost in either case.
fn judge(source: &ClosedLog, is_accepted: bool, dir: &Path, as_json: bool) -> Result<(), Failure> {
    let report = source.report();
    if report.is_sound() {
        return Ok(());
    }
    let (named, missing) = (check::damaged(report), report.missing_groups);
    if as_json {
        output::json(&json!({
            "damaged": check::ranges(report),
            "missing_groups": missing,
            "unreadable": report.unreadable,
        }))?;
    } else {
        named.iter().try_for_each(|range| output::line(&format!("damaged: {range}")))?;
    }
    if is_accepted {
        return Ok(());
    }
    Err(Failure::Damaged(format!(
        "{} is damaged: {} ranges and files, {missing} groups missing; nothing was copied: restore a backup, or copy \
         the rest with --accept-damage: what is lost is told to readers as a gap, as before",
        dir.display(),
        named.len()
    )))
}

struct Moving<'a> {
    source: ClosedLog,
    dir: &'a Path,
    options: PulsarOptions,
    clock: Arc<dyn Clock>,
    show: Show,
}

impl Moving<'_> {
    fn place(&self) -> String {
        let PulsarOptions { url, tenant, namespace, .. } = &self.options;
        format!("{url}, namespace {tenant}/{namespace}")
    }

    /// Opens the target, as it is by now.
    async fn target(&self) -> Result<Import, PulsarError> {
        let (options, clock) = (self.options.clone(), Arc::clone(&self.clock));
        Import::open(self.source.origin(), options, clock, Recorder::new()).await
    }

    async fn all(&self) -> Result<Outcome, Failure> {
        let (blocks, bytes) = total(&self.source);
        self.show.say(&format!("moves {blocks} blocks, {bytes} bytes, to {}", self.place()));
        let target = match self.target().await {
            Err(PulsarError::Finished { .. }) => return Ok(Outcome::Before),
            opened => opened.map_err(|error| refused(&error))?,
        };
        let (left, progress) = (missing(&self.source, &target), Progress::default());
        if left.0 < blocks {
            self.show.say(&format!("goes on: {} blocks are there", blocks - left.0));
        }
        let copying = copy(&self.source, &target, &progress);
        let copied = self.show.watch(&*self.clock, "copy", left, &progress, copying).await;
        // Also after an error: what was taken is stored, and need not be copied again.
        target.close().await;
        copied.map_err(|error| self.failed(&error))?;
        // As the service will find it.
        let target = self.target().await.map_err(|error| refused(&error))?;
        let progress = Progress::default();
        let comparing = compare(&self.source, &target, &progress);
        let all = (blocks, bytes);
        let compared = self.show.watch(&*self.clock, "compare", all, &progress, comparing).await;
        let compared = compared.map_err(|error| self.failed(&error));
        let finished = match &compared {
            Ok(_) => target.finish().await.map_err(Failure::failed),
            Err(_) => Ok(()),
        };
        target.close().await;
        finished?;
        Ok(Outcome::Moved { copied: left, compared: compared? })
    }

    /// Why it did not come to an end, and what to do.
    fn failed(&self, error: &MigrationError) -> Failure {
        let remedy = match error {
            MigrationError::Source { .. } => {
                "`tidings check` says more of the source; the same command goes on"
            }
            MigrationError::Target { .. }
            | MigrationError::Refused { .. }
            | MigrationError::Failed { .. } => {
                "`tidings doctor` looks at the cluster; the same command goes on"
            }
            MigrationError::Ahead { .. } | MigrationError::Differs(_) => {
                "what is there is not served: delete the namespace and begin again, or name another \
                 engine.pulsar.namespace"
            }
        };
        Failure::Failed(format!("not moved to {}: {error}; {remedy}", self.place()))
    }

    /// Leaves the note, and says what was done and what is next.
    fn tell(&self, outcome: &Outcome, config: &Config) -> Result<(), Failure> {
        let at = self.clock.wall();
        let moved = match Moved::find(self.dir) {
            Some(moved) => moved,
            None => Moved::leave(self.dir, format!("{} at {at}", self.place()))?,
        };
        let file = config
            .file
            .as_ref()
            .map_or("the configuration".to_owned(), |file| file.display().to_string());
        let next = format!("set `engine.kind` to pulsar in {file}, then start the service");
        let report = self.source.report();
        if self.show.as_json {
            let of = match outcome {
                Outcome::Before => json!({ "finished": "before" }),
                Outcome::Moved { copied, compared } => json!({
                    "finished": "now",
                    "copied": { "blocks": copied.0, "bytes": copied.1 },
                    "compared": {
                        "blocks": compared.blocks,
                        "bytes": compared.bytes,
                        "partitions": compared.partitions,
                        "records": compared.records,
                    },
                    "damaged_ranges": report.damaged.len(),
                    "missing_groups": report.missing_groups,
                }),
            };
            return output::json(&json!({ "migration": of, "note": moved.file(), "next": next }));
        }
        match outcome {
            Outcome::Before => output::line(&format!("was moved to {} before", self.place()))?,
            Outcome::Moved { copied, compared } => {
                let Compared { blocks, bytes, partitions, records } = compared;
                output::line(&format!("copied {} blocks, {} bytes", copied.0, copied.1))?;
                output::line(&format!(
                    "equal: {blocks} blocks with {bytes} bytes, bounds of {partitions} partitions, {records} records of \
                     tables"
                ))?;
                if !report.is_sound() {
                    let (ranges, groups) = (report.damaged.len(), report.missing_groups);
                    output::line(&format!("lost, as before: {ranges} ranges, {groups} groups"))?;
                }
            }
        }
        output::line(&format!("next: {next}"))?;
        output::line(&format!(
            "to go back: {} was not changed; {} keeps the service from opening it until it is removed",
            self.dir.display(),
            moved.file().display()
        ))
    }
}
