//! The token of Pulsar: taken from the environment, out of the layers, before anybody may look at them.

use tidings_log_pulsar::Secret;
use toml::{Table, Value};

use super::ConfigError;
use super::layers::{invalid, set};

const SECTION: &str = "engine.pulsar";
const KEY: &str = "token";

/// Refuses one in a file: configurations are shown, copied and kept.
///
/// # Errors
/// There is one.
pub(super) fn refuse(file: &str, written: &Table) -> Result<(), ConfigError> {
    if found(written).is_none() {
        return Ok(());
    }
    let problem = "`engine.pulsar.token` does not belong into a configuration: name its file as \
                   `engine.pulsar.token_file`, or set the variable TIDINGS_ENGINE__PULSAR__TOKEN";
    Err(invalid(file.to_owned(), problem))
}

/// Takes it; stars stay in its place.
pub(super) fn taken(table: &mut Table) -> Option<Secret> {
    let token = found(table).map(|token| Secret::from(token.to_owned()));
    if token.is_some() {
        set(table, SECTION, KEY, Value::from("***"));
    }
    token
}

fn found(table: &Table) -> Option<&str> {
    let token = table.get(SECTION)?.get(KEY)?.as_str()?.trim();
    Some(token).filter(|token| !token.is_empty())
}
