//! What a connection costs in memory while nothing happens on it, whatever it speaks.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;
use tidings_e2e::{Server, ask};

const CONNECTIONS: u64 = 500;
/// Opened and closed before anything is counted: caches and pools are filled then.
const BEFORE: u64 = 50;
/// Most memory of one.
const EACH_MAX: u64 = 16 << 10;

fn resident_kib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Says something on a connection and reads up to what is expected.
fn hear(socket: &mut TcpStream, said: &[u8], expected: &str) {
    socket.write_all(said).unwrap();
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains(expected) {
        let mut piece = [0; 1024];
        let count = socket.read(&mut piece).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&heard));
        heard.extend_from_slice(&piece[..count]);
    }
}

fn http(socket: &mut TcpStream, _: u64) {
    hear(socket, b"GET /livez HTTP/1.1\r\nhost: e2e\r\n\r\n", "\r\n\r\n");
}

fn sse(socket: &mut TcpStream, number: u64) {
    let path = format!("/api/v1/subscriptions/s-{number}/stream");
    let head = format!("GET {path} HTTP/1.1\r\nhost: e2e\r\n\r\n");
    hear(socket, head.as_bytes(), "event: opened");
}

fn ws(socket: &mut TcpStream, number: u64) {
    let head =
        b"GET /api/v1/ws HTTP/1.1\r\nhost: e2e\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    hear(socket, head, "\r\n\r\n");
    let open = json!({"type": "open", "subscription": format!("s-{number}")}).to_string();
    // One text frame under a mask of zeros.
    let mut frame = vec![0x81, 0x80 | u8::try_from(open.len()).unwrap(), 0, 0, 0, 0];
    frame.extend_from_slice(open.as_bytes());
    hear(socket, &frame, r#""type":"opened""#);
}

#[track_caller]
fn check(connect: fn(&mut TcpStream, u64)) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    for number in 0..BEFORE + CONNECTIONS {
        let body = json!({"name": format!("s-{number}"), "topics": ["analysis/**"]}).to_string();
        let line = "POST /api/v1/subscriptions";
        let created = ask(&server, line, "application/json", body.as_bytes());
        assert_eq!(created.status, 201, "{created:?}");
    }
    let open = |number| {
        let mut socket = TcpStream::connect(server.addr()).unwrap();
        connect(&mut socket, number);
        socket
    };
    (0..BEFORE).for_each(|number| drop(open(number)));
    let before = resident_kib(&server);
    let open: Vec<TcpStream> = (BEFORE..BEFORE + CONNECTIONS).map(open).collect();
    let each = (resident_kib(&server).saturating_sub(before) << 10) / CONNECTIONS;
    assert!(each <= EACH_MAX, "{each} bytes a connection, at most {EACH_MAX} are promised");
    drop(open);
}

#[test]
fn an_idle_http_connection_is_small() {
    check(http);
}

#[test]
fn an_idle_stream_of_server_sent_events_is_small() {
    check(sse);
}

#[test]
fn an_idle_websocket_is_small() {
    check(ws);
}
