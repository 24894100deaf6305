//! Why there is no verdict.

use std::io;
use std::path::PathBuf;

use tidings_event::Refusal;

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GateError {
    /// The system refused something.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A stage could not be opened.
    #[error("cannot open {stage}: {reason}")]
    Open {
        /// Which.
        stage: &'static str,
        /// Why.
        reason: String,
    },
    /// A stage refused something.
    #[error("{} ({})", .0.detail, .0.code.as_str())]
    Refused(#[from] Refusal),
    /// A door answered what was not expected.
    #[error("{what}: {said}")]
    Answer {
        /// What was asked.
        what: String,
        /// What was answered.
        said: String,
    },
    /// What came out is not what was put in.
    #[error("output check failed: {0}")]
    Check(String),
    /// A run of this program, under valgrind or not, failed.
    #[error("`{command}` failed: {said}")]
    Run {
        /// The command.
        command: String,
        /// What it said last.
        said: String,
    },
    /// The baseline cannot be read.
    #[error("{}: {reason}; write it anew with `cargo xtask gate --renew`", path.display())]
    Baseline {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Times of two processors do not stand in one file.
    #[error(
        "the baseline was measured on `{was}`, this is `{is}`: renew all of it, without `--case`"
    )]
    OtherProcessor {
        /// Of the baseline.
        was: String,
        /// Of this machine.
        is: String,
    },
    /// A baseline without instructions would let every rise of them pass.
    #[error("a baseline needs instructions counted: install valgrind (`apt-get install valgrind`)")]
    NoValgrind,
}

impl GateError {
    /// A door answered what was not expected.
    pub(crate) fn answer(what: impl Into<String>, said: impl ToString) -> Self {
        Self::Answer { what: what.into(), said: said.to_string() }
    }

    /// What came out is not what was put in.
    pub(crate) fn check(what: impl Into<String>) -> Self {
        Self::Check(what.into())
    }
}
