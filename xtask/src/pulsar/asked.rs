//! What the command line asks for.

use std::path::PathBuf;
use std::time::Duration;

use super::PulsarError;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Up,
    Down,
    Status,
}

/// Everything that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) verb: Verb,
    pub(crate) dir: PathBuf,
    pub(crate) cache: PathBuf,
    pub(crate) port: u16,
    pub(crate) http_port: u16,
    pub(crate) bookie_port: u16,
    pub(crate) heap: String,
    pub(crate) wait: Duration,
    pub(crate) remove_data: bool,
}

impl Asked {
    /// Reads the words after `pulsar`.
    pub(crate) fn parse(args: &[String]) -> Result<Self, PulsarError> {
        let usage = |what: String| PulsarError::Usage(what);
        let mut words = args.iter().map(String::as_str);
        let verb = match words.next() {
            Some("up") => Verb::Up,
            Some("down") => Verb::Down,
            Some("status") => Verb::Status,
            Some(other) => return Err(usage(format!("`{other}` is not up, down or status"))),
            None => return Err(usage("say up, down or status".to_owned())),
        };
        let (mut port, mut http_port, mut bookie_port) = (6650_u16, 8081, None);
        let (mut dir, mut heap, mut wait, mut remove_data) = (None, "1g".to_owned(), 240, false);
        while let Some(flag) = words.next() {
            if flag == "--remove-data" {
                remove_data = true;
                continue;
            }
            let value = words.next().ok_or_else(|| usage(format!("{flag} needs a value")))?;
            let number = || value.parse().map_err(|_| usage(format!("{flag} {value}: no port")));
            match flag {
                "--dir" => dir = Some(PathBuf::from(value)),
                "--port" => port = number()?,
                "--http-port" => http_port = number()?,
                "--bookie-port" => bookie_port = Some(number()?),
                "--heap" => heap = value.to_owned(),
                "--wait" => {
                    wait = value
                        .parse()
                        .map_err(|_| usage(format!("--wait {value}: not a number of seconds")))?;
                }
                other => return Err(usage(format!("`{other}` is no flag"))),
            }
        }
        if remove_data && verb != Verb::Down {
            return Err(usage("--remove-data goes with `down`".to_owned()));
        }
        let bookie_port = bookie_port.or_else(|| port.checked_add(10_000));
        let bookie_port = bookie_port.ok_or_else(|| usage("choose a --bookie-port".to_owned()))?;
        let dir =
            dir.unwrap_or_else(|| std::env::temp_dir().join(format!("tidings-pulsar-{port}")));
        let dir = std::path::absolute(&dir).map_err(PulsarError::file(&dir))?;
        Ok(Self {
            verb,
            dir,
            cache: cache(),
            port,
            http_port,
            bookie_port,
            heap,
            wait: Duration::from_secs(wait),
            remove_data,
        })
    }
}

/// Where what was fetched is kept: `$TIDINGS_CACHE`, else `~/.cache/tidings`.
fn cache() -> PathBuf {
    let named = std::env::var_os("TIDINGS_CACHE").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/tidings"));
    named.or_else(home).unwrap_or_else(|| std::env::temp_dir().join("tidings-cache"))
}
