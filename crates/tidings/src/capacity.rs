//! The capacity file: what this machine was measured to take. `tidings bench --here` writes it, the
//! service and `tidings doctor` read it.

use std::fmt;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Its name in the data directory.
pub(crate) const FILE: &str = "capacity.toml";

/// Most bytes of one: it has a dozen lines.
const BYTES_MAX: u64 = 64 << 10;

/// No machine takes more; a larger number is a slip of the pen.
const EVENTS_PER_SECOND_MAX: u64 = 1_000_000_000;

/// What a machine takes. All but the first is for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Capacity {
    /// Taken in for long, with acks in time.
    pub(crate) events_per_second: u64,
    /// RFC 3339.
    pub(crate) measured_at: Option<String>,
    /// Of the service that was measured.
    pub(crate) version: Option<String>,
    /// Of the machine.
    pub(crate) cores: Option<u64>,
    /// Mean.
    pub(crate) event_bytes: Option<u64>,
    /// Within this time 99 of 100 acks came at that rate, and within what time they had to.
    pub(crate) ack_p99_ms: Option<f64>,
    pub(crate) ack_p99_ms_max: Option<f64>,
    /// Events due at one instant, when the last of them was acknowledged, and 99 of 100.
    pub(crate) burst_events: Option<u64>,
    pub(crate) burst_seconds: Option<f64>,
    pub(crate) burst_ack_p99_ms: Option<f64>,
    /// 4 KiB written and synced.
    pub(crate) sync_p50_us: Option<u64>,
    pub(crate) sync_p99_us: Option<u64>,
}

/// Why a capacity file cannot be used, or written.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("capacity file {file}: {problem}", file = file.display())]
pub(crate) struct CapacityError {
    file: PathBuf,
    problem: String,
}

impl Capacity {
    /// Reads one.
    ///
    /// # Errors
    /// When it is there and not as it should be, naming the field.
    pub(crate) fn read(file: &Path) -> Result<Option<Self>, CapacityError> {
        let wrong = |problem: String| CapacityError { file: file.to_owned(), problem };
        let size = match std::fs::metadata(file) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(wrong(error.to_string())),
        };
        if size > BYTES_MAX {
            return Err(wrong(format!("it has {size} bytes, at most {BYTES_MAX}")));
        }
        let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
        Self::parse(&text).map(Some).map_err(wrong)
    }

    /// Reads its text.
    ///
    /// # Errors
    /// What is wrong, with line and field.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let capacity: Self = toml::from_str(text).map_err(|error| told(text, &error))?;
        let rate = capacity.events_per_second;
        if !(1..=EVENTS_PER_SECOND_MAX).contains(&rate) {
            return Err(format!(
                "`events_per_second` is {rate}: it must be 1 to {EVENTS_PER_SECOND_MAX}"
            ));
        }
        Ok(capacity)
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn write(&self, file: &Path) -> Result<(), CapacityError> {
        self.write_beside(file).map_err(|error| CapacityError {
            file: file.to_owned(),
            problem: format!("it cannot be written: {error}"),
        })
    }

    fn write_beside(&self, file: &Path) -> std::io::Result<()> {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        // The service may run as another user than the one who measures.
        let readable = std::fs::Permissions::from_mode(0o644);
        let mut beside = tempfile::Builder::new()
            .prefix(".capacity-")
            .permissions(readable)
            .tempfile_in(folder)?;
        beside.write_all(self.text().as_bytes())?;
        beside.as_file().sync_all()?;
        beside.persist(file)?;
        std::fs::File::open(folder)?.sync_all()
    }

    /// As it is written.
    fn text(&self) -> String {
        let mut text = String::from(
            "# What this machine takes, measured by `tidings bench --here`. The service reads it when it\n\
             # starts; docs/operate/capacity.md says what for, and what each line means.\n",
        );
        let mut push = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                text.push_str(&format!("{name} = {value}\n"));
            }
        };
        let quoted = |text: &Option<String>| text.as_ref().map(|text| format!("\"{text}\""));
        let whole = |number: Option<u64>| number.map(|number| number.to_string());
        let part = |number: Option<f64>| number.map(|number| format!("{number:.3}"));
        push("events_per_second", Some(self.events_per_second.to_string()));
        push("measured_at", quoted(&self.measured_at));
        push("version", quoted(&self.version));
        push("cores", whole(self.cores));
        push("event_bytes", whole(self.event_bytes));
        push("ack_p99_ms", part(self.ack_p99_ms));
        push("ack_p99_ms_max", part(self.ack_p99_ms_max));
        push("burst_events", whole(self.burst_events));
        push("burst_seconds", part(self.burst_seconds));
        push("burst_ack_p99_ms", part(self.burst_ack_p99_ms));
        push("sync_p50_us", whole(self.sync_p50_us));
        push("sync_p99_us", whole(self.sync_p99_us));
        text
    }
}

/// What is wrong with a file, with its line and field.
fn told(text: &str, error: &toml::de::Error) -> String {
    let message = error.message();
    let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count());
    // A field that is missing or unknown is named by the message, one with a bad value by its line.
    let is_of_value = message.starts_with("invalid type") || message.starts_with("invalid value");
    let key = text.lines().nth(line).and_then(|line| line.split('=').next());
    match key.filter(|_| is_of_value) {
        Some(key) => format!("line {}: `{}`: {message}", line + 1, key.trim()),
        None => format!("line {}: {message}", line + 1),
    }
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events/s", self.events_per_second)?;
        if let Some(p99) = self.ack_p99_ms {
            write!(f, " with p99 of acks {p99:.1} ms")?;
        }
        if let (Some(events), Some(seconds)) = (self.burst_events, self.burst_seconds) {
            write!(f, "; a burst of {events} in {seconds:.3} s")?;
        }
        if let Some(p99) = self.sync_p99_us {
            write!(f, "; p99 of syncs {p99} us")?;
        }
        if let Some(at) = &self.measured_at {
            write!(f, "; measured {at}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
