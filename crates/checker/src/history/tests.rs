//! Histories: what is written is read back, within bounds, and damage is named.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use tidings_event::{ManualClock, Timestamp};

use super::{History, HistoryError, HistoryWriter, LINE_BYTES_MAX, Limits, Mark, Op};

fn mark(what: &str) -> Op {
    Op::Mark(Mark { what: what.into(), subscription: None })
}

fn read(files: &[&Path]) -> Result<Vec<Op>, HistoryError> {
    let history = History::read(files, Limits { records: 5 })?;
    Ok(history.records.into_iter().map(|r| r.op).collect())
}

#[test]
fn files_are_merged_by_time_and_keep_their_own_order() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp(10)));
    let (one, two) = (folder.path().join("1"), folder.path().join("2"));
    let first = HistoryWriter::open(&one, "one", clock.clone()).unwrap();
    let second = HistoryWriter::open(&two, "two", clock.clone()).unwrap();
    first.record([mark("a"), mark("b")]).unwrap();
    clock.set_wall(Timestamp(20));
    second.named("other").record([mark("c")]).unwrap();
    clock.set_wall(Timestamp(5));
    first.record([mark("d")]).unwrap();
    first.flush().unwrap();
    second.flush().unwrap();
    let ops = read(&[&two, &one]).unwrap();
    assert_eq!(ops, [mark("a"), mark("b"), mark("d"), mark("c")]);
}

#[track_caller]
fn check(lines: &str, want: Result<usize, &str>) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(lines.as_bytes()).unwrap();
    match (read(&[file.path()]), want) {
        (Ok(ops), Ok(count)) => assert_eq!(ops.len(), count),
        (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
        (got, want) => panic!("{got:?}, not {want:?}"),
    }
}

#[test]
fn damage_and_excess_are_refused_but_a_torn_last_line_is_not() {
    let line = "{\"at\":1,\"process\":\"p\",\"op\":\"mark\",\"what\":\"crash\"}\n";
    check(line, Ok(1));
    check(&format!("{line}{}", &line[..20]), Ok(1));
    check("", Ok(0));
    check(&format!("{line}nonsense\n"), Err("line 2"));
    check("{\"at\":1,\"process\":\"p\",\"op\":\"dance\"}\n", Err("dance"));
    check(&line.repeat(6), Err("more than 5 records"));
    check(&"x".repeat(LINE_BYTES_MAX + 1), Err("longer than"));
}
