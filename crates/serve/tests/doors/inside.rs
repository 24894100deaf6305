//! The doors without a port answer as those with one do.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tidings_serve::{Inside, Limits};
use tidings_telemetry::Counter;
use tokio_util::sync::CancellationToken;

use crate::harness::{event, parts};

fn request(method: &str, path: &str, body: &str) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("content-type", "application/json");
    request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()
}

async fn ask(inside: &Inside, method: &str, path: &str, body: &str) -> (u16, Value) {
    let response = inside.answer(request(method, path, body)).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn requests_inside_take_the_road_of_all_others() {
    let (parts, _log) = parts(Limits::default()).await;
    let inside = Inside::open(parts.clone(), CancellationToken::new()).await;
    let (status, stored) = ask(&inside, "POST", "/api/v1/events", &event("AAPL", 1)).await;
    assert_eq!(status, 200, "{stored}");
    let (status, problem) = ask(&inside, "GET", "/nowhere", "").await;
    assert_eq!((status, &problem["code"]), (404, &"ROUTE_UNKNOWN".into()));
    assert!(problem["request_id"].is_string(), "{problem}");
    assert_eq!(parts.recorder.counted(Counter::AdmitEvents), 1);
    assert_eq!(parts.recorder.counted(Counter::ServeRequests), 2);
}

#[tokio::test]
async fn a_stop_ends_what_lasts_inside() {
    let (parts, _log) = parts(Limits::default()).await;
    let stop = CancellationToken::new();
    let inside = Inside::open(parts, stop.clone()).await;
    let subscription = r#"{"name":"s","topics":["analysis/**"],"delivery":{"stream":{}}}"#;
    let (status, made) = ask(&inside, "POST", "/api/v1/subscriptions", subscription).await;
    assert_eq!(status, 201, "{made}");
    let stream = inside.answer(request("GET", "/api/v1/subscriptions/s/stream", "")).await;
    stop.cancel();
    let said = stream.into_body().collect().await.unwrap().to_bytes();
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("event: opened") && said.contains("SHUTTING_DOWN"), "{said}");
}
