//! Traces and definitions over REST.

use serde_json::{Value, json};

use crate::harness::{Running, event, start};

/// The event with an id, more members, and a definition of its indicator.
fn with(id: &str, minute: u32, key_seq: u64, definition: &str) -> String {
    let mut document: Value = serde_json::from_str(&event("AAPL", minute)).unwrap();
    document["id"] = id.into();
    document["key_seq"] = key_seq.into();
    document["indicators"]["values"]["rsi_14"] = json!({"value": 1.5, "definition": definition});
    document.to_string()
}

const ONE: &str = "00000000000000aa";
const TWO: &str = "00000000000000bb";

fn v4(n: u64) -> String {
    format!("9b2f0c1e-0000-4000-8000-{n:012x}")
}

async fn trace(server: &Running, id: &str, query: &str) -> Value {
    server.get(&format!("/api/v1/events/{id}/trace{query}")).await.expect(200)
}

#[tokio::test]
async fn a_trace_tells_where_an_event_went() {
    let server = start().await;
    let make = async |body: Value| {
        server.send("POST /api/v1/subscriptions", &body.to_string()).await.expect(201)
    };
    let pull = json!({"pull": {}});
    make(json!({"name": "all", "topics": ["analysis/**"], "start": "earliest", "delivery": pull}))
        .await;
    make(json!({"name": "other", "topics": ["else/**"], "delivery": pull})).await;
    for (n, key_seq) in [(1, 1), (2, 5), (3, 3)] {
        let body = with(&v4(n), n as u32, key_seq, ONE);
        server.send("POST /api/v1/events", &body).await.expect(200);
    }
    make(json!({"name": "late", "topics": ["analysis/**"], "start": "latest", "delivery": pull}))
        .await;
    let subscription = |name: &str, outcome: &str| {
        let (revision, deliveries, attempts) = (1, 0, json!([]));
        json!({"name": name, "outcome": outcome, "revision": revision,
               "deliveries": deliveries, "attempts": attempts})
    };
    let found = trace(&server, &v4(2), "").await;
    assert_eq!((&found["topic"], &found["offset"]), (&json!("analysis/indicators/5m"), &json!(1)));
    assert_eq!(found["event"]["id"], v4(2));
    assert_eq!(found["key_seq"], json!({"state": "gap", "expected": 2, "seen": 5}));
    assert_eq!(found["stages"][0]["stage"], "admitted");
    assert_eq!(found["looked"]["by"], "time");
    let wanted = [
        subscription("all", "pending"),
        subscription("late", "before_start"),
        subscription("other", "not_matched"),
    ];
    assert_eq!(found["subscriptions"], json!(wanted));
    let part = trace(&server, &v4(2), "?limit=1").await;
    assert_eq!(part["subscriptions"], json!(wanted[..1]));
    let query = format!("?cursor={}", part["next"].as_str().unwrap());
    assert_eq!(trace(&server, &v4(2), &query).await["subscriptions"], json!(wanted[1..]));

    let ask = json!({"max": 2, "consumer": "c"}).to_string();
    let pulled = server.send("POST /api/v1/subscriptions/all/pull", &ask).await.expect(200);
    let ack = json!({"ack_ids": [pulled["deliveries"][0]["ack_id"]]}).to_string();
    server.send("POST /api/v1/subscriptions/all/ack", &ack).await.expect(200);
    for (n, state, outcome) in
        [(1, "ok", "delivered"), (2, "gap", "in_flight"), (3, "late", "pending")]
    {
        let found = trace(&server, &v4(n), "?source=ta-1").await;
        assert_eq!(found["looked"]["by"], "window");
        assert_eq!(found["key_seq"]["state"], state);
        let all = &found["subscriptions"][0];
        if outcome == "delivered" {
            let said = [&all["outcome"], &all["deliveries"], &all["consumer"]];
            assert_eq!(said, [&json!(outcome), &json!(1), &json!("c")]);
        } else {
            assert_eq!(*all, subscription("all", outcome));
        }
    }
    let place = format!("?position={}", found["position"].as_str().unwrap());
    assert_eq!(
        trace(&server, &v4(2), &place).await["looked"],
        json!({"by": "position", "blocks": 1, "settlement_blocks": 1})
    );
    let partition = &found["partition"];
    let place = format!("?topic=analysis:indicators:5m&partition={partition}&offset=1");
    assert_eq!(trace(&server, &v4(2), &place).await["looked"]["by"], "position");
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_found_says_where_it_was_looked_for() {
    let server = start().await;
    let answer = server.send("POST /api/v1/events", &with(&v4(1), 1, 1, ONE)).await.expect(200);
    let partition = &answer["results"][0]["partition"];
    let check = async |path: &str, status: u16, code: &str, said: &str| {
        let problem = server.get(&format!("/api/v1/events/{path}")).await.expect(status);
        assert_eq!(problem["code"], code, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(said), "{problem}");
    };
    let (one, other) = (v4(1), v4(2));
    check(&format!("{other}/trace"), 404, "EVENT_UNKNOWN", "in 1 blocks taken in from").await;
    let v7 = "01900000-0000-7000-8000-000000000001/trace";
    check(v7, 404, "EVENT_UNKNOWN", "in 0 blocks taken in from 2024-06-").await;
    let past = format!("{one}/trace?from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z");
    check(&past, 404, "EVENT_UNKNOWN", "in 0 blocks").await;
    let place = format!("topic=analysis:indicators:5m&partition={partition}&offset=0");
    check(&format!("{other}/trace?{place}"), 404, "EVENT_UNKNOWN", "another event").await;
    check(&format!("{one}/trace?topic=a&offset=1"), 400, "FIELD_MISSING", "together").await;
    check(&format!("{one}/trace?position=p1-9-1-0-0"), 400, "POSITION_INVALID", "gone").await;
    check(&format!("{one}/trace?position=x"), 400, "POSITION_INVALID", "not a position").await;
    check(&format!("{one}/trace?topic=none"), 404, "TOPIC_UNKNOWN", "none").await;
    check("x/trace", 400, "FIELD_INVALID", "UUID").await;
    server.stop().await;
}

#[tokio::test]
async fn definitions_are_listed_in_parts_and_released_on_purpose() {
    let server = start().await;
    server.send("POST /api/v1/events", &with(&v4(1), 1, 1, ONE)).await.expect(200);
    let conflict = server.send("POST /api/v1/events", &with(&v4(2), 2, 2, TWO)).await.expect(409);
    assert_eq!(conflict["code"], "DEFINITION_CONFLICT");
    assert_eq!(conflict["field"], "indicators.values.rsi_14.definition");
    for name in ["sma_20", "atr_14"] {
        let body = with(&v4(3), 3, 3, TWO).replace("rsi_14", name);
        let body = body.replace(&v4(3), &v4(name.len() as u64 + u64::from(name.as_bytes()[0])));
        server.send("POST /api/v1/events", &body).await.expect(200);
    }
    let list = server.get("/api/v1/definitions?limit=2").await.expect(200);
    let names = |list: &Value| -> Vec<String> {
        let definitions = list["definitions"].as_array().unwrap().iter();
        definitions.map(|d| d["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&list), ["atr_14", "rsi_14"]);
    let rsi = &list["definitions"][1];
    assert_eq!((&rsi["definition"], &rsi["source"]), (&json!(ONE), &json!("ta-1")));
    assert!(conflict["detail"].as_str().unwrap().contains(rsi["registered_at"].as_str().unwrap()));
    let next = format!("/api/v1/definitions?cursor={}", list["next"].as_str().unwrap());
    let rest = server.get(&next).await.expect(200);
    assert_eq!((names(&rest), &rest["next"]), (vec!["sma_20".to_owned()], &Value::Null));
    assert_eq!(server.send("DELETE /api/v1/definitions/rsi_14", "").await.status, 204);
    let again = server.send("DELETE /api/v1/definitions/rsi_14", "").await.expect(404);
    assert_eq!(again["code"], "DEFINITION_UNKNOWN");
    server.send("POST /api/v1/events", &with(&v4(2), 2, 2, TWO)).await.expect(200);
    server.stop().await;
}
