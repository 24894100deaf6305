//! `tidings trace`: where one event went, over the command line and over a kill.

use serde_json::{Value, json};
use tidings_e2e::{Server, ask, indicator, run, subscribe};

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_traces_an_event_before_and_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    let client = server.client().await;
    subscribe(&client, "all", &["analysis/**"]).await;
    let event = indicator("AAPL", "5m", 7);
    let id = tidings_event::format_event_id(&tidings_event::scan(&event).unwrap().id);
    let text = tidings_event::json::to_json(&event).unwrap();
    let answer = ask(&server, "POST /api/v1/events", "application/json", text.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    let trace = |server: &Server, more: &[&str]| {
        run(dir.path(), &[&["trace", &id, "--server", server.url()], more].concat())
    };
    let shown = trace(&server, &[]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    for line in
        ["analysis/indicators/5m, partition", "admitted at 2", "key_seq 7: ok", "all: pending"]
    {
        assert!(shown.stdout.contains(line), "{}", shown.stdout);
    }
    server.kill();

    let server = Server::start(&data);
    let told = trace(&server, &["--json", "--source", "e2e"]);
    let document: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(document["looked"]["by"], "window", "{document}");
    let all = &document["subscriptions"][0];
    assert_eq!((&all["name"], &all["outcome"]), (&json!("all"), &json!("pending")));
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["event"], found);
    let place = trace(&server, &["--json", "--position", document["position"].as_str().unwrap()]);
    assert!(place.stdout.contains(r#""by":"position""#), "{}", place.stdout);
    let missing = run(
        dir.path(),
        &["trace", "01900000-0000-7000-8000-00000000000f", "--server", server.url()],
    );
    assert_eq!(missing.code, Some(1), "{}", missing.stdout);
    assert!(missing.stderr.contains("EVENT_UNKNOWN"), "{}", missing.stderr);
}
