//! Every kind of event from its producer to a subscription: each in its topic, matrices too large for
//! one event in parts or by reference, summaries that the service composes itself.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tidings_client::{Assembly, ConsumerEvent, ConsumerOptions, PublisherOptions, split};
use tidings_e2e::{Server, ask, soon, subscribe};
use tidings_event::encode;
use tidings_event::v1::{self, Kind, event::Payload};

const JSON: &str = "application/json";
const BAR: &str = r#""venue":"XNAS","timeframe":"5m","interval_start":"2026-01-02T10:00:00Z","interval_end":"2026-01-02T10:05:00Z""#;

fn event(kind: &str, more: &str, payload: &str) -> String {
    format!(
        r#"{{"source":"e2e","kind":"{kind}","instrument":"AAPL","produced_at":"2026-01-02T10:05:01Z",{more},{payload}}}"#
    )
}

fn indicators() -> String {
    let values = r#""indicators":{"values":{"close":101.5,"rsi_14":{"value":32.5,"signal":"bullish"},"sma_20":{"value":100.0,"signal":"bearish"},"ema_20":{"value":99.0,"signal":"bullish"}}}"#;
    event("INDICATORS", BAR, values)
}

fn patterns() -> String {
    let patterns =
        r#""patterns":[{"type":"flag","status":"FORMING"},{"type":"wedge","status":"BROKEN"}]"#;
    event("PATTERNS", &format!(r#""confidence":0.9,{BAR}"#), patterns)
}

fn anomaly() -> String {
    let more = r#""venue":"XNAS","severity":"HIGH""#;
    event("ANOMALY", more, r#""anomaly":{"type":"VOLUME_SPIKE","z_score":4.5}"#)
}

fn correlation() -> String {
    r#"{"source":"e2e","kind":"CORRELATION","produced_at":"2026-01-02T10:05:01Z","correlation":{"matrix_id":"us-tech","kind":"FULL","instruments":["AAPL","MSFT","NVDA"],"triangle":[0.5,0.25,-0.75]}}"#
        .to_owned()
}

fn summary() -> String {
    event("SUMMARY", r#""venue":"XNAS""#, r#""summary":{"close":101.5,"open_patterns":1}"#)
}

fn publish(server: &Server, event: &str) {
    let answer = ask(server, "POST /api/v1/events", JSON, event.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn deliveries(server: &Server, subscription: &str) -> Vec<Value> {
    let line = format!("POST /api/v1/subscriptions/{subscription}/pull");
    let answer = ask(server, &line, JSON, br#"{"max":100,"wait_ms":10000}"#);
    answer.json()["deliveries"].as_array().unwrap().clone()
}

fn pull_from(server: &Server, name: &str, topics: &str) {
    let body = format!(r#"{{"name":"{name}","topics":["{topics}"],"start":"earliest"}}"#);
    assert_eq!(ask(server, "POST /api/v1/subscriptions", JSON, body.as_bytes()).status, 201);
}

#[test]
fn each_kind_reaches_its_topic_and_its_subscriber() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    pull_from(&server, "all", "analysis/**");
    for event in [indicators(), patterns(), anomaly(), correlation(), summary()] {
        publish(&server, &event);
    }
    let mut topics = BTreeMap::new();
    while topics.len() < 5 {
        for delivery in deliveries(&server, "all") {
            let kind = delivery["event"]["kind"].as_str().unwrap().to_owned();
            topics.insert(kind, delivery["topic"].as_str().unwrap().to_owned());
        }
    }
    let expected = [
        ("ANOMALY", "analysis/anomalies/high"),
        ("CORRELATION", "analysis/correlations/full"),
        ("INDICATORS", "analysis/indicators/5m"),
        ("PATTERNS", "analysis/patterns/high/5m"),
        ("SUMMARY", "analysis/summaries"),
    ];
    assert_eq!(topics, expected.map(|(k, t)| (k.to_owned(), t.to_owned())).into());
}

/// A correlation of a thousand instruments: two million bytes of cells.
fn large_matrix() -> v1::Event {
    let cells = 1_000 * 999 / 2;
    v1::Event {
        id: vec![9; 16].into(),
        source: "e2e".to_owned(),
        kind: Kind::Correlation.into(),
        produced_at: 1_767_348_301_000_000_000,
        payload: Some(Payload::Correlation(v1::Correlation {
            matrix_id: "world".to_owned(),
            kind: v1::CorrelationKind::Full.into(),
            instruments: (0..1_000).map(|n| format!("I{n:03}")).collect(),
            triangle: (0..cells).map(|n| (n % 2_001) as f32 / 1_000.0 - 1.0).collect(),
            ..v1::Correlation::default()
        })),
        ..v1::Event::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_matrix_goes_in_parts_or_by_reference() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client().await;
    subscribe(&client, "matrices", &["analysis/correlations/**"]).await;
    let whole = large_matrix();
    let bytes = encode(&whole);
    assert!(bytes.len() > 2_000_000);
    let batch = prost::Message::encode_to_vec(&v1::EventBatch { events: vec![whole.clone()] });
    let answer = ask(&server, "POST /api/v1/events", "application/x-protobuf", &batch);
    assert_eq!((answer.status, &answer.json()["code"]), (413, &json!("EVENT_TOO_LARGE")));

    let sum: Vec<u8> = Sha256::digest(&bytes).to_vec();
    let publisher = client.publisher(PublisherOptions::sequenced("corr")).await.unwrap();
    let mut reference = whole.clone();
    reference.id = vec![8; 16].into();
    reference.payload = Some(Payload::Correlation(v1::Correlation {
        matrix_id: "world".to_owned(),
        kind: v1::CorrelationKind::Full.into(),
        dataref: "file:///matrices/world".to_owned(),
        sha256: sum.clone().into(),
        ..v1::Correlation::default()
    }));
    let mut sent = vec![encode(&reference)];
    sent.extend(split(whole.clone()).unwrap().iter().map(encode));
    for event in &sent {
        soon("an outcome", publisher.send(event).await.unwrap()).await.unwrap();
    }

    let options = ConsumerOptions::new("matrices", "test");
    let mut consumer = soon("a consumer", client.consumer(options)).await.unwrap();
    let (mut assembly, mut got) = (Assembly::new(4), Vec::new());
    while got.len() < 2 {
        let next = soon("a delivery", consumer.next()).await.unwrap().unwrap();
        let ConsumerEvent::Events(delivered) = next else { continue };
        for event in delivered.events() {
            let event = prost::Message::decode(event.unwrap().event).unwrap();
            got.extend(assembly.push(event).unwrap());
        }
        consumer.ack_up_to(delivered.last_position()).await.unwrap();
    }
    let Some(Payload::Correlation(first)) = &got[0].payload else { panic!("{:?}", got[0].kind) };
    let (place, named) = (&first.dataref, &first.sha256);
    assert_eq!((place.as_str(), named.as_ref()), ("file:///matrices/world", &sum[..]));
    let made = v1::Event { id: whole.id.clone(), ..got[1].clone() };
    assert_eq!(Sha256::digest(encode(&made)).to_vec(), sum, "the parts make the whole");
}

#[test]
fn a_bar_is_summed_up_out_of_last_values() {
    let dir = tempfile::tempdir().unwrap();
    let config = "[[summaries.composed]]\nvenue = \"XNAS\"\ntimeframe = \"5m\"\n\
                  matrices = [\"us-tech\"]\n";
    std::fs::write(dir.path().join("tidings.toml"), config).unwrap();
    let server = Server::start(&dir.path().join("data"));
    pull_from(&server, "sums", "analysis/summaries");
    for event in [patterns(), anomaly(), correlation(), indicators()] {
        publish(&server, &event);
    }
    let delivered = deliveries(&server, "sums");
    assert_eq!(delivered.len(), 1, "{delivered:?}");
    let event = &delivered[0]["event"];
    assert_eq!((&event["source"], &event["timeframe"]), (&json!("tidings"), &json!("5m")));
    assert_eq!(event["interval_end"], "2026-01-02T10:05:00Z");
    let summary = &event["summary"];
    assert_eq!(summary["close"], 101.5);
    assert_eq!(summary["indicators"]["rsi_14"], 32.5);
    assert_eq!(summary["correlations"], json!({"MSFT": 0.5, "NVDA": 0.25}));
    assert_eq!((&summary["open_patterns"], &summary["open_anomalies"]), (&json!(1), &json!(1)));
    let trend = summary["trend_alignment"].as_f64().unwrap();
    assert!((trend - 1.0 / 3.0).abs() < 1e-9, "{trend}");
    let last = ask(&server, "GET /api/v1/analysis/summary/AAPL?venue=XNAS", "", b"").json();
    assert_eq!(last["id"], event["id"]);
}
