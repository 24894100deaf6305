//! The Go examples, made of the contract and run against the real executable.

use tidings_e2e::{Server, toolchain, until};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_go_consumer_goes_on_when_the_service_comes_back() {
    let Some(programs) = toolchain::go() else { return };
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    let addr = server.addr().to_owned();
    let publish = || {
        let ended = toolchain::tool(programs.join("publish"), dir.path(), &[&addr]);
        toolchain::succeeded(&ended, &["publish"]);
        assert_eq!(ended.stdout.matches("stored").count(), 5, "{}", ended.stdout);
    };
    publish();
    let consumer = toolchain::begin(programs.join("consume"), dir.path(), &[&addr, "15"]);
    until(&server, "go-desk", |status| status["lag_events"] == 0).await;
    // A clean stop keeps every ack, so that nothing comes twice.
    assert_eq!(server.terminate().code, Some(0));
    let server = Server::start_at(&data, &addr);
    publish();
    until(&server, "go-desk", |status| status["lag_events"] == 0).await;
    assert_eq!(server.terminate().code, Some(0));
    let server = Server::start_at(&data, &addr);
    until(&server, "go-desk", |status| status["consumer"] == "go").await;
    server.kill();
    let server = Server::start_at(&data, &addr);
    publish();
    let ended = toolchain::ended(consumer).await;
    toolchain::succeeded(&ended, &["consume"]);
    for offset in 0..15 {
        let line = format!("offset {offset})\n");
        assert_eq!(ended.stdout.matches(&line).count(), 1, "{line}{}", ended.stdout);
    }
    assert!(ended.stdout.ends_with("15 events acknowledged\n"), "{}", ended.stdout);
    until(&server, "go-desk", |status| status["lag_events"] == 0).await;
}
