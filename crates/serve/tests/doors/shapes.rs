//! Events in every shape over HTTP: one event a shape in, the canonical event out.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use serde_json::{Value, json};
use tidings_event::block::{BodyBuilder, crc32c};
use tidings_event::key::KeyHash;
use tidings_serve::Limits;
use tidings_wire::v1::PublishBlock;

use crate::harness::{Reply, Running, canonical, event, start, start_with};

const BLOCK: &str = "content-type: application/vnd.tidings.block";

async fn post(server: &Running, query: &str, headers: &[&str], body: &[u8]) -> Reply {
    server.ask(&format!("POST /api/v1/events{query}"), headers, body).await
}

/// What is stored where a result says.
async fn stored(server: &Running, result: &Value) -> Value {
    let topic = result["topic"].as_str().unwrap_or_else(|| panic!("{result}")).replace('/', ":");
    let (partition, offset) = (&result["partition"], &result["offset"]);
    let path =
        format!("/api/v1/topics/{topic}/events?partition={partition}&offset={offset}&limit=1");
    server.get(&path).await.expect(200)["events"][0]["event"].clone()
}

fn fixture(path: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/v1/shapes");
    std::fs::read(format!("{folder}/{path}")).unwrap()
}

fn golden(path: &str) -> Value {
    serde_json::from_slice(&fixture(path)).unwrap()
}

/// Sends a fixture; what is stored is the golden event.
async fn check(server: &Running, shape: &str, kind: &str) {
    let want = golden(&format!("{shape}/{kind}.event.json"));
    let reply = if shape == "binary" {
        let request = fixture(&format!("binary/{kind}.http"));
        let end = request.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(request[..end].to_vec()).unwrap();
        let headers: Vec<_> = head.split("\r\n").collect();
        post(server, "", &headers, &request[end + 4..]).await
    } else {
        let request = fixture(&format!("{shape}/{kind}.json"));
        let media =
            if shape == "structured" { "application/cloudevents+json" } else { "application/json" };
        post(server, "", &[&format!("content-type: {media}")], &request).await
    };
    let document = reply.expect(200);
    assert_eq!(stored(server, &document["results"][0]).await, want, "{shape} {kind}");
}

#[tokio::test]
async fn one_event_of_each_shape_is_stored_as_its_canonical_event() {
    let server = start().await;
    for kind in ["indicators", "patterns", "anomaly", "correlation"] {
        check(&server, "a", kind).await;
        check(&server, "b", kind).await;
    }
    for kind in ["indicators", "anomaly", "correlation", "summary", "interval_complete"] {
        check(&server, "structured", kind).await;
    }
    for kind in ["indicators", "anomaly", "summary", "interval_complete"] {
        check(&server, "binary", kind).await;
    }
}

#[tokio::test]
async fn shapes_may_be_mixed_in_an_array_and_in_lines() {
    let server = start().await;
    let one_line = |path: &str| golden(path).to_string();
    let bad = r#"{"eventType":"PatternDetectedEvent"}"#;
    let mixed = [
        event("MIX", 1),
        one_line("a/indicators.json"),
        bad.to_owned(),
        one_line("b/anomaly.json"),
    ];
    let array = format!("[{}]", mixed.join(","));
    let reply = post(&server, "", &["content-type: application/json"], array.as_bytes()).await;
    let results = reply.expect(207)["results"].clone();
    assert_eq!(results[1]["topic"], "analysis/indicators/15m");
    assert_eq!(results[2]["error"]["code"], "FIELD_MISSING");
    assert_eq!(results[2]["error"]["field"], "timestamp");
    assert_eq!(results[3]["topic"], "analysis/anomalies/high");
    let lines = mixed.join("\n");
    let reply = post(&server, "", &["content-type: application/x-ndjson"], lines.as_bytes()).await;
    let results = reply.expect(207)["results"].clone();
    // The ids that A and B brought are known by now.
    assert_eq!((&results[1]["duplicate"], &results[3]["duplicate"]), (&json!(true), &json!(true)));
    let batch = format!("[{}]", one_line("structured/summary.json"));
    let media = "content-type: application/cloudevents-batch+json; charset=utf-8";
    let reply = post(&server, "", &[media], batch.as_bytes()).await.expect(200);
    assert_eq!(reply["results"][0]["topic"], "analysis/summaries");
    post(&server, "", &[media], b"{}").await.expect(400);
}

#[tokio::test]
async fn an_element_with_a_fault_of_its_own_does_not_cost_the_others() {
    let server = start().await;
    let twice = r#"{"source":"a","source":"b"}"#;
    let body = format!("[{},{twice},{{\"priority\":1e999}},{}]", event("ONE", 1), event("TWO", 1));
    let reply = post(&server, "", &["content-type: application/json"], body.as_bytes()).await;
    let results = reply.expect(207)["results"].clone();
    assert_eq!(results[1]["error"]["code"], "FIELD_REPEATED");
    assert_eq!(results[2]["error"]["code"], "NUMBER_NOT_FINITE");
    assert!(results[2]["error"]["offset"].as_u64().unwrap() > event("ONE", 1).len() as u64);
    assert_eq!((&results[0]["offset"], &results[3]["offset"]), (&json!(0), &json!(0)));
    // What is no JSON costs all of it.
    let broken = format!("[{},{{]", event("ONE", 2));
    let problem = post(&server, "", &[], broken.as_bytes()).await.expect(400);
    assert_eq!(problem["code"], "JSON_MALFORMED");
    assert_eq!(problem["offset"], json!(broken.len() - 1));
}

#[tokio::test]
async fn a_timeframe_is_read_in_the_dialect_that_is_named() {
    let server = start().await;
    let written = |frame: &str| event("DIA", 1).replace("\"5m\"", &format!("\"{frame}\""));
    for (dialect, frame, topic) in [
        ("binance", "1M", "analysis/indicators/1mo"),
        ("platform", "1mo", "analysis/indicators/1mo"),
        ("ccxt", "1m", "analysis/indicators/1m"),
        ("tradingview", "240", "analysis/indicators/4h"),
        ("iso8601", "PT5M", "analysis/indicators/5m"),
    ] {
        let reply =
            post(&server, &format!("?dialect={dialect}"), &[], written(frame).as_bytes()).await;
        assert_eq!(reply.expect(200)["results"][0]["topic"], topic, "{dialect} {frame}");
        let reply =
            post(&server, &format!("?dialect={dialect}"), &[], written("1x").as_bytes()).await;
        assert_eq!(reply.expect(400)["field"], "timeframe");
    }
    assert_eq!(
        post(&server, "", &[], written("1M").as_bytes()).await.expect(400)["field"],
        "timeframe"
    );
    let unknown =
        post(&server, "?dialect=klingon", &[], written("1m").as_bytes()).await.expect(400);
    assert_eq!(unknown["field"], "dialect");
    let protobuf = ["content-type: application/protobuf"];
    let reply = post(&server, "?dialect=ccxt", &protobuf, b"").await.expect(400);
    assert_eq!(reply["field"], "dialect");
}

#[tokio::test]
async fn the_parameters_name_source_and_venue_of_the_platforms_events() {
    let server = start().await;
    let body = fixture("b/indicators.json");
    let reply = post(&server, "?source=ta-7&venue=XNAS", &[], &body).await.expect(200);
    let event = stored(&server, &reply["results"][0]).await;
    assert_eq!((&event["source"], &event["venue"]), (&json!("ta-7"), &json!("XNAS")));
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn gzip_is_read_up_to_the_limit_of_a_body() {
    let server = start_with(Limits { body_bytes: 64 << 10, ..Limits::default() }).await;
    let coded = ["content-type: application/json", "content-encoding: gzip"];
    post(&server, "", &coded, &gzip(event("ZIP", 1).as_bytes())).await.expect(200);
    let bomb = gzip(&vec![b' '; 1 << 20]);
    let problem = post(&server, "", &coded, &bomb).await.expect(413);
    assert_eq!(problem["code"], "DECOMPRESSED_TOO_LARGE");
    let cut = gzip(event("ZIP", 2).as_bytes());
    let problem = post(&server, "", &coded, &cut[..cut.len() - 4]).await.expect(400);
    assert_eq!(
        (&problem["code"], &problem["field"]),
        (&json!("REQUEST_MALFORMED"), &json!("content-encoding"))
    );
    let twice = gzip(&gzip(event("ZIP", 3).as_bytes()));
    assert_eq!(post(&server, "", &coded, &twice).await.expect(400)["code"], "JSON_MALFORMED");
    let other = ["content-type: application/json", "content-encoding: br"];
    let problem = post(&server, "", &other, b"{}").await.expect(415);
    assert!(problem["hint"].as_str().unwrap().contains("gzip"), "{problem}");
    post(&server, "", &coded, &gzip(event("ZIP", 4).as_bytes())).await.expect(200);
}

fn block(first_sequence: u64, minutes: &[u32]) -> PublishBlock {
    let mut builder = BodyBuilder::default();
    for &minute in minutes {
        assert!(builder.push(&canonical("AAPL", minute)));
    }
    let (body, count) = builder.take();
    PublishBlock {
        topic: "analysis/indicators/5m".to_owned(),
        partition: KeyHash::of_instrument("XNAS", "AAPL").partition(16).0,
        partitions: 16,
        first_sequence,
        body_crc: crc32c(&body),
        body,
        count,
        ..PublishBlock::default()
    }
}

#[tokio::test]
async fn a_producer_counts_its_blocks_over_http() {
    let server = start().await;
    let open = |json: &'static str| server.send("POST /api/v1/producers", json);
    let granted = open(r#"{"producer_id":"p-1"}"#).await.expect(200);
    assert_eq!(granted["sequences"], json!([]));
    let epoch = granted["producer_epoch"].as_u64().unwrap();
    let query = format!("?producer=p-1&producer_epoch={epoch}");
    let send =
        async |block: PublishBlock| post(&server, &query, &[BLOCK], &block.encode_to_vec()).await;
    let first = send(block(0, &[1, 2])).await.expect(200);
    let result = &first["results"][0];
    assert_eq!((&result["base_offset"], &result["count"]), (&json!(0), &json!(2)), "{first}");
    assert_eq!((&result["index"], &result["duplicate"]), (&json!(0), &json!(false)));
    let again = send(block(0, &[1, 2])).await.expect(200);
    assert_eq!(
        (&again["results"][0]["duplicate"], &again["results"][0]["base_offset"]),
        (&json!(true), &json!(0))
    );
    assert_eq!(send(block(3, &[4])).await.expect(409)["code"], "SEQUENCE_GAP");
    assert_eq!(
        send(PublishBlock { body_crc: 1, ..block(2, &[3]) }).await.expect(400)["code"],
        "BLOCK_CORRUPT"
    );
    assert_eq!(send(block(2, &[3])).await.expect(200)["results"][0]["base_offset"], 2);
    let resumed = format!(r#"{{"producer_id":"p-1","producer_epoch":{epoch}}}"#);
    let resumed = server.send("POST /api/v1/producers", &resumed).await.expect(200);
    assert_eq!(resumed["sequences"][0]["next_sequence"], 3, "{resumed}");
    let newer = open(r#"{"producer_id":"p-1"}"#).await.expect(200);
    assert!(newer["producer_epoch"].as_u64().unwrap() > epoch);
    assert_eq!(send(block(3, &[4])).await.expect(409)["code"], "PRODUCER_FENCED");
    assert_eq!(
        open(r#"{"producer_id":"no spaces"}"#).await.expect(400)["code"],
        "PRODUCER_ID_INVALID"
    );
    assert_eq!(open(r#"{"producer":"p"}"#).await.expect(400)["code"], "FIELD_UNKNOWN");
}

#[tokio::test]
async fn a_block_without_a_producer_is_a_checked_batch() {
    let server = start().await;
    let send = async |query: &str, block: PublishBlock| {
        post(&server, query, &[BLOCK], &block.encode_to_vec()).await
    };
    let unplaced = PublishBlock { topic: String::new(), ..block(0, &[1, 2]) };
    let document = send("", unplaced.clone()).await.expect(200);
    assert_eq!(document["results"][1]["offset"], 1, "{document}");
    let problem = send("", PublishBlock { body_crc: 7, ..unplaced.clone() }).await.expect(400);
    assert_eq!(problem["code"], "BLOCK_CORRUPT");
    let problem = send("", PublishBlock { count: 3, ..unplaced.clone() }).await.expect(400);
    assert_eq!(problem["code"], "BLOCK_CORRUPT");
    assert_eq!(send("?topic=desk:x", block(0, &[3])).await.expect(400)["field"], "topic");
    assert_eq!(send("?producer=p", block(0, &[3])).await.expect(400)["field"], "producer_epoch");
    let junk = post(&server, "", &[BLOCK], b"\xff\xff\xff").await.expect(400);
    assert_eq!(junk["code"], "REQUEST_MALFORMED");
    let json = post(&server, "?producer=p&producer_epoch=1", &[], b"{}").await.expect(400);
    assert_eq!(json["field"], "producer");
    let atomic = send("?producer=p&producer_epoch=1&atomic=true", block(0, &[3])).await.expect(400);
    assert_eq!(atomic["field"], "atomic");
}

#[tokio::test]
async fn text_that_is_no_json_is_refused_at_its_byte() {
    let server = start().await;
    let rows: [(&[u8], &str, Option<u64>); 9] = [
        (b"\xEF\xBB\xBF{}", "JSON_MALFORMED", Some(0)),
        (b"{\"source\":\"a\x00\"}", "JSON_MALFORMED", Some(12)),
        (br#"{"source":"\ud800"}"#, "JSON_MALFORMED", Some(11)),
        (b"{\"source\":\"\xff\"}", "JSON_MALFORMED", Some(11)),
        (br#"{"source":"a"} x"#, "JSON_MALFORMED", Some(15)),
        (br#"{"source":"a","source":"b"}"#, "FIELD_REPEATED", Some(21)),
        (br#"{"confidence":1e999}"#, "NUMBER_NOT_FINITE", Some(14)),
        (br#"{"key_seq":9007199254740993}"#, "FIELD_INVALID", None),
        (br#"{"priority":NaN}"#, "NUMBER_NOT_FINITE", Some(12)),
    ];
    for (body, code, offset) in rows {
        let problem = post(&server, "", &[], body).await.expect(400);
        assert_eq!(
            (&problem["code"], &problem["offset"]),
            (&json!(code), &json!(offset)),
            "{problem}"
        );
    }
    let deep = "[".repeat(100_000);
    assert_eq!(post(&server, "", &[], deep.as_bytes()).await.expect(400)["code"], "DEPTH_EXCEEDED");
}

#[tokio::test]
async fn what_is_not_read_yet_says_so() {
    let server = start().await;
    for media in ["application/avro", "application/cloudevents+avro"] {
        let reply = post(&server, "", &[&format!("content-type: {media}")], b"x").await.expect(501);
        assert_eq!(reply["code"], "NOT_AVAILABLE");
    }
    let reply = post(&server, "", &["content-type: text/csv"], b"x").await.expect(415);
    assert!(reply["hint"].as_str().unwrap().contains("cloudevents"), "{reply}");
}
