//! What the parts found, as one table.

use std::fmt;

/// What a part proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Enough happened, and nothing that must not.
    Valid,
    /// The promise was broken: how, and where to look.
    Violated(String),
    /// Too little happened: of what.
    Vacuous(String),
    /// It cannot run on this machine: why not.
    Skipped(String),
}

/// What one part did and found.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The part's name on the command line.
    pub(crate) part: &'static str,
    /// What it drew from.
    pub(crate) seed: u64,
    /// How often it did what it does.
    pub(crate) runs: u64,
    /// What that proves.
    pub(crate) verdict: Verdict,
    /// What happened meanwhile.
    pub(crate) counts: Vec<(&'static str, u64)>,
}

impl Row {
    /// A part that cannot run here.
    pub(crate) fn skipped(part: &'static str, seed: u64, why: impl Into<String>) -> Self {
        Self { verdict: Verdict::Skipped(why.into()), ..Self::new(part, seed) }
    }

    /// Nothing yet, and nothing wrong.
    pub(crate) fn new(part: &'static str, seed: u64) -> Self {
        Self { part, seed, runs: 0, verdict: Verdict::Valid, counts: Vec::new() }
    }

    /// What another row of the part tells, too; the first violation stays.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.runs += other.runs;
        for (name, count) in other.counts {
            self.count(name, count);
        }
        if self.verdict == Verdict::Valid {
            self.verdict = other.verdict;
        }
    }

    /// So much more happened of something.
    pub(crate) fn count(&mut self, name: &'static str, more: u64) {
        match self.counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += more,
            None => self.counts.push((name, more)),
        }
    }

    /// Valid becomes vacuous where something that has to happen did not.
    pub(crate) fn unless_vacuous(mut self, needed: &[&'static str]) -> Self {
        let happened = |name: &str| self.counts.iter().any(|(n, count)| *n == name && *count > 0);
        let missing: Vec<_> = needed.iter().filter(|name| !happened(name)).copied().collect();
        if self.verdict == Verdict::Valid && !missing.is_empty() {
            self.verdict = Verdict::Vacuous(format!("no {}", missing.join(", no ")));
        }
        self
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, detail) = match &self.verdict {
            Verdict::Valid => ("valid", None),
            Verdict::Violated(how) => ("VIOLATED", Some(how)),
            Verdict::Vacuous(what) => ("VACUOUS", Some(what)),
            Verdict::Skipped(why) => ("SKIPPED", Some(why)),
        };
        let counts: Vec<_> = self.counts.iter().map(|(name, n)| format!("{n} {name}")).collect();
        write!(f, "{:<14} {word:<9} {:>8} runs  {}", self.part, self.runs, counts.join(", "))?;
        write!(f, "  (--seed {})", self.seed)?;
        detail.map_or(Ok(()), |detail| {
            write!(f, "\n    {}", detail.trim_end().replace('\n', "\n    "))
        })
    }
}

/// All rows of a run.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<Row>);

impl Report {
    /// One more row.
    pub(crate) fn add(&mut self, row: Row) {
        self.0.push(row);
    }

    /// 0 valid, 1 violated, 2 vacuous; a part that was skipped proves nothing and spoils nothing.
    pub(crate) fn exit_code(&self) -> u8 {
        let any = |wanted: fn(&Verdict) -> bool| self.0.iter().any(|row| wanted(&row.verdict));
        if any(|verdict| matches!(verdict, Verdict::Violated(_))) {
            1
        } else if any(|verdict| matches!(verdict, Verdict::Vacuous(_)))
            || !any(|v| *v == Verdict::Valid)
        {
            2
        } else {
            0
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n== torture")?;
        self.0.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}

#[cfg(test)]
mod tests;
