//! What the command line asks for.

use std::path::PathBuf;
use std::time::Duration;

use super::{PulsarError, secure};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Up,
    Down,
    Status,
    Token,
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
    pub(crate) tls_port: u16,
    pub(crate) https_port: u16,
    /// With TLS and tokens.
    pub(crate) secure: bool,
    pub(crate) role: String,
    /// Until a token ends.
    pub(crate) seconds: Option<u64>,
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
            Some("token") => Verb::Token,
            Some(other) => {
                return Err(usage(format!("`{other}` is not up, down, status or token")));
            }
            None => return Err(usage("say up, down, status or token".to_owned())),
        };
        let (mut port, mut http_port, mut bookie_port) = (6650_u16, 8081, None);
        let (mut tls_port, mut https_port, mut secure) = (None, None, false);
        let (mut role, mut seconds) = (secure::SERVICE.to_owned(), None);
        let (mut dir, mut heap, mut wait, mut remove_data) = (None, "1g".to_owned(), 240, false);
        while let Some(flag) = words.next() {
            match flag {
                "--remove-data" => remove_data = true,
                "--secure" => secure = true,
                _ => {}
            }
            if matches!(flag, "--remove-data" | "--secure") {
                continue;
            }
            let value = words.next().ok_or_else(|| usage(format!("{flag} needs a value")))?;
            let number = || value.parse().map_err(|_| usage(format!("{flag} {value}: no port")));
            match flag {
                "--dir" => dir = Some(PathBuf::from(value)),
                "--port" => port = number()?,
                "--http-port" => http_port = number()?,
                "--bookie-port" => bookie_port = Some(number()?),
                "--tls-port" => tls_port = Some(number()?),
                "--https-port" => https_port = Some(number()?),
                "--role" => role = value.to_owned(),
                "--seconds" => seconds = Some(number()?.into()),
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
            tls_port: tls_port.unwrap_or_else(|| port.saturating_add(1)),
            https_port: https_port.unwrap_or_else(|| http_port.saturating_add(1)),
            secure,
            role,
            seconds,
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
