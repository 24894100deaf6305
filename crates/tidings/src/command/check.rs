//! `tidings check`: verifies a data directory offline.

use serde_json::json;
use tidings_log::{CheckError, SystemDisk};

use crate::cli::CheckArgs;
use crate::failure::Failure;
use crate::output;

pub(super) fn run(args: &CheckArgs, as_json: bool) -> Result<(), Failure> {
    let report = tidings_log::check(&SystemDisk, &args.data_dir).map_err(|error| match error {
        CheckError::NotALog(_) => Failure::Usage(error.to_string()),
        CheckError::Open(tidings_log::OpenError::Damaged { .. }) => {
            Failure::Damaged(error.to_string())
        }
        CheckError::Open(_) => Failure::failed(error),
    })?;
    let ranges = report.damaged.iter();
    let named: Vec<_> = ranges
        .map(|range| {
            format!("topic/partition {} offsets {}..={}", range.partition, range.from, range.to)
        })
        .chain(report.unreadable.iter().map(|file| format!("file {}", file.display())))
        .collect();
    if as_json {
        output::json(&json!({
            "sound": report.is_sound(),
            "segments": report.segments,
            "groups": report.groups,
            "blocks": report.blocks,
            "missing_groups": report.missing_groups,
            "damaged": report.damaged.iter().map(|range| json!({
                "topic_id": range.partition.topic.0,
                "partition": range.partition.partition.0,
                "from": range.from.0,
                "to": range.to.0,
            })).collect::<Vec<_>>(),
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
        args.data_dir.display(),
        named.join("; ")
    );
    Err(Failure::Damaged(detail))
}
