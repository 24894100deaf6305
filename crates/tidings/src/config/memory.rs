//! The memory budget, by the configuration.

use super::ConfigError;
use super::written::WrittenMemory;
use crate::memory::budget::{self, Budget};

/// Checks the section; the budget in bytes.
///
/// # Errors
/// When it is no budget, or too small.
pub(super) fn budget(written: &WrittenMemory) -> Result<u64, ConfigError> {
    let budget = Budget::parse(&written.budget).ok_or_else(|| ConfigError::Value {
        key: "memory.budget",
        value: format!("`{}`", written.budget),
        rule: "it must be a share such as 60%, or a size such as 2GiB, of at least 256MiB",
    })?;
    Ok(budget.of(budget::there_is(|file| std::fs::read_to_string(file).unwrap_or_default())))
}
