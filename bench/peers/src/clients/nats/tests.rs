//! Messages are read as the protocol writes them.

use super::{message, put};

#[test]
fn a_publication_is_written_as_the_protocol_says() {
    let mut out = Vec::new();
    put(&mut out, "a.b", None, b"xyz");
    put(&mut out, "a.b", Some("r"), b"");
    assert_eq!(out, b"PUB a.b 3\r\nxyz\r\nPUB a.b r 0\r\n\r\n");
}

#[test]
fn parts_of_a_message_are_found() {
    let read = |line: &'static str| {
        let found = message(line.as_bytes(), line.len() + 2).unwrap();
        (&line[found.reply], found.headers.len(), found.payload.len(), found.length - line.len())
    };
    assert_eq!(read("MSG a.b 1 206"), ("", 0, 206, 210));
    assert_eq!(read("MSG a.b 1 rep.ly 206"), ("rep.ly", 0, 206, 210));
    assert_eq!(read("HMSG a.b 1 12 20"), ("", 12, 8, 24));
    assert_eq!(read("HMSG a.b 1 rep.ly 12 20"), ("rep.ly", 12, 8, 24));
    assert!(message(b"MSG a.b 1 x", 13).is_none());
}
