//! Layers of configuration as tables: reading a file strictly, merging, the environment.

use toml::{Table, Value};

use super::{ConfigError, DEFAULT};

/// Reads a file and checks it alone: every key must exist, with a value of the right type.
pub(super) fn parse_file(file: &str, text: &str) -> Result<Table, ConfigError> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        invalid(format!("{file}:{line}"), error.message())
    })?;
    let table = flat(table);
    check_keys(file, text, &table)?;
    Ok(table)
}

/// `[engine.pulsar]`, which TOML puts inside `[engine]`, as a section of that name beside it.
fn flat(table: Table) -> Table {
    let mut sections = Table::new();
    for (name, value) in table {
        let Value::Table(keys) = value else {
            sections.insert(name, value);
            continue;
        };
        let (inner, keys): (Table, Table) = keys.into_iter().partition(|(_, v)| v.is_table());
        sections.extend(inner.into_iter().map(|(key, keys)| (format!("{name}.{key}"), keys)));
        sections.insert(name, Value::Table(keys));
    }
    sections
}

fn check_keys(file: &str, text: &str, table: &Table) -> Result<(), ConfigError> {
    // The shipped file is held to its own keys by a test.
    let known = flat(DEFAULT.parse().unwrap_or_default());
    for (section, keys) in table {
        let place = || format!("{file}:{}", line_with(text, &format!("[{section}]"), section));
        let Some(Value::Table(known_keys)) = known.get(section) else {
            return Err(unknown(place(), "section", section, known.keys()));
        };
        let Value::Table(keys) = keys else {
            return Err(invalid(place(), &format!("`{section}` must be a section: [{section}]")));
        };
        for (key, value) in keys {
            let place = || format!("{file}:{}", line_with(text, &format!("[{section}]"), key));
            let Some(known) = known_keys.get(key) else {
                return Err(unknown(place(), "key", key, known_keys.keys()));
            };
            if known.type_str() != value.type_str() {
                let (want, got) = (known.type_str(), value.type_str());
                let problem = format!("`{section}.{key}` must be of type {want}, not {got}");
                return Err(invalid(place(), &problem));
            }
        }
    }
    Ok(())
}

/// Later wins, key by key.
pub(super) fn merge(base: &mut Table, over: Table) {
    for (section, keys) in over {
        if let Value::Table(keys) = keys {
            for (key, value) in keys {
                set(base, &section, &key, value);
            }
        }
    }
}

pub(super) fn set(table: &mut Table, section: &str, key: &str, value: Value) {
    let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(keys) = section {
        keys.insert(key.to_owned(), value);
    }
}

/// `TIDINGS_SECTION__KEY` for every key of the file, `TIDINGS_SECTION__INNER__KEY` for one of a section inside another.
/// Lists are separated by commas.
pub(super) fn environment(
    table: &mut Table,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<(), ConfigError> {
    for (variable, text) in variables {
        let lower = variable.to_ascii_lowercase();
        let Some((section, key)) =
            lower.strip_prefix("tidings_").and_then(|rest| rest.rsplit_once("__"))
        else {
            continue;
        };
        let section = &section.replace("__", ".");
        let Some(Value::Table(keys)) = table.get(section) else {
            return Err(unknown(variable, "section", section, table.keys()));
        };
        let Some(known) = keys.get(key) else {
            return Err(unknown(variable, "key", key, keys.keys()));
        };
        let value = read_as(known, &text).ok_or_else(|| {
            invalid(variable.clone(), &format!("`{text}` is not of type {}", known.type_str()))
        })?;
        set(table, section, key, value);
    }
    Ok(())
}

fn read_as(known: &Value, text: &str) -> Option<Value> {
    Some(match known {
        Value::Integer(_) => Value::Integer(text.parse().ok()?),
        Value::Boolean(_) => Value::Boolean(text.parse().ok()?),
        Value::Array(_) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
        }
        _ => Value::String(text.to_owned()),
    })
}

pub(super) fn invalid(place: String, problem: &str) -> ConfigError {
    ConfigError::Invalid { place, problem: problem.to_owned(), hint: None }
}

fn unknown<'a>(
    place: String,
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'a String>,
) -> ConfigError {
    let problem = format!("unknown {what} `{name}`");
    let nearest = known.map(|k| (distance(name, k), k)).min();
    let hint = nearest.map(|(distance, k)| match distance <= 1 + k.len() / 3 {
        true => format!("did you mean `{k}`?"),
        false => format!("the nearest is `{k}`"),
    });
    ConfigError::Invalid { place, problem, hint }
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

/// Line of a key: the first that starts with it, in its section where that is written out.
fn line_with(text: &str, section: &str, key: &str) -> usize {
    let lines = || text.lines().enumerate();
    let head =
        lines().find(|(_, line)| line.trim_start().starts_with(section)).map_or(0, |(at, _)| at);
    let found = lines().skip(head).find(|(_, line)| line.trim_start().starts_with(key));
    found.map_or(head, |(at, _)| at) + 1
}

/// Edit distance (Levenshtein), one row at a time.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
