//! What a run says is read aright, and a bug that does not fit the tree is found.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use super::outcome::{Said, of};
use super::{Row, Verdict, bugs, report};

const OUTPUT: &str = "
running 2 tests
test log::one ... ok
test log::two ... FAILED

failures:

---- log::two stdout ----

thread 'log::two' (1) panicked at crates/log/src/a.rs:3:1:
a first attempt

thread 'log::two' (1) panicked at crates/log/src/b.rs:120:9:
assertion `left == right` failed
  left: 1 | 2
 right: 3
note: run with `RUST_BACKTRACE=1`


failures:
    log::two
";

const TABLE: &str = r#"
[[bug]]
id = "01"
name = "no sync"
breaks = "P1"
patch = "01-a.patch"
package = "tidings-log"
target = "--lib"
test = "log::two"
"#;

const PATCH: &str = "--- a/a.rs\n+++ b/a.rs\n@@ -1,2 +1,1 @@\n one\n-two\n";

#[test]
fn an_output_says_what_became_of_a_test() {
    let words = "crates/log/src/b.rs: assertion `left == right` failed left: 1 | 2 right: 3";
    assert_eq!(of("log::one", OUTPUT), Said::Passed);
    assert_eq!(of("log::two", OUTPUT), Said::Failed(words.into()));
    assert_eq!(of("two", OUTPUT), Said::Nothing, "the name is the whole name");
    let quiet = "test a ... FAILED\nError: Io\n";
    assert_eq!(of("a", quiet), Said::Failed("it returned an error".into()));
}

#[test]
fn a_table_that_does_not_fit_the_tree_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let seeded = dir.path().join(bugs::DIR);
    fs::create_dir_all(&seeded).unwrap();
    fs::write(seeded.join("01-a.patch"), PATCH).unwrap();
    let listed = bugs::parse(TABLE).unwrap();
    let patches = BTreeSet::from(["torture/seeded/01-a.patch"]);
    let tests = BTreeSet::from(["two"]);
    let check = |text: &str, patches: &BTreeSet<&str>, tests: &BTreeSet<&str>| {
        fs::write(dir.path().join("a.rs"), text).unwrap();
        bugs::check(dir.path(), &listed, patches, tests)
    };
    assert_eq!(check("one\ntwo\n", &patches, &tests), [""; 0]);
    assert_eq!(fs::read_to_string(dir.path().join("a.rs")).unwrap(), "one\ntwo\n");
    let places = check("one\nthree\n", &patches, &tests);
    assert!(matches!(&places[..], [one] if one.contains("does not apply")), "{places:?}");
    let both = BTreeSet::from(["torture/seeded/01-a.patch", "torture/seeded/02-b.patch"]);
    let places = check("one\ntwo\n", &both, &BTreeSet::new());
    let is_as_wanted = matches!(&places[..], [test, patch]
        if test.contains("`log::two` does not exist") && patch.contains("02-b.patch: not in"));
    assert!(is_as_wanted, "{places:?}");
    let places = check("one\ntwo\n", &BTreeSet::new(), &tests);
    assert_eq!(places, ["torture/seeded/01-a.patch: no such file"]);
}

#[test]
fn a_table_says_nothing_unknown() {
    assert!(bugs::parse(&format!("{TABLE}seen = true\n")).unwrap_err().contains("seen"));
}

#[test]
fn the_page_tells_of_each_bug() {
    let listed = bugs::parse(TABLE).unwrap();
    let row = |verdict| Row { bug: &listed[0], verdict, took: Duration::from_secs(3) };
    let rows = [row(Verdict::Caught("a | b".into())), row(Verdict::Missed("it passes".into()))];
    let page = report::page(&rows, "abc");
    assert!(page.contains("1 of 2 caught, at abc."), "{page}");
    assert!(page.contains("| `tidings-log`: `log::two` | a \\| b | 3 s |"), "{page}");
    assert!(page.contains("| **not caught**: it passes | 3 s |"), "{page}");
}
