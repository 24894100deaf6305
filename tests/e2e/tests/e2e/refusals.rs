//! One table of wrong input for every door (`tests/e2e/refusals/*.toml`), against the real
//! executable.
//!
//! After each row a good publish succeeds at the very next offset and is the only event stored
//! since: nothing of the row was half applied. Over a table the process' memory stays within
//! [`GROWTH_KIB_MAX`], it logs no error, and no answer is without a code.
//!
//! Codes that no input brings about are not in the table: those of a damaged or full disk and of a
//! stop are held by `damage`, `operate` and the tests of the doors, `INTERNAL` by nothing.

mod answered;
mod cli;
mod grpc;
mod http;
mod row;
mod watch;
mod ws;

use std::collections::BTreeSet;

use answered::Answered;
use row::{Door, Row, Table};
use tidings_e2e::Server;
use watch::Watch;

/// How much a process may grow over a whole table.
const GROWTH_KIB_MAX: u64 = 64 << 10;

/// How often something is asked until it is so: some ten seconds of requests.
const UNTIL_MAX: usize = 20_000;

/// Fewer rows or codes than these are not the table that was promised.
const ROWS_MIN: usize = 250;
const CODES_MIN: usize = 60;

/// Runs one table; what its server logged at level ERROR must be what the table expects.
#[track_caller]
fn check(name: &str) {
    let table = Table::read(name);
    let watch = Watch::start(&table);
    for given in &table.given {
        let ask = || answer(&watch.server, given, given.door.unwrap_or(Door::Http));
        let mut answered = ask();
        for _again in 0..if given.until { UNTIL_MAX } else { 0 } {
            if given.is_met(&answered) {
                break;
            }
            answered = ask();
        }
        assert!(given.is_met(&answered), "{name}: given {given:?}: {answered:?}");
        watch.forget_offsets();
    }
    let mut wrong = Vec::new();
    for (number, row) in table.rows.iter().enumerate() {
        let door = row.door.unwrap_or(table.door);
        let mut answers = vec![answer(&watch.server, row, door)];
        answers.extend(answers_at_once(&watch.server, row, door));
        for answered in answers.iter().filter(|answered| !row.is_met(answered)) {
            wrong.push(format!("row {number}: {}\n    got  {answered:?}", row.shown()));
        }
        if let Err(what) = watch.nothing_was_stored() {
            wrong.push(format!("row {number}: {}\n    then {what}", row.shown()));
        }
    }
    let grown = watch.grown_kib();
    assert!(wrong.is_empty(), "{name}: {} wrong\n{}", wrong.len(), wrong.join("\n"));
    assert!(grown <= GROWTH_KIB_MAX, "{name}: the process grew by {grown} KiB");
    let errors = watch.errors();
    assert_eq!(errors, Vec::<String>::new(), "{name}: the process logged errors");
}

fn answer(server: &Server, row: &Row, door: Door) -> Answered {
    match door {
        Door::Http => http::answer(server, row),
        Door::Raw => http::answer_raw(server, row),
        Door::Grpc => grpc::answer(server, row),
        Door::Ws => ws::answer(server, row),
        Door::Cli => cli::answer(server, row),
    }
}

/// The answers to a row that so many clients send at the same time, but for those who were told to come
/// again.
fn answers_at_once(server: &Server, row: &Row, door: Door) -> Vec<Answered> {
    let answers: Vec<Answered> = std::thread::scope(|scope| {
        let clients = (0..row.at_once).map(|_| scope.spawn(|| answer(server, row, door)));
        let clients: Vec<_> = clients.collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let has_turn = |answered: &Answered| answered.code() != "RESOURCE_EXHAUSTED";
    answers.into_iter().filter(has_turn).collect()
}

#[test]
fn the_table_is_large_enough() {
    let tables: Vec<Table> = Table::names().iter().map(|name| Table::read(name)).collect();
    let rows: usize = tables.iter().map(|table| table.rows.len()).sum();
    let codes: BTreeSet<&str> =
        tables.iter().flat_map(|table| &table.rows).filter_map(Row::code).collect();
    let known = tidings_event::Code::ALL.iter().map(|code| code.as_str());
    let known: BTreeSet<&str> = known.collect();
    assert!(codes.is_subset(&known), "{:?}", codes.difference(&known));
    println!("{rows} rows, {} codes", codes.len());
    println!("not in the table: {:?}", known.difference(&codes).collect::<Vec<_>>());
    assert!(rows >= ROWS_MIN && codes.len() >= CODES_MIN, "{rows} rows, {} codes", codes.len());
}

macro_rules! tables {
    ($($name:ident,)+) => {
        $(#[test]
        fn $name() {
            check(stringify!($name));
        })+

        #[test]
        fn every_table_is_run() {
            let run: &[&str] = &[$(stringify!($name)),+];
            assert_eq!(Table::names(), run, "the files in refusals/ and this list");
        }
    };
}

// In the order of their names.
tables! {
    cli,
    grpc,
    http_documents,
    http_events,
    http_large,
    http_protocol,
    http_shapes,
    small_limits,
    sse,
    ws,
}
