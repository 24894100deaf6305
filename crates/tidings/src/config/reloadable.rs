//! Which keys can change while the service runs, and what a reload makes of a new configuration.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use tidings_wire::rest::WaitingKeyDocument;
use toml::{Table, Value};

use super::{Config, ConfigError, layers};

/// Keys that a reload applies; every other one waits for a restart.
pub(crate) const RELOADABLE: &[&str] = &[
    "limits.connections",
    "limits.batch_events",
    "limits.publish_credit_bytes",
    "limits.topics",
    "topics.partitions",
    "topics.timeframes",
    "intervals.expected",
    "logging.level",
];

/// Parts of a key's name whose value is nobody's business.
const SECRET: &[&str] = &["password", "secret", "token", "private"];

/// What a reload would change.
pub(crate) struct Reload {
    /// What is in force after it.
    pub(crate) config: Config,
    /// Keys whose value changes.
    pub(crate) changed: Vec<String>,
    /// Keys that were written anew and cannot change.
    pub(crate) waiting: Vec<WaitingKeyDocument>,
}

impl Config {
    /// This configuration with what may change taken from another one.
    ///
    /// # Errors
    /// When what remains of both does not go together.
    pub(crate) fn reload(&self, written: &Self) -> Result<Reload, ConfigError> {
        let mut table = self.table.clone();
        let (mut changed, mut waiting) = (Vec::new(), Vec::new());
        for (section, key, new) in keys(&written.table) {
            let old = self.table.get(section).and_then(|keys| keys.get(key));
            if old == Some(new) {
                continue;
            }
            let name = format!("{section}.{key}");
            if RELOADABLE.contains(&name.as_str()) {
                layers::set(&mut table, section, key, new.clone());
                changed.push(name);
            } else {
                let in_force = old.map_or(Json::Null, |old| shown(key, old));
                waiting.push(WaitingKeyDocument { key: name, in_force, written: shown(key, new) });
            }
        }
        let config = Self::check(written.file.clone(), table, self.token.clone())?;
        Ok(Reload { config, changed, waiting })
    }

    /// Every key and its value, fit to be shown.
    pub(crate) fn shown(&self) -> BTreeMap<String, BTreeMap<String, Json>> {
        let mut sections: BTreeMap<String, BTreeMap<String, Json>> = BTreeMap::new();
        for (section, key, value) in keys(&self.table) {
            let keys = sections.entry(section.to_owned()).or_default();
            keys.insert(key.to_owned(), shown(key, value));
        }
        sections
    }
}

fn keys(table: &Table) -> impl Iterator<Item = (&str, &str, &Value)> {
    table.iter().flat_map(|(section, keys)| {
        let keys = keys.as_table().into_iter().flatten();
        keys.map(move |(key, value)| (section.as_str(), key.as_str(), value))
    })
}

fn shown(key: &str, value: &Value) -> Json {
    // Where a secret is may be known.
    let secret = !key.ends_with("_file") && SECRET.iter().any(|word| key.contains(word));
    // A URL may carry a name and a password.
    let signed = value.as_str().is_some_and(|text| text.contains("://") && text.contains('@'));
    if secret || signed {
        return Json::from("***");
    }
    serde_json::to_value(value).unwrap_or_default()
}
