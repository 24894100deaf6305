//! The road over plain HTTP, as curl would take it, and what the service says about itself.

use serde_json::{Value, json};
use tidings_e2e::{Answer, Server, ask, indicator_json, send_raw};

const JSON: &str = "application/json";

fn post(server: &Server, path: &str, body: &Value) -> Answer {
    ask(server, &format!("POST {path}"), JSON, body.to_string().as_bytes())
}

fn get(server: &Server, path: &str) -> Answer {
    ask(server, &format!("GET {path}"), "", b"")
}

#[track_caller]
fn check_published(server: &Server, content_type: &str, body: &str, count: usize) {
    let answer = ask(server, "POST /api/v1/events", content_type, body.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    let document = answer.json();
    let results = document["results"].as_array().unwrap();
    assert_eq!(results.len(), count, "{document}");
    for (index, result) in results.iter().enumerate() {
        assert_eq!(result["index"], index, "{document}");
        assert_eq!(result["topic"], "analysis/indicators/5m", "{document}");
        assert_eq!(result["durability"], "durable", "{document}");
        assert_eq!(result["duplicate"], false, "{document}");
    }
}

#[test]
fn events_published_as_json_are_pulled_acknowledged_and_become_last_values() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let event = |minute, value| indicator_json("AAPL", minute, value);
    let desk = json!({"name": "desk", "topics": ["analysis/**"], "start": "earliest",
                      "delivery": {"pull": {}}});
    assert_eq!(post(&server, "/api/v1/subscriptions", &desk).status, 201);
    assert_eq!(post(&server, "/api/v1/subscriptions", &desk).status, 200);
    check_published(&server, JSON, &event(0, 1.5), 1);
    check_published(&server, JSON, &format!("[{},{}]", event(5, 2.5), event(10, 3.5)), 2);
    let lines = format!("{}\n\n{}\n", event(15, 4.5), event(20, 5.5));
    check_published(&server, "application/x-ndjson", &lines, 2);

    let pull = json!({"max": 100, "wait_ms": 20_000, "consumer": "c-1"});
    let mut seen = Vec::new();
    while seen.len() < 5 {
        let pulled = post(&server, "/api/v1/subscriptions/desk/pull", &pull);
        assert_eq!(pulled.status, 200, "{pulled:?}");
        let document = pulled.json();
        let deliveries = document["deliveries"].as_array().unwrap();
        assert!(!deliveries.is_empty(), "nothing came within the wait: {seen:?}");
        seen.extend(deliveries.clone());
    }
    let values: Vec<_> = seen
        .iter()
        .map(|item| item["event"]["indicators"]["values"]["rsi_14"].as_f64().unwrap())
        .collect();
    assert_eq!(values, [1.5, 2.5, 3.5, 4.5, 5.5], "{seen:?}");
    let status = get(&server, "/api/v1/subscriptions/desk/status").json();
    assert_eq!((&status["in_flight"], &status["state"]), (&json!(5), &json!("active")), "{status}");

    let acks = json!({"up_to": [seen[4]["ack_id"]]});
    let acked = post(&server, "/api/v1/subscriptions/desk/ack", &acks).json();
    assert_eq!(acked["results"][0]["state"], "confirmed", "{acked}");
    let status = get(&server, "/api/v1/subscriptions/desk/status").json();
    assert_eq!((&status["in_flight"], &status["lag_events"]), (&json!(0), &json!(0)), "{status}");
    let again = post(&server, "/api/v1/subscriptions/desk/ack", &acks).json();
    assert_eq!(again["results"][0]["state"], "stale", "{again}");

    let last = get(&server, "/api/v1/analysis/indicators/AAPL?timeframe=5m").json();
    assert_eq!(last["interval_start"], "2026-01-02T00:20:00Z", "{last}");
    assert_eq!(last["as_of"]["topic"], "analysis/indicators/5m", "{last}");
    assert_eq!(last["as_of"]["offset"], 4, "{last}");
    // An older interval that comes late is stored and does not win.
    check_published(&server, JSON, &event(12, 9.5), 1);
    let pulled = post(&server, "/api/v1/subscriptions/desk/pull", &pull).json();
    assert_eq!(pulled["deliveries"][0]["offset"], 5, "{pulled}");
    let last = get(&server, "/api/v1/analysis/indicators/AAPL?timeframe=5m").json();
    assert_eq!(last["interval_start"], "2026-01-02T00:20:00Z", "{last}");
}

#[test]
fn progress_and_last_values_are_there_again_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    let desk = json!({"name": "desk", "topics": ["analysis/**"], "start": "earliest"});
    assert_eq!(post(&server, "/api/v1/subscriptions", &desk).status, 201);
    check_published(&server, JSON, &indicator_json("AAPL", 0, 1.5), 1);
    check_published(&server, JSON, &indicator_json("AAPL", 5, 2.5), 1);
    let pull = json!({"max": 1, "wait_ms": 20_000, "consumer": "c-1"});
    let pulled = post(&server, "/api/v1/subscriptions/desk/pull", &pull).json();
    let acks = json!({"ack_ids": [pulled["deliveries"][0]["ack_id"]]});
    let acked = post(&server, "/api/v1/subscriptions/desk/ack", &acks).json();
    assert_eq!(acked["results"][0]["state"], "confirmed", "{acked}");
    server.kill();

    let server = Server::start(&data);
    let pulled = post(&server, "/api/v1/subscriptions/desk/pull", &pull).json();
    assert_eq!(pulled["deliveries"][0]["offset"], 1, "{pulled}");
    assert_eq!(pulled["deliveries"][0]["redelivered"], true, "{pulled}");
    let last = get(&server, "/api/v1/analysis/indicators/AAPL?timeframe=5m");
    // The log may still be read for them.
    assert!(last.status == 200 || last.json()["code"] == "REBUILDING", "{last:?}");
}

#[test]
fn health_and_metrics_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let live = get(&server, "/livez");
    assert_eq!((live.status, &live.json()["status"]), (200, &json!("live")), "{live:?}");
    let ready = get(&server, "/readyz");
    assert_eq!((ready.status, &ready.json()["status"]), (200, &json!("ready")), "{ready:?}");
    check_published(&server, JSON, &indicator_json("AAPL", 0, 1.5), 1);
    let metrics = get(&server, "/metrics");
    assert_eq!(metrics.status, 200, "{metrics:?}");
    assert!(metrics.head.contains("openmetrics-text"), "{}", metrics.head);
    assert!(metrics.body.contains("\ntidings_admit_events_total 1\n"), "{}", metrics.body);
    assert!(metrics.body.ends_with("# EOF\n"), "{}", metrics.body);
}

/// A request with header lines of its own.
fn with_headers(server: &Server, line: &str, headers: &[&str], body: &str) -> Answer {
    let mut text = format!("{line} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|header| header.starts_with("host:")) {
        text += &format!("host: {}\r\n", server.addr());
    }
    for header in headers {
        text += &format!("{header}\r\n");
    }
    text += &format!("content-length: {}\r\n\r\n{body}", body.len());
    send_raw(server, text.as_bytes(), true)
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let mut lines = answer.head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

#[track_caller]
fn check_code(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, &answer.json()["code"]), (status, &json!(code)), "{answer:?}");
}

#[test]
fn two_editors_do_not_undo_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    let path = "/api/v1/topics/desk:risk";
    let put = |server: &Server, headers: &[&str], seconds: u32| {
        let headers = [&["content-type: application/json"], headers].concat();
        let body = json!({"retention": {"seconds": seconds, "bytes": null}}).to_string();
        with_headers(server, &format!("PUT {path}"), &headers, &body)
    };
    check_code(&put(&server, &["if-match: *"], 60), 412, "ETAG_MISMATCH");
    let made = put(&server, &["if-none-match: *"], 60);
    assert_eq!(made.status, 201, "{made:?}");
    check_code(&put(&server, &["if-none-match: *"], 60), 412, "ETAG_MISMATCH");
    let tag = header(&made, "etag").unwrap().to_owned();
    assert_eq!(format!("\"{}\"", made.json()["etag"].as_str().unwrap()), tag);
    let changed = put(&server, &[&format!("if-match: {tag}")], 70);
    assert_eq!(changed.status, 200, "{changed:?}");
    check_code(&put(&server, &[&format!("if-match: {tag}")], 80), 412, "ETAG_MISMATCH");
    let listed = get(&server, "/api/v1/topics").json();
    assert_eq!(listed["topics"][0]["etag"], changed.json()["etag"], "{listed}");
    assert_eq!(listed["topics"][0]["retention"]["seconds"], 70, "{listed}");
    server.kill();

    // The tag is of the content: a restart does not change it.
    let server = Server::start(&data);
    let known = format!("if-none-match: {}", header(&changed, "etag").unwrap());
    let unchanged = with_headers(&server, &format!("GET {path}"), &[&known], "");
    assert_eq!((unchanged.status, unchanged.body.as_str()), (304, ""), "{unchanged:?}");
    assert_eq!(header(&unchanged, "etag"), header(&changed, "etag"));
    let stale = format!("if-none-match: {tag}");
    assert_eq!(with_headers(&server, &format!("GET {path}"), &[&stale], "").status, 200);
    let delete = |tag: &str| {
        with_headers(&server, &format!("DELETE {path}"), &[&format!("if-match: {tag}")], "")
    };
    check_code(&delete(&tag), 412, "ETAG_MISMATCH");
    check_code(&delete("\"a b\""), 400, "FIELD_INVALID");
    assert_eq!(delete(header(&changed, "etag").unwrap()).status, 204);

    let desk = json!({"name": "desk", "topics": ["**"]});
    let made = post(&server, "/api/v1/subscriptions", &desk);
    let tag = header(&made, "etag").unwrap().to_owned();
    let shown = with_headers(
        &server,
        "GET /api/v1/subscriptions/desk",
        &[&format!("if-none-match: {tag}")],
        "",
    );
    assert_eq!(shown.status, 304, "{shown:?}");
    let path = "DELETE /api/v1/subscriptions/desk";
    let refused = with_headers(&server, path, &["if-match: \"0000000000000000.1\""], "");
    check_code(&refused, 412, "ETAG_MISMATCH");
    assert_eq!(with_headers(&server, path, &[&format!("if-match: {tag}")], "").status, 204);
}

#[test]
fn lists_come_in_parts_and_their_cursors_are_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    for n in 0..7 {
        let topic = ask(&server, &format!("PUT /api/v1/topics/t{n}"), JSON, b"{\"partitions\":1}");
        assert_eq!(topic.status, 201, "{topic:?}");
        let body = json!({"name": format!("s{n}"), "topics": ["**"]});
        assert_eq!(post(&server, "/api/v1/subscriptions", &body).status, 201);
        check_published(&server, JSON, &indicator_json("AAPL", n * 5, 1.5), 1);
    }
    let last =
        ask(&server, "POST /api/v1/events", JSON, indicator_json("AAPL", 35, 1.5).as_bytes());
    let partition = last.json()["results"][0]["partition"].clone();
    let browse = format!("/api/v1/topics/analysis:indicators:5m/events?partition={partition}&");
    let lists = [
        ("/api/v1/topics?".to_owned(), "topics", 8),
        ("/api/v1/subscriptions?".to_owned(), "subscriptions", 7),
        (browse, "events", 8),
    ];
    let mut cursors = Vec::new();
    for (path, member, count) in &lists {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let part = get(&server, &format!("{path}limit=3{cursor}"));
            assert_eq!(part.status, 200, "{part:?}");
            let part = part.json();
            let entries = part[member].as_array().unwrap();
            assert!(entries.len() <= 3, "{part}");
            seen.extend(entries.iter().map(ToString::to_string));
            let next = &part["next"];
            if next.is_null() || entries.is_empty() {
                break;
            }
            let next = next.as_str().map_or_else(|| next.to_string(), str::to_owned);
            cursors.push(next.clone());
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen.len(), *count, "{path}: {seen:?}");
        seen.dedup();
        assert_eq!(seen.len(), *count, "{path}");
        for limit in ["-1", "0", "1001", "9223372036854775808", "18446744073709551616", "x", ""] {
            let refused = get(&server, &format!("{path}limit={limit}"));
            check_code(&refused, 400, "FIELD_INVALID");
            assert_eq!(refused.json()["field"], "limit", "{refused:?}");
        }
        for cursor in ["mine", "c1-0", "-1", "%00", "c1-0000000000000000-74"] {
            let refused = get(&server, &format!("{path}cursor={cursor}"));
            check_code(&refused, 400, "CURSOR_INVALID");
        }
    }
    // A cursor of one list is no cursor of another.
    let of_topics = &cursors[0];
    check_code(&get(&server, &format!("{}cursor={of_topics}", lists[1].0)), 400, "CURSOR_INVALID");
}

#[test]
fn foreign_pages_cannot_use_the_service() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(tidings_e2e::executable());
    command.env("TIDINGS_SERVER__ALLOWED_ORIGINS", "https://desk.example");
    let server = Server::start_by(command, &dir.path().join("data"));
    let body = json!({"name": "desk", "topics": ["**"]}).to_string();
    let send =
        |headers: &[&str]| with_headers(&server, "POST /api/v1/subscriptions", headers, &body);
    let kind = "content-type: application/json";
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        let refused = send(&[kind, &format!("origin: {origin}")]);
        check_code(&refused, 403, "ORIGIN_REFUSED");
        assert_eq!(header(&refused, "access-control-allow-origin"), None, "{refused:?}");
    }
    // A name that was made to point here.
    let rebound = send(&[kind, "host: evil.example", "origin: http://evil.example"]);
    check_code(&rebound, 403, "ORIGIN_REFUSED");
    // What a form can send without asking.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        check_code(&send(&[&format!("content-type: {kind}")]), 415, "CONTENT_TYPE_UNSUPPORTED");
    }
    let preflight = |origin: &str| {
        let headers = [&format!("origin: {origin}")[..], "access-control-request-method: POST"];
        with_headers(&server, "OPTIONS /api/v1/subscriptions", &headers, "")
    };
    check_code(&preflight("https://evil.example"), 403, "ORIGIN_REFUSED");
    assert_eq!(get(&server, "/api/v1/subscriptions").json()["subscriptions"], json!([]));

    let may = preflight("https://desk.example");
    assert_eq!(may.status, 204, "{may:?}");
    assert!(header(&may, "access-control-allow-methods").unwrap().contains("DELETE"), "{may:?}");
    let made = send(&[kind, "origin: https://desk.example"]);
    assert_eq!(made.status, 201, "{made:?}");
    let open_to = header(&made, "access-control-allow-origin");
    assert_eq!(open_to, Some("https://desk.example"), "{made:?}");
    let own = send(&[kind, &format!("origin: http://{}", server.addr())]);
    assert_eq!(own.status, 200, "{own:?}");
    assert_eq!(header(&own, "access-control-allow-origin"), None, "{own:?}");
}

#[test]
fn answers_are_not_kept_and_not_guessed_at() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    for path in ["/livez", "/readyz", "/metrics", "/api/v1/topics", "/api/v1/topics/none", "/none"]
    {
        let answer = get(&server, path);
        assert_eq!(header(&answer, "cache-control"), Some("no-store"), "{path}: {answer:?}");
        assert_eq!(header(&answer, "x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(header(&answer, "access-control-allow-origin"), None, "{path}");
    }
}

#[test]
fn a_topic_says_what_it_promises() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(tidings_e2e::executable());
    command.env("TIDINGS_LOG__JOURNAL_BYTES_MAX", "1073741824");
    let server = Server::start_by(command, &dir.path().join("data"));
    let wanted = json!({"partitions": 3, "retention": {"seconds": 3600, "bytes": 5_000_000},
                        "durability": "memory"});
    let body = wanted.to_string();
    let made = ask(&server, "PUT /api/v1/topics/desk:risk", JSON, body.as_bytes());
    assert_eq!(made.status, 201, "{made:?}");
    let sheet = get(&server, "/api/v1/topics/desk:risk/guarantees").json();
    let promise = |name: &str| {
        let all = sheet["guarantees"].as_array().unwrap();
        all.iter().find(|promise| promise["name"] == name).unwrap().clone()
    };
    let reason = |name: &str| promise(name)["reason"].as_str().unwrap().to_owned();
    assert_eq!(promise("order")["level"], "per_key");
    assert!(reason("order").contains("partitions = 3"), "{sheet}");
    assert_eq!(promise("durability")["level"], "memory");
    assert!(reason("durability").contains("engine = embedded"), "{sheet}");
    assert_eq!(promise("retention")["level"], "age_and_bytes");
    // What the running process was configured with, not a default.
    assert!(reason("retention").contains("journal_bytes_max = 1073741824"), "{sheet}");
    assert_eq!(promise("delivery")["level"], "at_least_once");

    let shown =
        tidings_e2e::run(dir.path(), &["topic", "show", "desk/risk", "--server", server.url()]);
    for part in ["desk/risk: 3 partitions", "durability: memory", "because partitions = 3"] {
        assert!(shown.stdout.contains(part), "{part}: {shown:?}");
    }
    let json = ["--json", "topic", "show", "desk/risk", "--server", server.url()];
    let shown: Value = serde_json::from_str(&tidings_e2e::run(dir.path(), &json).stdout).unwrap();
    assert_eq!((&shown["name"], &shown["guarantees"]), (&json!("desk/risk"), &sheet["guarantees"]));
}
