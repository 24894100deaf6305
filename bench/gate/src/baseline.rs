//! The file that says what each case cost when it was last renewed.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::GateError;
use crate::measure::Measured;

/// What one event costs in one case.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// Instructions of user space; none where they could not be counted.
    pub(crate) instructions: Option<f64>,
    #[serde(flatten)]
    pub(crate) measured: Measured,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Baseline {
    /// The processor that it was measured on: only there do its times say anything.
    pub(crate) processor: String,
    /// By the names of the cases.
    pub(crate) cases: BTreeMap<String, Cost>,
}

impl Baseline {
    /// Reads it; one that is not there has no cases.
    pub(crate) fn read(path: &Path) -> Result<Self, GateError> {
        let broken = |reason: String| GateError::Baseline { path: path.to_owned(), reason };
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).map_err(|error| broken(error.to_string())),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Ok(Self { processor: String::new(), cases: BTreeMap::new() })
            }
            Err(error) => Err(broken(error.to_string())),
        }
    }

    fn parse(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// As it is written: numbers with four digits, so that what did not change does not differ.
    fn text(&self) -> serde_json::Result<String> {
        let mut rounded = self.clone();
        for Cost { instructions, measured } in rounded.cases.values_mut() {
            *instructions = instructions.map(digits);
            for number in [
                &mut measured.allocations,
                &mut measured.allocated_bytes,
                &mut measured.reference_ratio,
                &mut measured.ratio_spread,
                &mut measured.processor_ns,
                &mut measured.wall_ns,
            ] {
                *number = digits(*number);
            }
        }
        Ok(serde_json::to_string_pretty(&rounded)? + "\n")
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), GateError> {
        let broken = |reason: String| GateError::Baseline { path: path.to_owned(), reason };
        let text = self.text().map_err(|error| broken(error.to_string()))?;
        fs::write(path, text).map_err(|error| broken(error.to_string()))
    }
}

/// A number with its first four digits.
fn digits(number: f64) -> f64 {
    // What was printed is a number.
    format!("{number:.3e}").parse().unwrap_or(number)
}

#[cfg(test)]
pub(crate) mod tests;
