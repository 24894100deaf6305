//! What was measured, for people.

use std::fmt::Write;

use crate::baseline::Baseline;

/// A line a case; what the baseline says stands in brackets.
pub(crate) fn table(baseline: &Baseline, measured: &Baseline) -> String {
    let mut text = format!(
        "{:<18} {:>22} {:>12} {:>22} {:>18} {:>8} {:>10} {:>10}\n",
        "one event of",
        "allocations (was)",
        "bytes",
        "instructions (was)",
        "x reference (was)",
        "spread",
        "processor",
        "wall"
    );
    for (case, is) in &measured.cases {
        let was = baseline.cases.get(case);
        let beside = |is: Option<f64>, was: Option<f64>, places: usize| {
            let number = |n: Option<f64>| n.map_or("-".to_owned(), |n| format!("{n:.places$}"));
            format!("{} ({})", number(is), number(was))
        };
        let m = is.measured;
        let allocations = beside(Some(m.allocations), was.map(|w| w.measured.allocations), 4);
        let instructions = beside(is.instructions, was.and_then(|w| w.instructions), 0);
        let ratio = beside(Some(m.reference_ratio), was.map(|w| w.measured.reference_ratio), 2);
        let (spread, processor, wall) = (m.ratio_spread * 100.0, m.processor_ns, m.wall_ns);
        // Writing to a String cannot fail.
        let _infallible = writeln!(
            text,
            "{case:<18} {allocations:>22} {:>12.1} {instructions:>22} {ratio:>18} {spread:>6.1} % \
             {processor:>7.0} ns {wall:>7.0} ns",
            m.allocated_bytes
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::table;
    use crate::baseline::tests::of;

    #[test]
    fn what_was_stands_beside_what_is() {
        let (was, is) = (of("narrow", 2.0, None, 5.0), of("narrow", 2.5, Some(900.0), 5.5));
        let text = table(&was, &is);
        let parts = ["narrow ", "2.5000 (2.0000)", "900 (-)", "5.50 (5.00)", "3.1 %", "1234 ns"];
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }
}
