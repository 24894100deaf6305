//! Tidy finds what it is there to find, and keeps quiet about the rest.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{agreement, layers, names, sizes, smells, tree::Tree};

fn tree(files: &[(&str, &str)]) -> Tree {
    Tree { files: files.iter().map(|(p, t)| ((*p).to_owned(), (*t).to_owned())).collect() }
}

fn check(places: Vec<String>, want: &[&str]) {
    assert_eq!(places.len(), want.len(), "{places:?}");
    for (place, part) in places.iter().zip(want) {
        assert!(place.contains(part), "{place} lacks {part}");
    }
}

#[test]
fn long_files_are_found_and_tests_may_be_long() {
    let long = "//! x\n".repeat(501);
    let root = "//! x\n".repeat(201);
    let files = tree(&[
        ("crates/a/src/b.rs", &long),
        ("crates/a/src/b/tests.rs", &long),
        ("crates/a/src/lib.rs", &root),
        ("crates/a/src/ok.rs", "//! x\n"),
    ]);
    check(
        sizes::check(&files),
        &["crates/a/src/b.rs: 501 lines", "crates/a/src/lib.rs: 201 lines"],
    );
}

#[test]
fn smells_are_found() {
    let sleepy = concat!("//! x\nasync fn a() { sle", "ep(1) }\n");
    let files = tree(&[
        ("crates/a/src/b.rs", concat!("fn x() {}\n// TO", "DO later\n")),
        ("crates/a/src/c/mod.rs", "//! x\n"),
        ("crates/a/src/d/tests.rs", sleepy),
        ("crates/a/src/e.rs", concat!("//! x\n#[all", "ow(dead_code)]\n")),
    ]);
    let want =
        ["b.rs:1: first line", "b.rs:2:", "mod.rs: use", "tests.rs:2: a test sleeps", "e.rs:2:"];
    check(smells::check(&files), &want);
}

#[test]
fn banned_names_are_found_in_files_and_types() {
    let files = tree(&[
        ("crates/a/src/topic_manager.rs", "//! x\n"),
        (
            "crates/a/src/b.rs",
            "//! x\npub struct BlockHandler;\nstruct Jobless;\nfn handler() {}\n",
        ),
        ("crates/a/src/b/tests.rs", "//! x\nstruct TestService;\n"),
    ]);
    let want = ["b.rs:2: type `BlockHandler` says `handler`", "file name says `manager`"];
    check(names::check(&files), &want);
}

#[test]
fn edges_that_point_up_or_sideways_are_found() {
    let package = |name: &str, dependencies: &str| {
        format!(r#"{{"name":"{name}","dependencies":[{dependencies}]}}"#)
    };
    let edge = |name: &str| format!(r#"{{"name":"{name}","kind":null}}"#);
    let packages = [
        package("tidings-event", &edge("tidings-log")),
        package("tidings-admit", &format!("{},{}", edge("tidings-log"), edge("tidings-deliver"))),
        package("tidings-log", r#"{"name":"tidings-serve","kind":"dev"}"#),
        package("tidings-market", &edge("axum")),
        package("tidings-new", ""),
        package("tidings", &edge("tidings-serve")),
    ];
    let metadata = layers::parse(&format!(r#"{{"packages":[{}]}}"#, packages.join(",")));
    let want = [
        "tidings-event: imports tidings-log",
        "tidings-admit: imports tidings-deliver",
        "tidings-market: imports axum: only [\"serve\"] may",
        "tidings-new: not in the layer table",
    ];
    check(layers::check(&metadata), &want);
}

#[test]
fn stale_pages_and_musts_without_tests_are_found() {
    let pages: BTreeMap<PathBuf, String> =
        [(PathBuf::from("docs/errors/A.md"), "a".to_owned())].into_iter().collect();
    let spec = "# Spec\n\n- **DEL-1** It MUST.\n  Tests: `deliver::it_must`.\n- **DEL-2** It MUST.\n- **DEL-3** It MUST. Tests: `gone`.\n";
    let files = tree(&[
        ("docs/errors/A.md", "b"),
        ("docs/errors/B.md", ""),
        ("docs/spec/delivery.md", spec),
        ("crates/a/src/b/tests.rs", "//! x\nasync fn it_must() {}\n"),
    ]);
    let want = [
        "docs/errors/A.md: not what the code says",
        "docs/errors/B.md: no such error code",
        "DEL-2 names no test",
        "DEL-3 names test `gone`, which does not exist",
        "changelog.d: no fragment",
    ];
    check(agreement::check(&files, &pages), &want);
}
