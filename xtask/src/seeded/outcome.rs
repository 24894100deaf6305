//! What a test program's output says of one test.

/// Most characters of an assertion that are shown.
const WORDS_MAX: usize = 300;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Passed,
    /// With the place and the words of the assertion that failed.
    Failed(String),
    /// It was not run, or did not end.
    Nothing,
}

/// What an output says of a test.
pub(crate) fn of(test: &str, output: &str) -> Said {
    let ended = |how: &str| output.lines().any(|line| line == format!("test {test} ... {how}"));
    if ended("ok") {
        Said::Passed
    } else if ended("FAILED") {
        Said::Failed(assertion(output))
    } else {
        Said::Nothing
    }
}

/// The last panic: those before it may be of attempts to make a failing input smaller.
fn assertion(output: &str) -> String {
    let Some((_, panic)) = output.rsplit_once(" panicked at ") else {
        return "it returned an error".into();
    };
    let mut lines = panic.lines();
    let place = lines.next().unwrap_or_default().trim_end_matches(':');
    // Line and column change with every edit.
    let file = place.split(':').next().unwrap_or_default();
    let is_over = |line: &&str| {
        line.is_empty() || line.starts_with("note: ") || line.starts_with("stack backtrace:")
    };
    let words: Vec<&str> = lines.take_while(|line| !is_over(line)).map(str::trim).collect();
    let words = words.join(" ");
    let cut: String = words.chars().take(WORDS_MAX).collect();
    let more = if cut.len() < words.len() { "…" } else { "" };
    format!("{file}: {cut}{more}")
}
