//! The description of the API: it is valid, it leaves no route out, and what the service answers is
//! what it says.

use serde_json::{Value, json};
use tidings_e2e::{Answer, Server, ask, indicator_json, send_raw};

/// The schema of OpenAPI 3.1 documents, as its makers publish it.
const META: &str = include_str!("../../../fixtures/openapi-3.1.json");

const JSON: &str = "application/json";

/// What stands for a path's parameters.
const NAMES: [(&str, &str); 7] = [
    ("{name}", "desk"),
    ("{kind}", "indicators"),
    ("{instrument}", "AAPL"),
    ("{id}", "01900000-0000-7000-8000-000000000001"),
    ("{file}", "index.html"),
    ("{rest}", "lag"),
    ("{section}", "server"),
];

fn described(server: &Server) -> Value {
    let answer = ask(server, "GET /openapi.json", "", b"");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Every operation: method, path, what is said of it.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let operations = paths.flat_map(|(path, item)| {
        let item = item.as_object().unwrap().iter();
        item.map(move |(method, said)| (method.to_ascii_uppercase(), path.clone(), said))
    });
    operations.collect()
}

fn filled(path: &str) -> String {
    NAMES.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value))
}

/// What is said of the operation that a request line asks for.
fn operation<'a>(document: &'a Value, line: &str) -> (&'a Value, String) {
    let (method, path) = line.split_once(' ').unwrap();
    let path = path.split('?').next().unwrap();
    let segments = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
    let asked = segments(path);
    let fits = |template: &str| {
        let template = segments(template);
        let mut pairs = template.iter().zip(&asked);
        template.len() == asked.len() && pairs.all(|(t, a)| t.starts_with('{') || t == a)
    };
    let mut found: Vec<_> = operations(document)
        .into_iter()
        .filter(|(m, template, _)| m == method && fits(template))
        .collect();
    found.sort_by_key(|(_, template, _)| template.matches('{').count());
    let (_, template, said) = found.first().unwrap_or_else(|| panic!("{line} is not described"));
    (said, template.clone())
}

/// Asks, and holds the answer against what is said of it.
#[track_caller]
fn check(document: &Value, server: &Server, line: &str, body: &str, status: u16) -> Value {
    let answer = ask(server, line, if body.is_empty() { "" } else { JSON }, body.as_bytes());
    assert_eq!(answer.status, status, "{line}: {answer:?}");
    check_answer(document, line, &answer);
    answer.json()
}

#[track_caller]
fn check_answer(document: &Value, line: &str, answer: &Answer) {
    let (said, template) = operation(document, line);
    let response = &said["responses"][answer.status.to_string()];
    assert!(response.is_object(), "{line}: {} is not described: {answer:?}", answer.status);
    let Some(content) = response["content"].as_object() else { return };
    let kind = header(answer, "content-type");
    let media = kind.split(';').next().unwrap();
    let schema = &content.get(media).unwrap_or_else(|| panic!("{template}: {media}"))["schema"];
    if !media.ends_with("json") || schema.is_null() {
        return;
    }
    let mut schema = schema.clone();
    schema["components"] = document["components"].clone();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let faults: Vec<String> = validator
        .iter_errors(&answer.json())
        .map(|fault| format!("{fault} at {}", fault.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{line}: {faults:?}\n{}", answer.body);
    if let Some(code) = answer.json()["code"].as_str() {
        let codes = said["x-codes"].as_array().unwrap();
        assert!(codes.contains(&json!(code)), "{line}: {code} is not named: {codes:?}");
    }
}

fn header(answer: &Answer, name: &str) -> String {
    let lines = answer.head.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.to_owned()).collect()
}

#[test]
fn the_document_is_valid_openapi() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let document = described(&server);
    let meta: Value = serde_json::from_str(META).unwrap();
    let validator = jsonschema::draft202012::new(&meta).unwrap();
    let faults: Vec<String> = validator
        .iter_errors(&document)
        .map(|fault| format!("{fault} at {}", fault.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
    // Its schemas are schemas, too.
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let fault = jsonschema::meta::validate(schema).err().map(|fault| fault.to_string());
        assert_eq!(fault, None, "{name}");
    }
}

#[test]
fn every_described_route_is_served_and_names_its_methods() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let document = described(&server);
    let all = operations(&document);
    assert!(all.len() > 30, "{}", all.len());
    for (method, path, said) in &all {
        let path = filled(path);
        let answer = ask(&server, &format!("{method} {path}"), "", b"");
        assert_ne!(answer.json()["code"], "ROUTE_UNKNOWN", "{method} {path}: {answer:?}");
        assert_ne!(answer.status, 405, "{method} {path}: {answer:?}");
        let planned = said["x-planned"] == true;
        assert_eq!(answer.status == 501, planned, "{method} {path}: {answer:?}");
        // Another method is refused, and told which there are.
        let refused = ask(&server, &format!("TRACE {path}"), "", b"");
        assert_eq!(refused.json()["code"], "METHOD_NOT_ALLOWED", "{path}: {refused:?}");
        assert!(header(&refused, "allow").contains(method), "{method} {path}: {refused:?}");
        if method == "GET" && !planned && !path.ends_with("/stream") && !path.ends_with("/ws") {
            let head = ask(&server, &format!("HEAD {path}"), "", b"");
            assert_eq!((head.status, head.body.as_str()), (answer.status, ""), "{path}: {head:?}");
        }
    }
}

#[test]
fn what_is_sent_as_an_example_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let document = described(&server);
    let mut sent = 0;
    // The subscription first: others are about it.
    let mut all = operations(&document);
    all.sort_by_key(|(_, path, _)| path.matches('{').count());
    for (method, path, said) in all {
        let content = &said["requestBody"]["content"][JSON];
        let of_event = content["schema"]["$ref"] == "#/components/schemas/Event";
        let event = &document["components"]["schemas"]["Event"]["examples"][0];
        let example = if of_event { event } else { &content["example"] };
        if example.is_null() || said["x-planned"] == true {
            continue;
        }
        let line = format!("{method} {}", filled(&path));
        let answer = ask(&server, &line, JSON, example.to_string().as_bytes());
        assert!((200..300).contains(&answer.status), "{line} {example}: {answer:?}");
        check_answer(&document, &line, &answer);
        sent += 1;
    }
    assert!(sent >= 4, "{sent}");
}

#[test]
fn answers_are_what_the_document_says() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let document = &described(&server);
    let check = |line: &str, body: &str, status| check(document, &server, line, body, status);
    let desk = r#"{"name":"desk","topics":["**"],"start":"earliest"}"#;
    check("POST /api/v1/subscriptions", desk, 201);
    check("POST /api/v1/subscriptions", desk, 200);
    check("POST /api/v1/subscriptions", r#"{"name":"desk","topics":["a"]}"#, 409);
    check("POST /api/v1/subscriptions", r#"{"name":"b","topics":["a"],"format":"avro"}"#, 501);
    check("POST /api/v1/subscriptions", r#"{"name":"B","topics":["a"]}"#, 400);
    check("GET /api/v1/subscriptions", "", 200);
    check("GET /api/v1/subscriptions/desk", "", 200);
    check("GET /api/v1/subscriptions/none", "", 404);

    let good = indicator_json("AAPL", 0, 1.5);
    let published = check("POST /api/v1/events", &good, 200);
    let bad = good.replace("INDICATORS", "WEATHER");
    check("POST /api/v1/events", &format!("[{good},{bad}]"), 207);
    check("POST /api/v1/events", &bad, 400);
    check("POST /api/v1/events?atomic=true", &format!("[{good},{bad}]"), 422);
    check("POST /api/v1/events?topic=none", &good, 404);

    check("PUT /api/v1/topics/desk:risk", r#"{"partitions":4,"retention":"30d"}"#, 201);
    check("PUT /api/v1/topics/desk:risk", r#"{"retention":{"seconds":86401,"bytes":null}}"#, 409);
    check("PUT /api/v1/topics/desk:risk", r#"{"partitions":5}"#, 409);
    check("PUT /api/v1/topics/desk:risk", "{", 400);
    check("GET /api/v1/topics", "", 200);
    check("GET /api/v1/topics?limit=1", "", 200);
    check("GET /api/v1/topics?cursor=mine", "", 400);
    check("GET /api/v1/topics/desk:risk", "", 200);
    check("GET /api/v1/topics/none", "", 404);
    check("GET /api/v1/topics/desk:risk/guarantees", "", 200);
    check("DELETE /api/v1/topics/desk:risk", "", 204);
    check("DELETE /api/v1/topics/desk:risk", "", 404);
    let partition = &published["results"][0]["partition"];
    let browse = format!("GET /api/v1/topics/analysis:indicators:5m/events?partition={partition}");
    let browsed = check(&browse, "", 200);
    assert_eq!(browsed["events"][0]["event"]["instrument"], "AAPL", "{browsed}");
    check(&format!("{browse}&offset=99"), "", 416);

    let pull = r#"{"wait_ms":20000}"#;
    let pulled = check("POST /api/v1/subscriptions/desk/pull", pull, 200);
    let id = pulled["deliveries"][0]["ack_id"].as_str().unwrap();
    check("GET /api/v1/subscriptions/desk/status", "", 200);
    let ids = json!({"ack_ids": [id]}).to_string();
    check("POST /api/v1/subscriptions/desk/nack", &ids, 200);
    check("POST /api/v1/subscriptions/desk/ack", &ids, 200);
    check("POST /api/v1/subscriptions/desk/ack", r#"{"ack_ids":["mine"]}"#, 400);
    check("GET /api/v1/analysis/indicators/AAPL?timeframe=5m", "", 200);
    check("GET /api/v1/analysis/indicators?instrument=AAPL&timeframe=5m", "", 200);
    check("GET /api/v1/analysis/indicators/NONE?timeframe=5m", "", 404);
    check("GET /livez", "", 200);
    check("GET /readyz", "", 200);
    check("GET /api/v1/config", "", 200);
    check("GET /api/v1/cluster", "", 200);
    check("POST /api/v1/subscriptions/desk/seek", r#"{"to":"earliest"}"#, 200);
    check("POST /api/v1/replays", "{}", 501);
    check("DELETE /api/v1/subscriptions/desk", "", 204);
}

#[test]
fn the_page_is_served_from_here_alone() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let get = |path: &str| ask(&server, &format!("GET {path}"), "", b"");
    let moved = get("/docs");
    assert_eq!((moved.status, header(&moved, "location").as_str()), (308, "/docs/"), "{moved:?}");
    let page = get("/docs/");
    assert_eq!(page.status, 200, "{page:?}");
    let policy = header(&page, "content-security-policy");
    for rule in ["default-src 'none'", "script-src 'self'", "connect-src 'self'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("http"), "{policy}");
    // No script in the page itself: the policy would stop it.
    let scripts = page.body.split("<script").skip(1);
    for script in scripts.clone() {
        let (tag, rest) = script.split_once('>').unwrap();
        assert!(tag.contains("src=") && rest.trim_start().starts_with("</script>"), "{script}");
    }
    assert!(scripts.count() >= 2, "{}", page.body);
    let mut loaded = 0;
    for attribute in ["src=\"", "href=\""] {
        for link in page.body.split(attribute).skip(1) {
            let link = link.split('"').next().unwrap();
            assert!(!link.contains("//"), "{link} is loaded from elsewhere");
            let file = get(&format!("/docs/{}", link.trim_start_matches("./")));
            assert_eq!(file.status, 200, "{link}: {}", file.head);
            assert_eq!(header(&file, "x-content-type-options"), "nosniff", "{link}");
            if link.ends_with(".css") {
                for outside in ["url(http", "url(\"http", "url(//", "@import"] {
                    assert!(!file.body.contains(outside), "{link}: {outside}");
                }
            }
            if link.contains("initializer") {
                assert!(!file.body.contains("http"), "{link}: {}", file.body);
                assert!(file.body.contains("../openapi.json"), "{link}: {}", file.body);
            }
            for outside in ["import(\"http", "importScripts(\"http", "src=\"http", "src=\"//"] {
                assert!(!file.body.contains(outside), "{link}: {outside}");
            }
            loaded += 1;
        }
    }
    assert!(loaded >= 5, "{loaded}: {}", page.body);
    assert_eq!(get("/docs/../etc/passwd").status, 404);
    let packed = "GET /docs/swagger-ui.css HTTP/1.1\r\nhost: e2e\r\nconnection: close\r\n\
                  accept-encoding: gzip\r\n\r\n";
    let packed = send_raw(&server, packed.as_bytes(), true);
    assert_eq!(header(&packed, "content-encoding"), "gzip", "{}", packed.head);
}
