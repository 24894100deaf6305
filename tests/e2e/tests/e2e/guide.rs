//! The commands of docs/guide/first-steps.md do what is written there.

use std::net::TcpListener;
use std::process::Command;

use tidings_e2e::{executable, finish};

const GUIDE: &str = include_str!("../../../../docs/guide/first-steps.md");

/// Ends what a block of commands printed.
const END: &str = "=== end of block ===";

/// A block of commands and what they are said to print.
struct Block {
    commands: &'static str,
    shown: Option<&'static str>,
}

fn blocks() -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for fenced in GUIDE.split("```").skip(1).step_by(2) {
        match fenced.split_once('\n').unwrap() {
            ("sh", commands) => blocks.push(Block { commands, shown: None }),
            ("text", shown) => blocks.last_mut().unwrap().shown = Some(shown),
            (other, _) => panic!("a block of `{other}`"),
        }
    }
    blocks
}

/// Whether the pieces between `…` come in this order, the first and last one at the ends.
fn matches(shown: &str, printed: &str) -> bool {
    let pieces: Vec<&str> = shown.trim().split('…').collect();
    let Some(mut rest) = printed.trim().strip_prefix(pieces[0]) else { return false };
    for piece in &pieces[1..] {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.is_empty() || printed.trim().ends_with(pieces[pieces.len() - 1]) && pieces.len() > 1
}

/// A port that was free a moment ago: the guide needs the same one for two starts.
fn port() -> String {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port().to_string()
}

#[test]
fn the_first_steps_can_be_taken() {
    let dir = tempfile::tempdir().unwrap();
    let blocks = blocks();
    let mut script =
        "set -euo pipefail\ntrap 'kill $(jobs -p) 2> kill.log || true' EXIT\n".to_owned();
    for block in &blocks {
        script += block.commands;
        // On a line of its own, also after an answer that does not end its line.
        script += &format!("echo\necho '{END}'\n");
    }
    let path =
        format!("{}:{}", executable().parent().unwrap().display(), std::env::var("PATH").unwrap());
    // timeout ends the service of the guide, too.
    let mut bash = Command::new("timeout");
    bash.args(["-s", "KILL", "50", "bash", "-c", &script]).current_dir(dir.path());
    bash.env("PATH", path).env("PORT", port()).env_remove("TIDINGS_SERVER");
    let ended = finish(bash, "");
    let printed: Vec<&str> = ended.stdout.split(END).collect();
    for (block, printed) in blocks.iter().zip(&printed) {
        let Some(shown) = block.shown else { continue };
        assert!(
            matches(shown, printed),
            "{}{shown}--- but:\n{printed}\n{}",
            block.commands,
            ended.stderr
        );
    }
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(printed.len(), blocks.len() + 1, "{}", ended.stdout);
}
