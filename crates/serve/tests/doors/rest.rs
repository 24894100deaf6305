//! REST: the happy road of every route.

use serde_json::json;

use crate::harness::{event, start};

#[tokio::test]
async fn health_and_metrics() {
    let server = start().await;
    assert_eq!(server.get("/livez").await.expect(200), json!({"status":"live"}));
    let ready = server.get("/readyz").await.expect(200);
    assert_eq!(ready, json!({"status":"ready","state_journal":"ok","journals":"ok"}));
    let metrics = server.get("/metrics").await;
    assert_eq!(metrics.status, 200);
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(metrics.head.contains(kind), "{metrics:?}");
    assert!(metrics.body.contains("tidings_serve_requests_total 3"), "{metrics:?}");
    assert!(metrics.body.ends_with("# EOF\n"));
    server.stop().await;
}

#[tokio::test]
async fn readiness_names_what_is_not_ready() {
    let server = start().await;
    server.log.fail();
    let problem = server.get("/readyz").await.expect(503);
    assert_eq!(problem["code"], "NOT_READY");
    assert_eq!(problem["field"], "state_journal");
    server.get("/livez").await.expect(200);
}

#[tokio::test]
async fn request_ids_are_echoed_or_made() {
    let server = start().await;
    let echoed = server.ask("GET /nowhere", &["x-request-id: mine-1"], b"").await;
    assert_eq!(echoed.expect(404)["request_id"], "mine-1");
    assert!(echoed.head.contains("x-request-id: mine-1"));
    let made = server.get("/nowhere").await.expect(404);
    assert_eq!(made["request_id"].as_str().unwrap().len(), 16);
}

#[tokio::test]
async fn publish_and_browse() {
    let server = start().await;
    let one = server.send("POST /api/v1/events", &event("AAPL", 1)).await.expect(200);
    let first = &one["results"][0];
    assert_eq!(first["topic"], "analysis/indicators/5m");
    assert_eq!(first["duplicate"], false);
    assert_eq!(first["durability"], "durable");
    assert_eq!(first["offset"], 0);
    let array = format!("[{},{}]", event("AAPL", 2), event("AAPL", 3));
    let two = server.send("POST /api/v1/events", &array).await.expect(200);
    assert_eq!(two["results"][1]["offset"], 2);
    let lines = format!("{}\n\n{{}}\n", event("AAPL", 4));
    let ndjson = ["content-type: application/x-ndjson"];
    let mixed = server.ask("POST /api/v1/events", &ndjson, lines.as_bytes()).await.expect(207);
    assert_eq!(mixed["results"][0]["offset"], 3);
    assert!(mixed["results"][1]["error"]["code"].is_string(), "{mixed}");

    let partition = &first["partition"];
    let path = format!("/api/v1/topics/analysis:indicators:5m/events?partition={partition}");
    let page = server.get(&format!("{path}&limit=3")).await.expect(200);
    assert_eq!(page["events"].as_array().unwrap().len(), 3);
    assert_eq!(page["events"][0]["event"]["instrument"], "AAPL");
    assert_eq!(page["events"][0]["event"]["id"], first["id"]);
    assert_eq!(page["next"], 3);
    let rest = server.get(&format!("{path}&offset=3")).await.expect(200);
    assert_eq!(rest["events"][0]["offset"], 3);
    let tail = server.get(&format!("{path}&offset=4")).await.expect(200);
    assert_eq!((&tail["events"], &tail["next"]), (&json!([]), &json!(4)));
    let slash = server.get("/api/v1/topics/analysis%2Findicators%2F5m").await.expect(200);
    assert_eq!(slash["name"], "analysis/indicators/5m");
    server.stop().await;
}

#[tokio::test]
async fn atomic_batches_are_all_or_nothing() {
    let server = start().await;
    let bad = event("MSFT", 2).replace("INDICATORS", "NOTHING");
    let batch = format!("[{},{bad}]", event("MSFT", 1));
    let refused = server.send("POST /api/v1/events?atomic=true", &batch).await;
    assert!(refused.head.contains("application/problem+json"));
    let problem = refused.expect(422);
    assert_eq!(problem["code"], "BATCH_ABORTED");
    assert_eq!(problem["results"][0]["error"]["code"], "BATCH_ABORTED");
    assert_eq!(problem["results"][1]["index"], 1);
    let stored = server.send("POST /api/v1/events", &event("MSFT", 1)).await.expect(200);
    assert_eq!(stored["results"][0]["offset"], 0);
}

#[tokio::test]
async fn topics() {
    let server = start().await;
    let body = r#"{"partitions":4,"retention":"30d","durability":"durable"}"#;
    let made = server.send("PUT /api/v1/topics/desk:risk", body).await.expect(201);
    assert_eq!(made["name"], "desk/risk");
    assert_eq!(made["retention"], json!({"seconds":2_592_000,"bytes":null}));
    server.send("PUT /api/v1/topics/desk:risk", body).await.expect(200);
    let other = server.send("PUT /api/v1/topics/desk:risk", r#"{"partitions":5}"#).await;
    assert_eq!(other.expect(409)["code"], "TOPIC_EXISTS");
    server.send("PUT /api/v1/topics/desk:pnl", "{}").await.expect(201);
    let page = server.get("/api/v1/topics?limit=1").await.expect(200);
    assert_eq!(page["topics"].as_array().unwrap().len(), 1);
    let mut seen = vec![page["topics"][0]["name"].as_str().unwrap().to_owned()];
    let mut next = page["next"].as_str().map(str::to_owned);
    while let Some(cursor) = next {
        let page = server.get(&format!("/api/v1/topics?limit=1&cursor={cursor}")).await.expect(200);
        seen.push(page["topics"][0]["name"].as_str().unwrap().to_owned());
        next = page["next"].as_str().map(str::to_owned);
    }
    assert!(seen.is_sorted() && seen.contains(&"desk/pnl".to_owned()), "{seen:?}");
    assert_eq!(server.ask("DELETE /api/v1/topics/desk:risk", &[], b"").await.status, 204);
    server.get("/api/v1/topics/desk:risk").await.expect(404);
}

#[tokio::test]
async fn subscribe_pull_ack() {
    let server = start().await;
    let body = r#"{"name":"desk","topics":["analysis/**"],"start":"earliest","delivery":{"pull":{}},"labels":{"team":"a"}}"#;
    let made = server.send("POST /api/v1/subscriptions", body).await.expect(201);
    assert_eq!(made["delivery"], json!({"pull":{"ack_deadline_ms":30000}}));
    assert_eq!(made["start"], "earliest");
    server.send("POST /api/v1/subscriptions", body).await.expect(200);
    let differs = body.replace("earliest", "latest");
    let refused = server.send("POST /api/v1/subscriptions", &differs).await.expect(409);
    assert_eq!(refused["code"], "SUBSCRIPTION_EXISTS");

    let array = format!("[{},{}]", event("AAPL", 1), event("AAPL", 2));
    server.send("POST /api/v1/events", &array).await.expect(200);
    let pull = r#"{"max":10,"wait_ms":5000,"consumer":"c-1"}"#;
    let got = server.send("POST /api/v1/subscriptions/desk/pull", pull).await.expect(200);
    let deliveries = got["deliveries"].as_array().unwrap();
    assert_eq!(deliveries.len(), 2, "{got}");
    assert_eq!(deliveries[0]["attempt"], 1);
    assert_eq!(deliveries[0]["event"]["indicators"]["values"]["rsi_14"], 32.7);
    let nack = json!({"ack_ids":[deliveries[1]["ack_id"]]}).to_string();
    server.send("POST /api/v1/subscriptions/desk/nack", &nack).await.expect(200);
    let again = server.send("POST /api/v1/subscriptions/desk/pull", pull).await.expect(200);
    assert_eq!(again["deliveries"][0]["attempt"], 2, "{again}");
    let acks = json!({"ack_ids":[deliveries[0]["ack_id"], again["deliveries"][0]["ack_id"]]});
    let path = "POST /api/v1/subscriptions/desk/ack";
    let acked = server.send(path, &acks.to_string()).await.expect(200);
    assert_eq!(acked["results"][0]["state"], "confirmed");
    assert_eq!(acked["results"][1]["state"], "confirmed");
    let stale = server.send(path, &acks.to_string()).await.expect(200);
    assert_eq!(stale["results"][0]["state"], "stale");
    let status = server.get("/api/v1/subscriptions/desk/status").await.expect(200);
    assert_eq!((&status["lag_events"], &status["in_flight"]), (&json!(0), &json!(0)), "{status}");
    let list = server.get("/api/v1/subscriptions").await.expect(200);
    assert_eq!(list["subscriptions"][0]["name"], "desk");
    assert_eq!(server.ask("DELETE /api/v1/subscriptions/desk", &[], b"").await.status, 204);
    server.get("/api/v1/subscriptions/desk").await.expect(404);
}

#[tokio::test]
async fn last_values() {
    let server = start().await;
    let body = r#"{"name":"live","topics":["analysis/**"]}"#;
    server.send("POST /api/v1/subscriptions", body).await.expect(201);
    server.send("POST /api/v1/events", &event("EUR/USD", 1)).await.expect(200);
    // What a subscription was given, the last values have seen or are about to see.
    server.send("POST /api/v1/subscriptions/live/pull", r#"{"wait_ms":5000}"#).await.expect(200);
    let path = "/api/v1/analysis/indicators/EUR%2FUSD?timeframe=5m";
    let mut reply = server.get(path).await;
    for _ in 0..200 {
        if reply.status == 200 {
            break;
        }
        reply = server.get(path).await;
    }
    let value = reply.expect(200);
    assert_eq!(value["instrument"], "EUR/USD");
    assert_eq!(value["as_of"]["topic"], "analysis/indicators/5m");
    let named =
        "/api/v1/analysis/indicators?instrument=EUR%2FUSD&timeframe=5m&venue=XNAS&final=true";
    server.get(named).await.expect(200);
    let unknown = server.get("/api/v1/analysis/indicators/NONE?timeframe=5m").await.expect(404);
    assert_eq!(unknown["code"], "VALUE_UNKNOWN");
}
