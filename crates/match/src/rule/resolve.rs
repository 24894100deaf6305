//! Finds out which part of an event a path of names means.

use tidings_event::Refusal;
use tidings_event::json::did_you_mean;

use super::expression::Name;
use super::refuse::{invalid, mistyped};
use super::schema::{ENTRIES, FIGURES, PARTS, entry};
use super::syntax::{Node, Syntax};

/// One step of a path.
#[derive(Debug)]
pub(super) struct Step {
    pub at: usize,
    pub name: String,
}

/// A path of names, dots and `["…"]`; `None` for what is none.
pub(super) fn path(node: &Node) -> Result<Option<Vec<Step>>, Refusal> {
    let (of, step) = match &node.syntax {
        Syntax::Name(name) => return Ok(Some(vec![Step { at: node.at, name: name.clone() }])),
        Syntax::Select(of, word) => (of, Step { at: word.at, name: word.text.clone() }),
        Syntax::Index(of, index) => match &index.syntax {
            Syntax::Text(name) => (of, Step { at: index.at, name: name.clone() }),
            _ => {
                return Err(mistyped(index.at, "only a text may stand in brackets")
                    .with_hint("write labels[\"name\"]; for any element write \"x\" in list"));
            }
        },
        _ => return Ok(None),
    };
    let Some(mut steps) = path(of)? else {
        return Err(invalid(step.at, format!("`{}` of something without fields", step.name)));
    };
    steps.push(step);
    Ok(Some(steps))
}

/// What the path means.
pub(super) fn resolve(steps: &[Step]) -> Result<Name, Refusal> {
    let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    match *names.as_slice() {
        ["labels", name] => return Ok(Name::Label(name.into())),
        ["labels", _, ..] => return Err(beyond(steps, 2, "write labels[\"a.b\"]")),
        ["values", ref rest @ ..] => return value(steps, 1, rest),
        ["indicators", "values", ref rest @ ..] => return value(steps, 2, rest),
        ["summary", map, key] => {
            if let Some(figures) = FIGURES.iter().find(|figures| figures.name == map) {
                return Ok(Name::Figure(figures, key.into()));
            }
        }
        _ => {}
    }
    let whole = names.join(".");
    match entry(&whole) {
        Some(entry) => Ok(Name::Entry(entry)),
        None => Err(unknown(steps, &whole)),
    }
}

/// An entry of `values`, after its first `taken` steps.
fn value(steps: &[Step], taken: usize, rest: &[&str]) -> Result<Name, Refusal> {
    let hint = "write values[\"macd_12_26_9.line\"] for names with dots";
    match *rest {
        [name] => Ok(Name::Value(name.into(), &PARTS[0])),
        [name, part] => match PARTS.iter().find(|known| known.name == part) {
            Some(part) => Ok(Name::Value(name.into(), part)),
            None => Err(beyond(steps, taken + 1, hint)),
        },
        [] => Err(alone(steps, "values.rsi_14")),
        _ => Err(beyond(steps, taken + 2, hint)),
    }
}

/// A step too many.
fn beyond(steps: &[Step], index: usize, hint: &str) -> Refusal {
    let (at, name) = steps.get(index).map_or((0, ""), |step| (step.at, step.name.as_str()));
    mistyped(at, format!("there is no `{name}` in that")).with_hint(hint)
}

/// A group of names where one of them is needed.
fn alone(steps: &[Step], example: &str) -> Refusal {
    let (at, name) = steps.first().map_or((0, ""), |step| (step.at, step.name.as_str()));
    mistyped(at, format!("`{name}` has no value by itself"))
        .with_hint(format!("name one of it, such as {example}"))
}

/// A path that means nothing, at its first step that leads nowhere.
fn unknown(steps: &[Step], whole: &str) -> Refusal {
    let group = |name: &str| {
        let prefix = format!("{name}.");
        ENTRIES.iter().find(|entry| entry.name.starts_with(&prefix))
    };
    match steps {
        [one] if one.name == "labels" => return alone(steps, "labels.desk"),
        [one] if one.name == "now" => {
            return mistyped(
                one.at,
                "there is no `now`: a filter says the same of an event always",
            )
            .with_hint("compare times of the event with each other or with timestamp(\"…\")");
        }
        [one] if one.name == "patterns" => {
            return mistyped(one.at, "`patterns` is judged one by one")
                .with_hint("write pattern.type, pattern.confidence, …");
        }
        [one] => {
            if let Some(entry) = group(&one.name) {
                return alone(steps, entry.name);
            }
        }
        [map, figures, ..]
            if map.name == "summary" && FIGURES.iter().any(|f| f.name == figures.name) =>
        {
            return alone(steps, &format!("summary.{}[\"rsi_14\"]", figures.name));
        }
        _ => {}
    }
    let leads = steps.len() > 1 && steps.first().is_some_and(|step| group(&step.name).is_some());
    let at = steps.get(usize::from(leads)).map_or(0, |step| step.at);
    let refusal = mistyped(at, format!("events have no `{whole}`"));
    let groups = ["labels.", "values.", "pattern."].map(|group| group.trim_end_matches('.'));
    let near = did_you_mean(whole, ENTRIES.iter().map(|entry| entry.name).chain(groups));
    if !near.is_empty() {
        return refusal.with_hint(near);
    }
    // `rsi_14` alone is what most people write first.
    if steps.len() == 1 && whole.bytes().any(|b| b.is_ascii_digit()) {
        return refusal.with_hint(format!("indicators are values.{whole}"));
    }
    refusal
        .with_hint("docs/spec/rules.md lists the names; labels are labels.x, indicators values.x")
}
