//! One connection, many requests: in whatever pieces they come, with bodies that nobody read, with
//! answers that are read slowly. The library that speaks HTTP is put away between them.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::{Running, event, start};

/// A client that keeps its connection.
struct Kept {
    socket: TcpStream,
    bytes: Vec<u8>,
}

impl Kept {
    async fn open(server: &Running) -> Self {
        Self { socket: TcpStream::connect(server.addr).await.unwrap(), bytes: Vec::new() }
    }

    /// With so small a window that answers wait in the server.
    async fn open_narrow(server: &Running) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Self { socket: socket.connect(server.addr).await.unwrap(), bytes: Vec::new() }
    }

    async fn say(&mut self, text: &str) {
        self.socket.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next answer's status and the length of its body; `None` at the end.
    async fn answer(&mut self) -> Option<(u16, usize)> {
        loop {
            if let Some(answer) = self.parsed() {
                return Some(answer);
            }
            let mut piece = [0; 4096];
            let count = self.socket.read(&mut piece).await.unwrap_or(0);
            if count == 0 {
                assert!(self.bytes.is_empty(), "cut off: {}", String::from_utf8_lossy(&self.bytes));
                return None;
            }
            self.bytes.extend_from_slice(&piece[..count]);
        }
    }

    fn parsed(&mut self) -> Option<(u16, usize)> {
        let end = self.bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(self.bytes[..end].to_vec()).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.unwrap().parse().unwrap();
        if self.bytes.len() < end + length {
            return None;
        }
        self.bytes.drain(..end + length);
        Some((head.split(' ').nth(1).unwrap().parse().unwrap(), length))
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn requests_in_any_pieces_are_answered_one_by_one() {
    let server = start().await;
    let requests = [
        get("/livez"),
        post("/api/v1/events", &event("AAPL", 1)),
        get("/api/v1/nothing"),
        get("/livez"),
    ];
    let expected = [200, 200, 404, 200];
    let ends = requests.iter().scan(0, |end, request| {
        *end += request.len();
        Some(*end)
    });
    let ends: Vec<usize> = ends.collect();
    let all = requests.concat();
    for cut in (1..all.len()).step_by(5).chain(ends.iter().copied()) {
        let mut client = Kept::open(&server).await;
        client.say(&all[..cut]).await;
        let mut statuses = Vec::new();
        for _whole in ends.iter().filter(|&&end| end <= cut) {
            statuses.push(client.answer().await.unwrap().0);
        }
        client.say(&all[cut..]).await;
        while statuses.len() < expected.len() {
            statuses.push(client.answer().await.unwrap().0);
        }
        assert_eq!(statuses, expected, "cut at {cut}");
    }
}

#[tokio::test]
async fn a_body_that_nobody_read_is_not_taken_for_a_request() {
    let server = start().await;
    let inside = get("/livez");
    let refused = post("/api/v1/nothing", &inside);
    let head = refused.len() - inside.len();
    for cut in [refused.len(), head, head + 1, head + inside.len() / 2] {
        let mut client = Kept::open(&server).await;
        client.say(&refused[..cut]).await;
        assert_eq!(client.answer().await.unwrap().0, 404, "cut at {cut}");
        // The server may have closed.
        let rest = format!("{}{}", &refused[cut..], get("/api/v1/nowhere"));
        let _refused = client.socket.write_all(rest.as_bytes()).await;
        let _gone = client.socket.shutdown().await;
        while let Some((status, _)) = client.answer().await {
            assert_eq!(status, 404, "cut at {cut}");
        }
    }
}

#[tokio::test]
async fn answers_that_are_read_slowly_are_whole() {
    let server = start().await;
    let mut client = Kept::open_narrow(&server).await;
    const REQUESTS: usize = 40;
    client.say(&get("/openapi.json").repeat(REQUESTS)).await;
    let (status, length) = client.answer().await.unwrap();
    assert!(status == 200 && length > 100_000, "{status} {length}");
    for _ in 1..REQUESTS {
        assert_eq!(client.answer().await.unwrap(), (status, length));
    }
    client.say(&get("/livez")).await;
    assert_eq!(client.answer().await.unwrap().0, 200);
}

#[tokio::test]
async fn a_connection_that_its_client_ends_ends() {
    let server = start().await;
    let mut client = Kept::open(&server).await;
    client.say(&get("/livez").replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n")).await;
    assert_eq!(client.answer().await.unwrap().0, 200);
    assert_eq!(client.answer().await, None);
    let mut client = Kept::open(&server).await;
    client.say(&get("/livez")).await;
    assert_eq!(client.answer().await.unwrap().0, 200);
    client.socket.shutdown().await.unwrap();
    assert_eq!(client.answer().await, None);
    // One that waits for its next request does not hold up a stop.
    let mut client = Kept::open(&server).await;
    client.say(&get("/livez")).await;
    assert_eq!(client.answer().await.unwrap().0, 200);
    server.stop().await;
    assert_eq!(client.answer().await, None);
}

#[tokio::test]
async fn a_stream_of_events_is_written_as_its_reader_can_read_it() {
    let server = start().await;
    let body = r#"{"name":"s","topics":["analysis/**"],"delivery":{"stream":{}}}"#;
    server.send("POST /api/v1/subscriptions", body).await.expect(201);
    let path = "/api/v1/subscriptions/s/stream";
    for (version, chunked) in [("HTTP/1.1", true), ("HTTP/1.0", false), ("HTTP/1.1", true)] {
        let request = format!("GET {path} {version}\r\nhost: test\r\n\r\n");
        // The reader before is gone, and the service finds that out.
        let text = loop {
            let text = until(&server, &request, "event: opened").await;
            if !text.contains("SUBSCRIPTION_BUSY") {
                break text;
            }
        };
        let (head, stream) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(head.contains("transfer-encoding: chunked"), chunked, "{head}");
        assert_eq!(!stream.starts_with("retry: "), chunked, "{stream}");
    }
}

/// What a request is told up to some text, or to the end of an answer that is refused.
async fn until(server: &Running, request: &str, wanted: &str) -> String {
    let mut socket = TcpStream::connect(server.addr).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    while !text.contains(wanted) && !text.contains("\"request_id\"") {
        let mut piece = [0; 4096];
        let count = socket.read(&mut piece).await.unwrap();
        assert!(count > 0, "{text}");
        text.push_str(std::str::from_utf8(&piece[..count]).unwrap());
    }
    text
}
