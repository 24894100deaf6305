//! The TypeScript examples: over gRPC, WebSocket and server-sent events, against the real
//! executable.

use tidings_e2e::{Server, toolchain, until};

#[test]
fn the_typescript_examples_publish_and_consume() {
    let Some(compiled) = toolchain::node() else { return };
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let run = |example: &str| {
        let script = compiled.join("examples").join(example);
        let arguments = [&*script.to_string_lossy(), server.url()];
        let ended = toolchain::tool("node", dir.path(), &arguments);
        toolchain::succeeded(&ended, &[example]);
        ended.stdout
    };
    let published = run("publish.js");
    assert_eq!(published.matches("stored analysis/indicators/5m").count(), 5, "{published}");
    for name in ["consume.js", "websocket.js", "sse.js"] {
        let consumed = run(name);
        assert_eq!(consumed.matches("AAPL").count(), 5, "{name}: {consumed}");
        assert!(consumed.ends_with("5 events acknowledged\n"), "{name}: {consumed}");
    }
    for name in ["node-grpc", "node-websocket", "node-sse"] {
        let line = format!("GET /api/v1/subscriptions/{name}/status");
        let status = tidings_e2e::ask(&server, &line, "", b"");
        assert_eq!(status.json()["lag_events"], 0, "{}", status.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_typescript_consumer_goes_on_when_the_service_comes_back() {
    let Some(compiled) = toolchain::node() else { return };
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    let addr = server.addr().to_owned();
    let url = server.url().to_owned();
    let script = |name: &str| compiled.join("examples").join(name).to_string_lossy().into_owned();
    let publish = || {
        let ended = toolchain::tool("node", dir.path(), &[&script("publish.js"), &url]);
        toolchain::succeeded(&ended, &["publish.js"]);
        assert_eq!(ended.stdout.matches("stored").count(), 5, "{}", ended.stdout);
    };
    publish();
    let arguments = [&*script("consume.js"), &*url, "15"];
    let consumer = toolchain::begin("node", dir.path(), &arguments);
    until(&server, "node-grpc", |status| status["lag_events"] == 0).await;
    // A clean stop keeps every ack, so that nothing comes twice.
    assert_eq!(server.terminate().code, Some(0));
    let server = Server::start_at(&data, &addr);
    publish();
    until(&server, "node-grpc", |status| status["lag_events"] == 0).await;
    assert_eq!(server.terminate().code, Some(0));
    let server = Server::start_at(&data, &addr);
    until(&server, "node-grpc", |status| status["consumer"].is_string()).await;
    server.kill();
    let server = Server::start_at(&data, &addr);
    publish();
    let ended = toolchain::ended(consumer).await;
    toolchain::succeeded(&ended, &["consume.js"]);
    for offset in 0..15 {
        let line = format!("offset {offset})\n");
        assert_eq!(ended.stdout.matches(&line).count(), 1, "{line}{}", ended.stdout);
    }
    assert!(ended.stdout.ends_with("15 events acknowledged\n"), "{}", ended.stdout);
    until(&server, "node-grpc", |status| status["lag_events"] == 0).await;
}
