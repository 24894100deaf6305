//! `tidings check`: verifies a data directory offline.

use std::path::PathBuf;

use serde_json::{Value, json};
use tidings_log::{CheckError, CheckReport, DamagedRange, SystemDisk};

use crate::cli::CheckArgs;
use crate::config::{Config, Engine, Flags};
use crate::failure::Failure;
use crate::output;

/// What a log on Pulsar is verified with.
const ON_PULSAR: &str = "`engine.kind` is pulsar: that log has no directory. Its bodies are verified whenever they are \
                         read, `tidings doctor` examines the cluster, and BookKeeper's own tools its disks";

/// The directory to verify, and what to say where it holds no log.
fn directory(args: &CheckArgs) -> Result<(PathBuf, Option<&'static str>), Failure> {
    let flags = Flags { config: args.config.clone(), ..Flags::default() };
    let config = Config::load(&flags, std::env::vars());
    let on_pulsar = |config: &Config| matches!(config.engine, Engine::Pulsar(_));
    if let Some(named) = &args.data_dir {
        // A directory is verified whatever the configuration says, also when nothing can be made of that.
        let hint = config.ok().as_ref().filter(|config| on_pulsar(config)).map(|_| ON_PULSAR);
        return Ok((named.clone(), hint));
    }
    let config = config.map_err(|error| Failure::Usage(error.to_string()))?;
    if on_pulsar(&config) {
        return Err(Failure::Usage(ON_PULSAR.to_owned()));
    }
    Ok((config.data_dir, None))
}

/// What is lost, by name.
pub(super) fn damaged(report: &CheckReport) -> Vec<String> {
    let range = |range: &DamagedRange| {
        format!("topic/partition {} offsets {}..={}", range.partition, range.from, range.to)
    };
    let files = report.unreadable.iter().map(|file| format!("file {}", file.display()));
    report.damaged.iter().map(range).chain(files).collect()
}

/// Lost offsets, as documents.
pub(super) fn ranges(report: &CheckReport) -> Vec<Value> {
    let range = |range: &DamagedRange| {
        json!({
            "topic_id": range.partition.topic.0,
            "partition": range.partition.partition.0,
            "from": range.from.0,
            "to": range.to.0,
        })
    };
    report.damaged.iter().map(range).collect()
}

pub(super) fn run(args: &CheckArgs, as_json: bool) -> Result<(), Failure> {
    let (data_dir, hint) = directory(args)?;
    let report = tidings_log::check(&SystemDisk, &data_dir).map_err(|error| match error {
        CheckError::NotALog(_) => {
            let hint = hint.map_or_else(String::new, |hint| format!("; {hint}"));
            Failure::Usage(format!("{error}{hint}"))
        }
        CheckError::Open(tidings_log::OpenError::Damaged { .. }) => {
            Failure::Damaged(error.to_string())
        }
        CheckError::Open(_) => Failure::failed(error),
    })?;
    let named = damaged(&report);
    if as_json {
        output::json(&json!({
            "sound": report.is_sound(),
            "segments": report.segments,
            "groups": report.groups,
            "blocks": report.blocks,
            "missing_groups": report.missing_groups,
            "damaged": ranges(&report),
            "unreadable": report.unreadable,
        }))?;
    } else {
        let (segments, groups, blocks) = (report.segments, report.groups, report.blocks);
        output::line(&format!("{segments} segments, {groups} groups, {blocks} blocks"))?;
        for range in &named {
            output::line(&format!("damaged: {range}"))?;
        }
        if report.is_sound() {
            output::line("sound")?;
        }
    }
    if report.is_sound() {
        return Ok(());
    }
    let missing = report.missing_groups;
    let detail = format!(
        "{} is damaged: {} ({missing} groups missing)",
        data_dir.display(),
        named.join("; ")
    );
    Err(Failure::Damaged(detail))
}
