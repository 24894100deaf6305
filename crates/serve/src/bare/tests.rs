//! Bare answers become problems, all others pass untouched, however little a write takes.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const BARE: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\ndate: now\r\n\r\n";

/// What arrives of these writes over a stream that takes so many bytes at a time.
async fn check(writes: &[&[u8]], room: usize) -> String {
    let (near, mut far) = tokio::io::duplex(room);
    let mut stream = Spelled::new(near, Recorder::new());
    let writing = async {
        for bytes in writes {
            stream.write_all(bytes).await.unwrap();
        }
        stream.shutdown().await.unwrap();
        drop(stream);
    };
    let mut arrived = String::new();
    let (_, read) = tokio::join!(writing, far.read_to_string(&mut arrived));
    read.unwrap();
    arrived
}

#[tokio::test]
async fn a_bare_answer_becomes_a_problem() {
    for room in [7, 64, 4096] {
        let arrived = check(&[BARE], room).await;
        let (head, body) = arrived.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["code"], "REQUEST_MALFORMED");
        assert!(head.contains(problem["request_id"].as_str().unwrap()));
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_told_from_what_is_no_request() {
    for status in ["414 URI Too Long", "431 Request Header Fields Too Large"] {
        let bare = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        let arrived = check(&[bare.as_bytes()], 4096).await;
        assert!(arrived.starts_with("HTTP/1.1 431 "), "{arrived}");
        assert!(arrived.contains("HEADER_TOO_LARGE"), "{arrived}");
    }
}

#[tokio::test]
async fn all_else_passes_as_it_is() {
    let ours = b"HTTP/1.1 400 Bad Request\r\nx-request-id: a\r\ncontent-length: 0\r\n\r\n";
    let fine = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let with_body = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\nno";
    for bytes in [&ours[..], fine, with_body, b"data: HTTP/1.1 400\r\n\r\n", b"\xff\xfe"] {
        let expected = String::from_utf8_lossy(bytes).into_owned();
        if std::str::from_utf8(bytes).is_ok() {
            assert_eq!(check(&[bytes], 16).await, expected);
        }
        assert_eq!(bare(bytes), None, "{expected}");
    }
}
