//! All targets, by what they read.

mod block;
mod csv;
mod document;
mod event;
mod filter;
mod log;
mod members;
mod message;
mod name;
mod shape;

use crate::target::Target;

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "event_scan", run: event::scan, seeds: event::scan_seeds, tries: 20_000 },
    Target { name: "event_json", run: event::json, seeds: event::json_seeds, tries: 20_000 },
    Target { name: "body", run: block::body, seeds: block::body_seeds, tries: 20_000 },
    Target { name: "packed", run: block::packed, seeds: block::packed_seeds, tries: 20_000 },
    Target { name: "block_header", run: block::header, seeds: block::header_seeds, tries: 20_000 },
    Target {
        name: "key_notes",
        run: block::key_notes,
        seeds: block::key_notes_seeds,
        tries: 5_000,
    },
    Target { name: "topic_name", run: name::topic, seeds: name::topic_seeds, tries: 10_000 },
    Target { name: "topic_pattern", run: name::pattern, seeds: name::pattern_seeds, tries: 10_000 },
    Target { name: "filter", run: filter::compile, seeds: filter::compile_seeds, tries: 20_000 },
    Target { name: "filter_judge", run: filter::judge, seeds: filter::judge_seeds, tries: 20_000 },
    Target { name: "position", run: name::position, seeds: name::position_seeds, tries: 10_000 },
    Target { name: "event_id", run: name::event_id, seeds: name::event_id_seeds, tries: 10_000 },
    Target { name: "spelling", run: name::spelling, seeds: name::spelling_seeds, tries: 10_000 },
    Target { name: "document", run: document::run, seeds: document::seeds, tries: 10_000 },
    Target { name: "members", run: members::run, seeds: members::seeds, tries: 20_000 },
    Target { name: "problem", run: message::problem, seeds: message::problem_seeds, tries: 10_000 },
    Target { name: "framed", run: message::framed, seeds: message::framed_seeds, tries: 20_000 },
    Target { name: "message", run: message::run, seeds: message::seeds, tries: 10_000 },
    Target { name: "shape", run: shape::platform, seeds: shape::platform_seeds, tries: 10_000 },
    Target {
        name: "cloud_event",
        run: shape::structured,
        seeds: shape::structured_seeds,
        tries: 10_000,
    },
    Target { name: "dialect", run: shape::dialect, seeds: shape::dialect_seeds, tries: 10_000 },
    Target { name: "frame", run: shape::frame, seeds: shape::frame_seeds, tries: 10_000 },
    Target { name: "csv", run: csv::run, seeds: csv::seeds, tries: 5_000 },
    Target { name: "log_recovery", run: log::run, seeds: log::seeds, tries: 300 },
];

/// Files of a directory under `tests/fixtures/v1` with this extension.
fn fixtures(dir: &str, extension: &str) -> Vec<Vec<u8>> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/v1/");
    let entries = std::fs::read_dir(format!("{root}{dir}")).expect("the fixtures are there");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == extension));
    files.sort();
    files.into_iter().map(|file| std::fs::read(file).expect("readable")).collect()
}

/// Texts as inputs.
fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
