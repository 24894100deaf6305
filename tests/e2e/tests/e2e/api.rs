//! The commands of docs/api.md do what is written there, and answer what is shown.

use std::process::Command;

use serde_json::Value;
use tidings_e2e::{Server, finish};

const API: &str = include_str!("../../../../docs/api.md");

/// Ends what a block of commands printed.
const END: &str = "=== end of block ===";

/// A block of commands and the answer that is shown for it.
struct Block {
    commands: &'static str,
    shown: Option<Value>,
}

fn blocks() -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut follows = false;
    for (at, text) in API.split("```").enumerate() {
        // A document is the answer of the commands right before it.
        if at % 2 == 0 {
            follows &= text.trim().is_empty();
            continue;
        }
        match text.split_once('\n').unwrap() {
            ("sh", commands) => {
                blocks.push(Block { commands, shown: None });
                follows = true;
                continue;
            }
            ("json", shown) if follows => {
                let whole = shown.replace("{…}", "{}").replace("[…]", "[]").replace(",…", "");
                let shown = serde_json::from_str(&whole);
                blocks.last_mut().unwrap().shown =
                    Some(shown.unwrap_or_else(|error| panic!("{error}: {whole}")));
            }
            _ => {}
        }
        follows = false;
    }
    blocks
}

/// Whether an answer has what is shown of it: every member, of the same type; strings and numbers
/// that the document means literally are those that stand without `…` in a code or a name.
#[track_caller]
fn check(path: &str, shown: &Value, answer: &Value) {
    match (shown, answer) {
        (Value::Object(shown), Value::Object(answer)) => {
            for (name, value) in shown {
                let found = answer.get(name);
                let found = found.unwrap_or_else(|| panic!("{path}.{name} is missing: {answer:?}"));
                check(&format!("{path}.{name}"), value, found);
            }
        }
        (Value::Array(shown), Value::Array(answer)) => {
            assert!(shown.is_empty() || !answer.is_empty(), "{path} is empty");
            for (at, (shown, answer)) in shown.iter().zip(answer).enumerate() {
                check(&format!("{path}[{at}]"), shown, answer);
            }
        }
        (Value::String(shown), Value::String(answer)) => {
            let literal = ["code", "name", "status", "level", "kind", "state", "durability"];
            let named = path.rsplit('.').next().is_some_and(|name| literal.contains(&name));
            assert!(!named || shown.contains('…') || shown == answer, "{path}: {shown} {answer}");
        }
        (Value::Number(_), Value::Number(_))
        | (Value::Bool(_), Value::Bool(_))
        | (Value::Null, _) => {}
        (shown, answer) => panic!("{path}: {shown} is shown, {answer} came"),
    }
}

#[test]
fn the_examples_of_the_api_are_true() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let blocks = blocks();
    assert!(blocks.len() > 8, "{}", blocks.len());
    let mut script = "set -uo pipefail\n".to_owned();
    for block in &blocks {
        script += &block.commands.replace("localhost:8080", server.addr());
        script += &format!("echo\necho '{END}'\n");
    }
    let mut bash = Command::new("timeout");
    bash.args(["-s", "KILL", "50", "bash", "-c", &script]).current_dir(dir.path());
    let ended = finish(bash, "");
    let printed: Vec<&str> = ended.stdout.split(END).collect();
    assert_eq!(printed.len(), blocks.len() + 1, "{}\n{}", ended.stdout, ended.stderr);
    for (block, printed) in blocks.iter().zip(&printed) {
        let Some(shown) = &block.shown else { continue };
        let answer: Value = serde_json::from_str(printed)
            .unwrap_or_else(|error| panic!("{error}: {}{printed}{}", block.commands, ended.stderr));
        check("", shown, &answer);
    }
}
