//! The Go examples, made of the contract and run against the real executable.

use tidings_e2e::{Server, toolchain};

#[test]
fn the_go_examples_publish_and_consume() {
    let Some(programs) = toolchain::go() else { return };
    let module = toolchain::root().join("clients/go");
    let vetted = toolchain::tool("go", &module, &["vet", "./..."]);
    toolchain::succeeded(&vetted, &["go vet"]);
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let run = |program: &str| {
        let ended = toolchain::tool(programs.join(program), dir.path(), &[server.addr()]);
        toolchain::succeeded(&ended, &[program]);
        ended.stdout
    };
    let published = run("publish");
    assert_eq!(published.matches("stored analysis/indicators/5m").count(), 5, "{published}");
    let consumed = run("consume");
    assert_eq!(consumed.matches("AAPL rsi_14 = 4").count(), 5, "{consumed}");
    assert!(consumed.ends_with("5 events acknowledged\n"), "{consumed}");
    let status = tidings_e2e::ask(&server, "GET /api/v1/subscriptions/go-desk/status", "", b"");
    assert_eq!(status.json()["lag_events"], 0, "{}", status.body);
}
