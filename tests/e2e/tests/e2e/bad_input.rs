//! Wrong input to the real executable: each gets its answer, nothing is half applied, and the
//! process goes on.

use tidings_e2e::{Server, ask, indicator_json, send_raw};

const JSON: &str = "application/json";
const PROTOBUF: &str = "application/x-protobuf";
const EVENTS: &str = "POST /api/v1/events";
const SUBSCRIPTIONS: &str = "POST /api/v1/subscriptions";

#[track_caller]
fn check(server: &Server, line: &str, kind: &str, body: &[u8], want: (u16, &str)) {
    let answer = ask(server, line, kind, body);
    let shown = String::from_utf8_lossy(&body[..body.len().min(100)]);
    let problem = answer.json();
    let got = (answer.status, problem["code"].as_str().unwrap_or_default());
    assert_eq!(got, want, "{line} {shown}: {answer:?}");
    assert!(problem["detail"].as_str().is_some_and(|text| !text.is_empty()), "{line}: {problem}");
}

#[test]
fn wrong_events_are_refused_with_their_code() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let good = indicator_json("AAPL", 0, 1.5);
    let wrong = |from: &str, to: &str| {
        assert!(good.contains(from));
        good.replace(from, to).into_bytes()
    };
    let deep = "[".repeat(65);
    let rows: [(&str, Vec<u8>, (u16, &str)); 15] = [
        (JSON, b"{\"source\":".to_vec(), (400, "JSON_MALFORMED")),
        (JSON, b"\xff\xfe".to_vec(), (400, "JSON_MALFORMED")),
        (JSON, b"[]".to_vec(), (400, "BATCH_EMPTY")),
        (JSON, deep.into_bytes(), (400, "DEPTH_EXCEEDED")),
        (JSON, wrong("INDICATORS", "WEATHER"), (400, "KIND_UNKNOWN")),
        (JSON, wrong("INDICATORS", "RISK"), (501, "KIND_NOT_ENABLED")),
        (JSON, wrong("\"source\":\"e2e\",", ""), (400, "FIELD_MISSING")),
        (JSON, wrong("venue", "venu"), (400, "FIELD_UNKNOWN")),
        (JSON, wrong("1.5", "NaN"), (400, "NUMBER_NOT_FINITE")),
        (JSON, wrong("AAPL", &"A".repeat(51)), (400, "FIELD_INVALID")),
        (JSON, wrong("T00:05", "T00:00"), (400, "TIME_ORDER")),
        (JSON, vec![b' '; (16 << 20) + 1], (413, "BATCH_TOO_LARGE")),
        (PROTOBUF, b"\x0a\x05junk".to_vec(), (400, "EVENT_MALFORMED")),
        ("text/plain", b"x".to_vec(), (415, "CONTENT_TYPE_UNSUPPORTED")),
        ("application/avro", b"x".to_vec(), (501, "NOT_AVAILABLE")),
    ];
    for (kind, body, want) in rows {
        check(&server, EVENTS, kind, &body, want);
    }
    let elsewhere = "POST /api/v1/events?topic=no/such";
    check(&server, elsewhere, JSON, good.as_bytes(), (404, "TOPIC_UNKNOWN"));
    nothing_was_stored(&server);
}

#[test]
fn wrong_requests_are_refused_with_their_code() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let subscription = |rest: &str| format!("{{\"name\":\"s\",\"topics\":[\"**\"],{rest}}}");
    let rows: [(&str, String, (u16, &str)); 10] = [
        (
            SUBSCRIPTIONS,
            "{\"name\":\"S!\",\"topics\":[\"**\"]}".to_owned(),
            (400, "SUBSCRIPTION_NAME_INVALID"),
        ),
        (
            SUBSCRIPTIONS,
            "{\"name\":\"s\",\"topics\":[\"a//b\"]}".to_owned(),
            (400, "PATTERN_INVALID"),
        ),
        (SUBSCRIPTIONS, subscription("\"filter\":\"so\""), (400, "FILTER_TYPE")),
        (SUBSCRIPTIONS, subscription("\"format\":\"avro\""), (501, "NOT_AVAILABLE")),
        (SUBSCRIPTIONS, subscription("\"colour\":1"), (400, "FIELD_UNKNOWN")),
        ("PUT /api/v1/topics/UPPER", "{}".to_owned(), (400, "TOPIC_NAME_INVALID")),
        ("PUT /api/v1/topics/t", "{\"partitions\":0}".to_owned(), (400, "FIELD_INVALID")),
        ("GET /api/v1/subscriptions/none", String::new(), (404, "SUBSCRIPTION_UNKNOWN")),
        ("GET /api/v1/nothing", String::new(), (404, "ROUTE_UNKNOWN")),
        ("DELETE /api/v1/events", String::new(), (405, "METHOD_NOT_ALLOWED")),
    ];
    for (line, body, want) in rows {
        check(&server, line, JSON, body.as_bytes(), want);
    }
    nothing_was_stored(&server);
}

#[test]
fn connections_that_break_or_babble_harm_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let event = indicator_json("AAPL", 0, 1.5);
    let half = format!(
        "{EVENTS} HTTP/1.1\r\nhost: e2e\r\ncontent-type: {JSON}\r\ncontent-length: {}\r\n\r\n{}",
        event.len(),
        &event[..event.len() - 1]
    );
    let http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    // A client that is gone in the middle of an event, of an HTTP/2 preface, of a frame.
    for bytes in
        [half.as_bytes(), &http2[..10], &[&http2[..], b"\0\0\x20\x01\x05\0\0\0\x01ab"].concat()]
    {
        let _unanswered = send_raw(&server, bytes, false);
    }
    // A gRPC stream cut off inside a message never becomes one.
    let _unanswered =
        send_raw(&server, &[&http2[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat(), false);
    let babble = send_raw(&server, b"\x16\x03\x01 hello\r\n\r\n", true);
    assert!(babble.status == 0 || babble.status == 400, "{babble:?}");
    let wide = ask(&server, &format!("GET /livez?{}", "y".repeat(100 << 10)), "", b"");
    assert!([414, 431].contains(&wide.status), "{wide:?}");
    let header = format!("{JSON}\r\nx: {}", "y".repeat(100 << 10));
    check(&server, "GET /livez", &header, b"", (431, "HEADER_TOO_LARGE"));
    nothing_was_stored(&server);
}

/// The next good event is the first one, and the process is the same.
#[track_caller]
fn nothing_was_stored(server: &Server) {
    assert_eq!(ask(server, "GET /livez", "", b"").status, 200);
    let stored = ask(server, EVENTS, JSON, indicator_json("AAPL", 0, 1.5).as_bytes());
    let document = stored.json();
    assert_eq!((stored.status, &document["results"][0]["offset"]), (200, &0.into()), "{document}");
}
