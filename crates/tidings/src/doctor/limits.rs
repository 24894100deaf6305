//! What the system lets this process have: open files, and the size of one.

use rustix::process::{Resource, getrlimit};

use super::finding::Finding;
use crate::config::{Config, Engine};

/// Segments, journals, and whatever a process has open besides its connections.
const OTHER_FILES: u64 = 256;

/// One write may go beyond the end of a full segment.
const BEYOND_SEGMENT: u64 = 16 << 20;

pub(crate) fn check(config: &Config) -> Vec<Finding> {
    let files = getrlimit(Resource::Nofile).current;
    let mut findings = vec![open_files(files, config.limits.connections as u64)];
    if matches!(config.engine, Engine::Embedded) {
        let size = getrlimit(Resource::Fsize).current;
        findings.push(file_size(size, config.log.segment_bytes_max));
    }
    findings
}

pub(crate) fn open_files(limit: Option<u64>, connections: u64) -> Finding {
    const CHECK: &str = "open files";
    let wanted = connections + OTHER_FILES;
    let limit = limit.unwrap_or(u64::MAX);
    let found = format!("limit {limit}, {connections} connections may be open");
    let remedy =
        format!("ulimit -n {wanted}, or LimitNOFILE= in the unit, or fewer limits.connections");
    let why = "at the limit no connection is taken, and no segment can be opened";
    if limit < OTHER_FILES {
        return Finding::fail(CHECK, found, why, remedy);
    }
    if limit < wanted {
        return Finding::warn(CHECK, found, why, remedy);
    }
    let limit = if limit == u64::MAX { "unlimited".to_owned() } else { limit.to_string() };
    Finding::ok(CHECK, format!("limit {limit}, {connections} connections may be open"))
}

pub(crate) fn file_size(limit: Option<u64>, segment: u64) -> Finding {
    const CHECK: &str = "file size";
    let Some(limit) = limit else { return Finding::ok(CHECK, "unlimited") };
    let found = format!("limit {limit} bytes, a segment grows to {segment}");
    if limit >= segment.saturating_add(BEYOND_SEGMENT) {
        return Finding::ok(CHECK, found);
    }
    let why = "a write beyond it fails, and makes its journal read-only until a restart";
    Finding::fail(CHECK, found, why, "ulimit -f unlimited, or lower log.segment_bytes_max")
}
