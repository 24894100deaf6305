//! One table of wrong requests: each gets its status, its code and its place, and the next good
//! request is served.

use std::time::Duration;

use tidings_serve::Limits;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::{Running, event, start, start_with};

const JSON: &[&str] = &["content-type: application/json"];
const EVENTS: &str = "POST /api/v1/events";
const SUBSCRIPTIONS: &str = "POST /api/v1/subscriptions";

/// Request line, headers, body, status, code, field or byte offset (empty: neither).
type Row<'a> = (&'a str, &'a [&'a str], &'a str, u16, &'a str, &'a str);

async fn check(server: &Running, row: &Row<'_>) {
    let (line, headers, body, status, code, place) = *row;
    let reply = server.ask(line, headers, body.as_bytes()).await;
    let shown: String =
        format!("{line} {headers:?} {}", body.chars().take(120).collect::<String>());
    assert_eq!(reply.status, status, "{shown}: {reply:?}");
    assert!(reply.head.contains("content-type: application/problem+json"), "{shown}: {reply:?}");
    let problem = reply.json();
    assert_eq!(problem["code"], code, "{shown}: {problem}");
    assert_eq!(problem["status"], status, "{shown}");
    assert!(problem["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{shown}");
    match place.parse::<u64>() {
        Ok(offset) => assert_eq!(problem["offset"], offset, "{shown}: {problem}"),
        Err(_) if place.is_empty() => {}
        Err(_) => assert_eq!(problem["field"], place, "{shown}: {problem}"),
    }
}

async fn good_publish_succeeds(server: &Running) {
    server.send(EVENTS, &event("GOOD", 1)).await.expect(200);
}

#[tokio::test]
async fn routes_and_queries() {
    let server = start().await;
    let rows: &[Row<'_>] = &[
        ("GET /", &[], "", 404, "ROUTE_UNKNOWN", ""),
        ("GET /api/v1/nothing", &[], "", 404, "ROUTE_UNKNOWN", ""),
        ("GET /api/v1/analysis/trends/AAPL", &[], "", 404, "ROUTE_UNKNOWN", ""),
        ("DELETE /api/v1/events", &[], "", 405, "METHOD_NOT_ALLOWED", ""),
        ("PUT /livez", &[], "", 405, "METHOD_NOT_ALLOWED", ""),
        ("POST /api/v1/replays", JSON, "{}", 501, "NOT_AVAILABLE", ""),
        ("GET /api/v1/insight/lag", &[], "", 501, "NOT_AVAILABLE", ""),
        ("PATCH /api/v1/subscriptions/a", JSON, "{}", 404, "SUBSCRIPTION_UNKNOWN", ""),
        ("PATCH /api/v1/subscriptions/a", JSON, "[]", 400, "FIELD_INVALID", ""),
        (
            "PATCH /api/v1/subscriptions/a",
            JSON,
            "{\"colour\":null}",
            400,
            "FIELD_UNKNOWN",
            "colour",
        ),
        ("POST /api/v1/subscriptions/a/pause", &[], "", 404, "SUBSCRIPTION_UNKNOWN", ""),
        ("POST /api/v1/subscriptions/a/resume", &[], "", 404, "SUBSCRIPTION_UNKNOWN", ""),
        ("POST /api/v1/subscriptions/a/seek", JSON, "{}", 400, "FIELD_MISSING", "to"),
        ("GET /api/v1/topics?limit=0", &[], "", 400, "FIELD_INVALID", "limit"),
        ("GET /api/v1/topics?limit=9223372036854775808", &[], "", 400, "FIELD_INVALID", "limit"),
        ("GET /api/v1/topics?limit=-1", &[], "", 400, "FIELD_INVALID", "limit"),
        ("GET /api/v1/topics?limit=1&limit=2", &[], "", 400, "FIELD_REPEATED", "limit"),
        ("GET /api/v1/topics?limits=1", &[], "", 400, "FIELD_UNKNOWN", "limits"),
        ("GET /api/v1/topics/UPPER", &[], "", 400, "TOPIC_NAME_INVALID", "name"),
        ("GET /api/v1/topics/..%2F..%2Fetc", &[], "", 400, "TOPIC_NAME_INVALID", "name"),
        ("GET /api/v1/topics/a%00b", &[], "", 400, "TOPIC_NAME_INVALID", "name"),
        ("GET /api/v1/topics/%ff", &[], "", 400, "REQUEST_MALFORMED", ""),
        ("GET /api/v1/topics/none", &[], "", 404, "TOPIC_UNKNOWN", ""),
        ("GET /api/v1/topics/none/events", &[], "", 404, "TOPIC_UNKNOWN", ""),
        ("GET /api/v1/topics/none/events?filter=x", &[], "", 501, "NOT_AVAILABLE", "filter"),
        ("GET /api/v1/topics/none/events?time=now", &[], "", 400, "FIELD_INVALID", "time"),
        (
            "GET /api/v1/topics/t/events?offset=1&time=2026-01-02T00:00:00Z",
            &[],
            "",
            400,
            "FIELD_INVALID",
            "time",
        ),
        ("GET /api/v1/analysis/indicators", &[], "", 400, "FIELD_MISSING", "instrument"),
        ("GET /api/v1/analysis/summary/A?final=maybe", &[], "", 400, "FIELD_INVALID", "final"),
    ];
    for row in rows {
        check(&server, row).await;
    }
    good_publish_succeeds(&server).await;
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn publishes() {
    let server = start().await;
    let good = event("A", 1);
    let nan = good.replace("32.7", "NaN");
    let unknown_kind = good.replace("INDICATORS", "WEATHER");
    let reserved_kind = good.replace("INDICATORS", "RISK");
    let unknown_field = good.replace("\"venue\"", "\"venu\"");
    let no_source = good.replace("\"source\":\"ta-1\",", "");
    let backwards = event("A", 2).replace("00:15:00", "00:05:00");
    let no_timeframe = good.replace("\"timeframe\":\"5m\",", "");
    let control = good.replace("\"A\"", "\"A\\u0001\"");
    let deep = format!("{}{}", "[".repeat(70), "]".repeat(70));
    let rows: &[Row<'_>] = &[
        (EVENTS, JSON, "", 400, "JSON_MALFORMED", "0"),
        (EVENTS, JSON, "[", 400, "JSON_MALFORMED", ""),
        (EVENTS, JSON, "[]", 400, "BATCH_EMPTY", ""),
        (EVENTS, JSON, "{\"source\":", 400, "JSON_MALFORMED", ""),
        (EVENTS, JSON, "nonsense", 400, "JSON_MALFORMED", ""),
        (EVENTS, JSON, &nan, 400, "NUMBER_NOT_FINITE", "234"),
        (EVENTS, JSON, &deep, 400, "DEPTH_EXCEEDED", "64"),
        (EVENTS, JSON, &unknown_kind, 400, "KIND_UNKNOWN", "kind"),
        (EVENTS, JSON, &reserved_kind, 501, "KIND_NOT_ENABLED", "kind"),
        (EVENTS, JSON, &unknown_field, 400, "FIELD_UNKNOWN", "venu"),
        (EVENTS, JSON, &no_source, 400, "FIELD_MISSING", "source"),
        (EVENTS, JSON, &no_timeframe, 400, "FIELD_MISSING", "timeframe"),
        (EVENTS, JSON, &backwards, 400, "TIME_ORDER", ""),
        (EVENTS, JSON, &control, 400, "FIELD_INVALID", "instrument"),
        (
            EVENTS,
            &["content-type: text/plain"],
            "x",
            415,
            "CONTENT_TYPE_UNSUPPORTED",
            "content-type",
        ),
        (EVENTS, &["content-type: application/avro"], "x", 501, "NOT_AVAILABLE", "content-type"),
        (
            EVENTS,
            &["content-type: application/cloudevents+json"],
            "{}",
            400,
            "FIELD_MISSING",
            "specversion",
        ),
        (
            EVENTS,
            &["content-type: application/json", "content-encoding: br"],
            "x",
            415,
            "CONTENT_TYPE_UNSUPPORTED",
            "content-encoding",
        ),
        (
            EVENTS,
            &["content-type: application/x-protobuf"],
            "\u{1}junk",
            400,
            "EVENT_MALFORMED",
            "",
        ),
        (EVENTS, &["content-type: application/x-ndjson"], "\n\n", 400, "BATCH_EMPTY", ""),
        (
            EVENTS,
            &["content-type: application/json", "content-length: 99999999"],
            "",
            413,
            "BATCH_TOO_LARGE",
            "",
        ),
        ("POST /api/v1/events?topic=Bad", JSON, &good, 400, "TOPIC_NAME_INVALID", "topic"),
        ("POST /api/v1/events?topic=none", JSON, &good, 404, "TOPIC_UNKNOWN", ""),
        ("POST /api/v1/events?atomic=perhaps", JSON, &good, 400, "FIELD_INVALID", "atomic"),
        (
            "POST /api/v1/events?durability=replicated",
            JSON,
            &good,
            501,
            "NOT_AVAILABLE",
            "durability",
        ),
        ("POST /api/v1/events?durability=none", JSON, &good, 400, "FIELD_INVALID", "durability"),
        ("POST /api/v1/events?tenant=other", JSON, &good, 400, "FIELD_UNKNOWN", "tenant"),
    ];
    for row in rows {
        check(&server, row).await;
    }
    good_publish_succeeds(&server).await;
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn documents() {
    let server = start().await;
    let ack = "POST /api/v1/subscriptions/s/ack";
    let pull = "POST /api/v1/subscriptions/s/pull";
    let topic = "PUT /api/v1/topics/t";
    server.send(SUBSCRIPTIONS, r#"{"name":"s","topics":["**"]}"#).await.expect(201);
    let rows: &[Row<'_>] = &[
        (SUBSCRIPTIONS, JSON, "{}", 400, "FIELD_MISSING", "name"),
        (SUBSCRIPTIONS, JSON, r#"{"name":"a","topics":[]}"#, 400, "FIELD_MISSING", "topics"),
        (
            SUBSCRIPTIONS,
            JSON,
            r#"{"name":"A b","topics":["**"]}"#,
            400,
            "SUBSCRIPTION_NAME_INVALID",
            "name",
        ),
        (
            SUBSCRIPTIONS,
            JSON,
            r#"{"name":"a","topics":["a/**/b"]}"#,
            400,
            "PATTERN_INVALID",
            "topics[0]",
        ),
        (
            SUBSCRIPTIONS,
            JSON,
            r#"{"name":"a","topics":["**"],"colour":"red"}"#,
            400,
            "FIELD_UNKNOWN",
            "colour",
        ),
        (
            SUBSCRIPTIONS,
            JSON,
            r#"{"name":"a","topics":["**"],"filter":"instrument > 1"}"#,
            400,
            "FILTER_TYPE",
            "filter",
        ),
        (
            SUBSCRIPTIONS,
            JSON,
            r#"{"name":"a","topics":["**"],"filter":"instrument = 1"}"#,
            400,
            "FILTER_INVALID",
            "filter",
        ),
        (
            SUBSCRIPTIONS,
            JSON,
            r#"{"name":"a","topics":["**"],"mode":"odd"}"#,
            400,
            "FIELD_INVALID",
            "mode",
        ),
        (
            SUBSCRIPTIONS,
            JSON,
            r#"{"name":"a","topics":["**"],"format":"avro"}"#,
            501,
            "NOT_AVAILABLE",
            "format",
        ),
        (
            SUBSCRIPTIONS,
            JSON,
            r#"{"name":"a","topics":["**"],"retry":{"max_attempts":0}}"#,
            400,
            "FIELD_INVALID",
            "retry.max_attempts",
        ),
        (
            SUBSCRIPTIONS,
            JSON,
            r#"{"name":"a","topics":["**"],"delivery":{"webhook":{"url":"x"}}}"#,
            501,
            "NOT_AVAILABLE",
            "delivery.webhook",
        ),
        (
            SUBSCRIPTIONS,
            JSON,
            r#"{"name":"a","topics":["**"],"delivery":{"pull":{},"stream":{}}}"#,
            400,
            "FIELD_INVALID",
            "delivery",
        ),
        (
            SUBSCRIPTIONS,
            JSON,
            r#"{"name":"a","topics":["**"],"start":{"time":"noon"}}"#,
            400,
            "FIELD_INVALID",
            "start.time",
        ),
        (
            SUBSCRIPTIONS,
            JSON,
            r#"{"name":"a","topics":["**"],"start":{"positions":["p9"]}}"#,
            400,
            "POSITION_INVALID",
            "start.positions[0]",
        ),
        (
            SUBSCRIPTIONS,
            JSON,
            r#"{"name":"a","topics":["**"],"max_in_flight":0}"#,
            400,
            "FIELD_INVALID",
            "max_in_flight",
        ),
        (
            SUBSCRIPTIONS,
            &["content-type: text/xml"],
            "<a/>",
            415,
            "CONTENT_TYPE_UNSUPPORTED",
            "content-type",
        ),
        ("GET /api/v1/subscriptions/none", &[], "", 404, "SUBSCRIPTION_UNKNOWN", ""),
        ("POST /api/v1/subscriptions/none/pull", JSON, "{}", 404, "SUBSCRIPTION_UNKNOWN", ""),
        (pull, JSON, r#"{"max":0}"#, 400, "FIELD_INVALID", "max"),
        (pull, JSON, r#"{"wait_ms":99999999}"#, 400, "FIELD_INVALID", "wait_ms"),
        (ack, JSON, "{}", 400, "FIELD_MISSING", "ack_ids"),
        (ack, JSON, r#"{"ack_ids":["x"],"up_to":["y"]}"#, 400, "FIELD_INVALID", "ack_ids"),
        (
            ack,
            JSON,
            r#"{"ack_ids":["a1-1-1-1-1-1-1-00000000"]}"#,
            400,
            "ACK_ID_INVALID",
            "ack_ids[0]",
        ),
        (topic, JSON, r#"{"partitions":0}"#, 400, "FIELD_INVALID", "partitions"),
        (topic, JSON, r#"{"partitions":"many"}"#, 400, "FIELD_INVALID", "partitions"),
        (topic, JSON, r#"{"retention":"forever"}"#, 400, "FIELD_INVALID", "retention"),
        (
            topic,
            JSON,
            r#"{"retention":{"seconds":1,"hours":2}}"#,
            400,
            "FIELD_UNKNOWN",
            "retention.hours",
        ),
        (topic, JSON, r#"{"template":"x"}"#, 501, "NOT_AVAILABLE", "template"),
        ("DELETE /api/v1/topics/none", &[], "", 404, "TOPIC_UNKNOWN", ""),
        ("DELETE /api/v1/subscriptions/none", &[], "", 404, "SUBSCRIPTION_UNKNOWN", ""),
    ];
    for row in rows {
        check(&server, row).await;
    }
    good_publish_succeeds(&server).await;
}

#[tokio::test]
async fn sizes_and_times() {
    let limits = Limits {
        body_bytes: 4096,
        batch_events: 3,
        body_read: Duration::from_millis(50),
        ..Limits::default()
    };
    let server = start_with(limits).await;
    let large = "x".repeat(5000);
    let chunked = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    let chunks = ["content-type: application/json", "transfer-encoding: chunked"];
    check(&server, &(EVENTS, &chunks, &chunked, 413, "BATCH_TOO_LARGE", "")).await;
    check(&server, &(EVENTS, JSON, "[1,2,3,4]", 413, "BATCH_TOO_LARGE", "")).await;
    let slow = ["content-type: application/json", "content-length: 10"];
    check(&server, &(EVENTS, &slow, "[1", 408, "REQUEST_TIMEOUT", "")).await;
    let header = format!("x-large: {}", "h".repeat(70_000));
    check(&server, &("GET /livez", &[&header], "", 431, "HEADER_TOO_LARGE", "")).await;
    let garbage = server.raw(b"\x16\x03\x01 not http\r\n\r\n").await;
    assert_eq!(garbage.status, 400);
    good_publish_succeeds(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn a_client_gone_in_mid_batch_leaves_nothing() {
    let server = start().await;
    let batch = format!("[{}", event("GONE", 1));
    let head = format!(
        "POST /api/v1/events HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        batch.len() + 100
    );
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(batch.as_bytes()).await.unwrap();
    drop(stream);
    let stored = server.send(EVENTS, &event("GONE", 1)).await.expect(200);
    assert_eq!(stored["results"][0]["offset"], 0);
    server.stop().await;
}
