//! `docs/spec/rules.md` against the compiler: its examples and its table of names.

use super::super::Filter;
use super::super::schema::{ENTRIES, Type};

const PAGE: &str = include_str!("../../../../../docs/spec/rules.md");

/// What stands between this heading and the next.
fn section(heading: &str) -> &'static str {
    let start = PAGE.find(&format!("\n## {heading}\n")).unwrap() + 4;
    let rest = &PAGE[start..];
    &rest[..rest.find("\n## ").unwrap_or(rest.len())]
}

/// The names in a row's first column; `.rest` stands for the group of the name before it.
fn names(row: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2) {
        let group = names.last().and_then(|last| last.split_once('.')).map(|(group, _)| group);
        names.push(match (name.strip_prefix('.'), group) {
            (Some(rest), Some(group)) => format!("{group}.{rest}"),
            _ => name.to_owned(),
        });
    }
    names
}

#[test]
fn examples_compile() {
    let examples = section("Examples").split("```").nth(1).unwrap().trim();
    assert!(examples.lines().count() > 10);
    for example in examples.lines() {
        if let Err(refusal) = Filter::compile(example) {
            panic!("{example}: {refusal}");
        }
    }
}

#[test]
fn every_name_is_listed_and_every_listed_name_is_one() {
    let rows: Vec<_> = section("Names").lines().filter(|l| l.starts_with("| `")).collect();
    let listed: Vec<String> = rows.iter().flat_map(|row| names(row)).collect();
    for name in &listed {
        Filter::compile(&format!("has({name})")).unwrap_or_else(|refusal| panic!("{refusal}"));
    }
    for entry in ENTRIES {
        assert!(listed.iter().any(|name| name == entry.name), "{} is not listed", entry.name);
        let Type::Choice(choices) = entry.of else { continue };
        let row = rows.iter().find(|row| names(row).iter().any(|name| name == entry.name)).unwrap();
        let all = choices.names.join(", ");
        assert!(row.contains(&all), "{}: {all}", entry.name);
        assert_eq!(row.contains("(ordered)"), choices.is_ordered, "{}", entry.name);
    }
}
