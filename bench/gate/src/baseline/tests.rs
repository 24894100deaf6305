//! What is written is read as it was.

use std::path::Path;

use super::{Baseline, Cost, digits};
use crate::error::GateError;
use crate::measure::Measured;

/// A baseline of one case.
pub(crate) fn of(case: &str, allocations: f64, instructions: Option<f64>, ratio: f64) -> Baseline {
    let measured = Measured {
        allocations,
        allocated_bytes: 512.0,
        reference_ratio: ratio,
        ratio_spread: 0.031_25,
        processor_ns: 1_234.0,
        wall_ns: 2_345.0,
    };
    let cost = Cost { instructions, measured };
    Baseline { processor: "One 9000".into(), cases: [(case.to_owned(), cost)].into() }
}

#[test]
fn numbers_round_trip() {
    for instructions in [Some(4_321.0), None] {
        let written = of("ingest-dense", 0.123_4, instructions, 3.25);
        let text = written.text().unwrap();
        let read = Baseline::parse(&text).unwrap();
        // The spread has more than four digits.
        assert_eq!(read.text().unwrap(), text);
        assert_eq!(read.cases["ingest-dense"].instructions, instructions);
        assert_eq!(read.cases["ingest-dense"].measured.allocations, 0.123_4);
        assert_eq!(read.cases["ingest-dense"].measured.ratio_spread, 0.031_25);
        assert_eq!(read.processor, written.processor);
    }
}

#[test]
fn numbers_are_written_with_four_digits() {
    assert_eq!(digits(0.012_345_678), 0.012_35);
    assert_eq!(digits(123_456.7), 123_500.0);
    assert_eq!(digits(0.0), 0.0);
}

#[test]
fn a_file_that_is_not_there_has_no_cases_and_a_broken_one_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("baseline.json");
    assert!(Baseline::read(&path).unwrap().cases.is_empty());
    of("narrow", 1.0, Some(2.0), 3.0).write(&path).unwrap();
    assert_eq!(Baseline::read(&path).unwrap().cases.len(), 1);
    std::fs::write(&path, "{\"processor\":1}").unwrap();
    let error = Baseline::read(&path).unwrap_err();
    assert!(matches!(error, GateError::Baseline { .. }));
    assert!(error.to_string().contains("cargo xtask gate --renew"), "{error}");
    assert!(Baseline::read(Path::new("/")).is_err());
}
