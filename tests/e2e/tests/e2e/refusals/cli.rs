//! The command line: arguments apart by spaces, the body on stdin.

use serde_json::json;
use tidings_e2e::{Server, run_with_input};

use super::answered::Answered;
use super::row::{Row, expand};

pub(super) fn answer(server: &Server, row: &Row) -> Answered {
    let dir = tempfile::tempdir().unwrap();
    let words: Vec<String> = row
        .send
        .split(' ')
        .map(|word| expand(&word.replace("SERVER", server.url()).replace('~', " ")))
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).filter(|w| !w.is_empty()).collect();
    let input = String::from_utf8(row.bytes()).expect("a text");
    let ended = run_with_input(dir.path(), &words, &input);
    let text = format!("{}{}", ended.stderr, ended.stdout);
    // A refusal of the service keeps its code on the way to the terminal.
    let known = tidings_event::Code::ALL.iter().map(|code| code.as_str());
    let code = known.filter(|code| text.contains(code)).max_by_key(|code| code.len());
    assert!(!text.is_empty(), "{}: it says why it failed", row.shown());
    Answered {
        status: ended.code.map_or_else(|| "signal".to_owned(), |code| code.to_string()),
        problem: code.map_or(serde_json::Value::Null, |code| json!({ "code": code })),
        text,
    }
}
