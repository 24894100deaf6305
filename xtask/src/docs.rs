//! The generated pages: one per error code, and the metrics reference.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use tidings_event::Code;
use tidings_telemetry::{Counter, Gauge, Latency};

use crate::steps::Failure;

/// Writes every generated page.
pub(crate) fn write(root: &Path) -> Result<(), Failure> {
    for (path, text) in pages() {
        let path = root.join(path);
        let failed = |source| Failure::File { path: path.display().to_string(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        fs::write(&path, text).map_err(failed)?;
    }
    Ok(())
}

/// Path, relative to the root, and text of every generated page.
pub(crate) fn pages() -> BTreeMap<PathBuf, String> {
    let mut pages: BTreeMap<PathBuf, String> =
        Code::ALL.iter().map(|&code| (error_path(code), error_page(code))).collect();
    pages.insert("docs/errors/README.md".into(), error_index());
    pages.insert("docs/metrics.md".into(), metrics_page());
    pages
}

fn error_path(code: Code) -> PathBuf {
    format!("docs/errors/{code}.md").into()
}

fn error_page(code: Code) -> String {
    let meaning = code.meaning().lines().map(str::trim).collect::<Vec<_>>().join("\n");
    format!(
        "# {code}\n\n{title}\n\n{meaning}\n\n| HTTP status | gRPC status |\n|---|---|\n| {status} | {grpc:?} |\n",
        title = code.title(),
        status = code.http_status(),
        grpc = code.grpc(),
    )
}

fn error_index() -> String {
    let mut text = String::from(
        "# Error codes\n\nEvery refusal carries one of these, on every door. A code is never reused and never\nchanges its meaning. Written by `cargo xtask docs` from `crates/event/src/code.rs`.\n\n| Code | HTTP | Title |\n|---|---|---|\n",
    );
    for &code in Code::ALL {
        line(
            &mut text,
            format_args!("| [{code}]({code}.md) | {} | {} |", code.http_status(), code.title()),
        );
    }
    text
}

fn metrics_page() -> String {
    let mut text = String::from(
        "# Metrics\n\n`GET /metrics` answers OpenMetrics text. Written by `cargo xtask docs` from\n`crates/telemetry/src/names.rs`.\n\nA name ends in its unit, before `_total`: `seconds`, `bytes`, or the things that are counted. There\nare no labels but the `le` of histograms: no name, topic or address of a client becomes a series, so\nthat their number never grows.\n\n| Metric | Kind | What it tells |\n|---|---|---|\n",
    );
    for counter in Counter::ALL {
        line(&mut text, format_args!("| `{}` | counter | {} |", counter.name(), counter.help()));
    }
    for gauge in Gauge::ALL {
        line(&mut text, format_args!("| `{}` | gauge | {} |", gauge.name(), gauge.help()));
    }
    for latency in Latency::ALL {
        line(&mut text, format_args!("| `{}` | histogram | {} |", latency.name(), latency.help()));
    }
    text
}

fn line(text: &mut String, args: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _infallible = text.write_fmt(args);
    text.push('\n');
}
