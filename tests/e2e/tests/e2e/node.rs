//! The TypeScript examples: over gRPC, WebSocket and server-sent events, against the real
//! executable.

use tidings_e2e::{Server, toolchain};

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
