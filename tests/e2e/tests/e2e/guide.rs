//! The commands of docs/guide/first-steps.md work as they are written there.

use std::process::Command;

use tidings_e2e::{Server, executable};

const GUIDE: &str = include_str!("../../../../docs/guide/first-steps.md");

/// The shell blocks of the guide, in order.
fn blocks() -> Vec<&'static str> {
    let opened = GUIDE.split("```sh\n").skip(1);
    opened.filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn the_first_steps_can_be_taken() {
    let dir = tempfile::tempdir().unwrap();
    let bin = executable().parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    // The guide's service, but on a free port.
    let mut server = Some(Server::start(&dir.path().join("tidings-data")));
    let url = server.as_ref().unwrap().url().to_owned();
    let blocks = blocks();
    assert_eq!(blocks.first(), Some(&"tidings serve\n"));
    for block in &blocks[1..] {
        if block.contains("check") {
            assert_eq!(server.take().unwrap().terminate().code, Some(0));
        }
        let ended = Command::new("sh")
            .args(["-euc", block])
            .env("PATH", &path)
            .env("TIDINGS_SERVER", &url)
            .current_dir(dir.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{block}\n{stderr}");
        assert!(!ended.stdout.is_empty(), "{block} says nothing");
    }
    assert_eq!(blocks.len(), 5);
}
