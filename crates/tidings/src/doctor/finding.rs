//! What a check found, and all of it as lines or as a document.

use serde::Serialize;
use serde_json::{Value, json};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Ok,
    Warn,
    Fail,
}

impl Verdict {
    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) check: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) found: String,
    /// Why it matters; empty when all is well.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) why: &'static str,
    /// What to do; empty when all is well.
    #[serde(rename = "do", skip_serializing_if = "String::is_empty")]
    pub(crate) remedy: String,
}

impl Finding {
    pub(crate) fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, found: found.into(), why: "", remedy: String::new() }
    }

    pub(crate) fn warn(
        check: &'static str,
        found: impl Into<String>,
        why: &'static str,
        remedy: impl Into<String>,
    ) -> Self {
        Self { verdict: Verdict::Warn, why, remedy: remedy.into(), ..Self::ok(check, found) }
    }

    pub(crate) fn fail(
        check: &'static str,
        found: impl Into<String>,
        why: &'static str,
        remedy: impl Into<String>,
    ) -> Self {
        Self { verdict: Verdict::Fail, ..Self::warn(check, found, why, remedy) }
    }
}

/// Every finding, in the order of the checks.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<Finding>);

impl Report {
    pub(crate) fn add(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    pub(crate) fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.0.extend(findings);
    }

    /// How many checks failed.
    pub(crate) fn failed(&self) -> usize {
        self.0.iter().filter(|finding| finding.verdict == Verdict::Fail).count()
    }

    pub(crate) fn document(&self) -> Value {
        let worst = self.0.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Ok);
        json!({ "verdict": worst, "findings": self.0 })
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for finding in &self.0 {
            let Finding { check, verdict, found, why, remedy } = finding;
            lines.push(format!("{:<5} {check:<14} {found}", verdict.name()));
            for (word, text) in [("why:", *why), ("do: ", remedy)] {
                if !text.is_empty() {
                    lines.push(format!("{:21}{word} {text}", ""));
                }
            }
        }
        lines
    }
}
