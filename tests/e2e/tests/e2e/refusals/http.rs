//! HTTP/1.1: one request, or bytes as they are.

use tidings_e2e::{Answer, Server, send_raw};

use super::answered::Answered;
use super::row::{Row, expand};

pub(super) fn answer(server: &Server, row: &Row) -> Answered {
    let body = row.bytes();
    let mut head = format!("{} HTTP/1.1\r\nhost: e2e\r\nconnection: close\r\n", expand(&row.send));
    if !row.kind.is_empty() {
        head.push_str(&format!("content-type: {}\r\n", row.media_type()));
    }
    for line in &row.head {
        head.push_str(&expand(line));
        head.push_str("\r\n");
    }
    let says_length =
        |line: &String| line.starts_with("content-length") || line.starts_with("transfer");
    if !row.head.iter().any(says_length) {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    answered(send_raw(server, &[head.as_bytes(), &body].concat(), true))
}

pub(super) fn answer_raw(server: &Server, row: &Row) -> Answered {
    let bytes: Vec<u8> = [expand(&row.send).into_bytes(), row.bytes()].concat();
    answered(send_raw(server, &bytes, true))
}

fn answered(answer: Answer) -> Answered {
    let problem = if answer.head.to_ascii_lowercase().contains("application/problem+json") {
        answer.json()
    } else {
        serde_json::Value::Null
    };
    Answered {
        status: answer.status.to_string(),
        problem: first_problem(problem, &answer),
        text: format!("{}\n{}", answer.head, answer.body),
    }
}

/// The answer's own problem, or that of its first refused event.
fn first_problem(problem: serde_json::Value, answer: &Answer) -> serde_json::Value {
    if !problem.is_null() {
        return problem;
    }
    let document = answer.json();
    let results = document["results"].as_array().cloned().unwrap_or_default();
    let refused = results.iter().find(|result| !result["error"].is_null());
    refused.map_or(serde_json::Value::Null, |result| result["error"].clone())
}
