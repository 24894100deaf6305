//! The configuration reference, `docs/config.md`, made from the shipped default file.

use std::fmt::Write;

use super::DEFAULT;
use super::reloadable::RELOADABLE;

const HEAD: &str = "# Configuration\n\n\
    Made from `crates/tidings/default.toml` by a test; do not edit.\n\n\
    *Reload*: `yes` counts from `kill -HUP` on (docs/operate/reload.md), `restart` from the next\n\
    start on.\n\n";

/// The whole page.
pub(crate) fn reference() -> String {
    let mut page = HEAD.to_owned();
    let mut comment = String::new();
    let mut section = String::new();
    for line in DEFAULT.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix('#') {
            comment.push_str(text.trim());
            comment.push(if text.trim().is_empty() { '\n' } else { ' ' });
        } else if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            section = name.to_owned();
            push(
                &mut page,
                format_args!(
                    "## [{section}]\n\n| Key | Default | Reload | Meaning |\n|---|---|---|---|\n"
                ),
            );
        } else if let Some((key, value)) = line.split_once(" = ") {
            let meaning = comment.trim();
            let name = format!("{section}.{key}");
            let reload = if RELOADABLE.contains(&name.as_str()) { "yes" } else { "restart" };
            push(&mut page, format_args!("| `{name}` | `{value}` | {reload} | {meaning} |\n"));
            comment.clear();
        } else {
            let text = comment.trim().replace(" \n", "\n\n");
            if !text.is_empty() {
                push(&mut page, format_args!("{text}\n"));
            }
            page.push('\n');
            comment.clear();
        }
    }
    page
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _infallible = page.write_fmt(text);
}
