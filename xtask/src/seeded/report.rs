//! The table of what became of the bugs: on the terminal, and in `bench/results/seeded-bugs.md`.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::bugs::first_line;
use super::{Row, Verdict};
use crate::steps::Failure;

const PATH: &str = "bench/results/seeded-bugs.md";

/// One row, for the terminal.
pub(crate) fn line(row: &Row<'_>) -> String {
    let (word, why) = match &row.verdict {
        Verdict::Caught(words) => ("caught", words),
        Verdict::Missed(why) => ("NOT CAUGHT", why),
    };
    let (id, name, seconds) = (&row.bug.id, &row.bug.name, row.took.as_secs_f64());
    format!("{id} {word:<10} {seconds:>6.1} s  {name}: {why}")
}

/// Writes the page about the tree of a commit.
pub(crate) fn write(root: &Path, rows: &[Row<'_>], commit: &str) -> Result<(), Failure> {
    let path = root.join(PATH);
    let text = page(rows, commit);
    fs::write(&path, text)
        .map_err(|source| Failure::File { path: path.display().to_string(), source })
}

/// The commit that is checked out, and its day.
pub(crate) fn commit(root: &Path) -> String {
    let asked = ["show", "--no-patch", "--format=%h of %cs", "HEAD"];
    let output = Command::new("git").args(asked).current_dir(root).output();
    output.map_or_else(|_| "an unknown commit".into(), |output| first_line(&output.stdout))
}

/// The page's text.
pub(crate) fn page(rows: &[Row<'_>], commit: &str) -> String {
    let caught = rows.iter().filter(|row| matches!(row.verdict, Verdict::Caught(_))).count();
    let mut text = format!(
        "# Seeded bugs\n\n{caught} of {} caught, at {commit}. Written by `cargo xtask seeded-bugs`: each patch of\n\
         `torture/seeded` is put into a copy of the tree, and the test that is named for it has to fail there; all\n\
         of these tests pass without the patches. The time is that of building and running.\n\n\
         | | Bug | Breaks | Caught by | It says | Time |\n|---|---|---|---|---|---|\n",
        rows.len()
    );
    for Row { bug, verdict, took } in rows {
        let says = match verdict {
            Verdict::Caught(words) => words.clone(),
            Verdict::Missed(why) => format!("**not caught**: {why}"),
        };
        let also = if bug.also.is_empty() { String::new() } else { format!("; {}", bug.also) };
        // Writing to a String cannot fail.
        let _infallible = writeln!(
            text,
            "| {} | {} | {} | `{}`: `{}`{also} | {} | {:.0} s |",
            bug.id,
            cell(&bug.name),
            cell(&bug.breaks),
            bug.package,
            bug.test,
            cell(&says),
            took.as_secs_f64()
        );
    }
    text
}

/// Text that does not end a cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['<', '>'], "'")
}
