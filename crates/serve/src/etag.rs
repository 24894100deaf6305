//! Entity tags: one text for one state of a topic or subscription, over REST and gRPC alike.
//!
//! A tag is the content's version and the log's epoch, since documents show positions. In documents
//! it stands bare, in headers in quotes; both are read.

use tidings_catalog::{Precondition, Version};
use tidings_event::{Code, Epoch, Refusal};

/// Most tags that one condition may list.
const TAGS_MAX: usize = 64;

/// The tag of a version, bare.
pub(crate) fn of(version: Version, epoch: Epoch) -> String {
    format!("{:016x}.{:x}", version.0, epoch.0)
}

/// The condition that `if-match` and `if-none-match` set for a change.
pub(crate) fn expected(
    if_match: Option<&str>,
    if_none_match: Option<&str>,
    epoch: Epoch,
) -> Result<Precondition, Refusal> {
    match (if_match.map(str::trim), if_none_match.map(str::trim)) {
        (None, None) => Ok(Precondition::None),
        (None, Some("*")) => Ok(Precondition::Absent),
        (Some("*"), None) => Ok(Precondition::Present),
        (Some(tags), None) => {
            let strong = tags_of("if-match", tags)?.into_iter().filter(|tag| !tag.weak);
            let versions = strong.filter_map(|tag| version_of(tag.text, epoch)).collect();
            Ok(Precondition::Versions(versions))
        }
        (None, Some(_)) => Err(invalid("if-none-match", "a change takes only `*`")),
        (Some(_), Some(_)) => Err(invalid("if-none-match", "`if-match` is there, too")),
    }
}

/// Whether `if-none-match` names this tag: then the reader has it already.
pub(crate) fn is_known(if_none_match: &str, tag: &str) -> Result<bool, Refusal> {
    if if_none_match.trim() == "*" {
        return Ok(true);
    }
    Ok(tags_of("if-none-match", if_none_match)?.iter().any(|given| given.text == tag))
}

struct Tag<'a> {
    text: &'a str,
    weak: bool,
}

fn tags_of<'a>(field: &str, list: &'a str) -> Result<Vec<Tag<'a>>, Refusal> {
    let mut tags = Vec::new();
    for entry in list.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let (weak, entry) = match entry.strip_prefix("W/") {
            Some(rest) => (true, rest),
            None => (false, entry),
        };
        let quoted = entry.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let text = quoted.unwrap_or(entry);
        if text.is_empty() || text.contains(['"', ' ']) {
            return Err(invalid(field, "write tags as \"…\", separated by commas"));
        }
        if tags.len() == TAGS_MAX {
            return Err(invalid(field, &format!("at most {TAGS_MAX} tags")));
        }
        tags.push(Tag { text, weak });
    }
    if tags.is_empty() {
        return Err(invalid(field, "names no tag"));
    }
    Ok(tags)
}

/// The version that a tag of this epoch stands for; other texts match nothing.
fn version_of(text: &str, epoch: Epoch) -> Option<Version> {
    let (version, rest) = text.split_once('.')?;
    let version = Version(u64::from_str_radix(version, 16).ok()?);
    (of(version, epoch) == text && !rest.is_empty()).then_some(version)
}

fn invalid(field: &str, detail: &str) -> Refusal {
    Refusal::new(Code::FieldInvalid, detail).at_field(field)
}

#[cfg(test)]
mod tests;
