//! `AnalysisStream`: the platform's stream, durable and ephemeral.

use std::time::Duration;

use tidings_serve::Limits;
use tidings_wire::v1::analysis_message::Message as Said;
use tidings_wire::v1::analysis_stream_client::AnalysisStreamClient;
use tidings_wire::v1::subscription_request::Action;
use tidings_wire::{problem, v1};
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use crate::harness::{Running, event, start, start_with};

async fn client(server: &Running) -> AnalysisStreamClient<Channel> {
    AnalysisStreamClient::new(server.grpc().await)
}

fn manage(action: Action) -> v1::SubscriptionRequest {
    let start = v1::start::Start::Earliest(v1::start::Earliest {});
    v1::SubscriptionRequest {
        action: action.into(),
        subscription_name: "s".to_owned(),
        start: Some(v1::Start { start: Some(start) }),
        ..Default::default()
    }
}

fn durable() -> v1::StreamRequest {
    v1::StreamRequest { subscription_name: "s".to_owned(), ..Default::default() }
}

async fn publish(server: &Running, events: &[(&str, u32)]) {
    for (instrument, minute) in events {
        server.send("POST /api/v1/events", &event(instrument, *minute)).await.expect(200);
    }
}

/// The next event's instrument and offset.
async fn next(stream: &mut Streaming<v1::AnalysisMessage>) -> (String, u64) {
    match stream.message().await.unwrap().and_then(|m| m.message) {
        Some(Said::Event(event)) => {
            let envelope = tidings_event::scan(&event.event).unwrap();
            assert_eq!(event.topic, "analysis/indicators/5m");
            (envelope.instrument.to_owned(), event.position.unwrap().offset)
        }
        other => panic!("{other:?}"),
    }
}

fn code_of(status: &Status) -> String {
    problem::of_status(status).unwrap_or_else(|| panic!("{status:?}")).code
}

/// Waits until everything is settled.
async fn settled(server: &Running) {
    loop {
        let status = server.get("/api/v1/subscriptions/s/status").await.expect(200);
        if status["lag_events"] == 0 && status["in_flight"] == 0 {
            return;
        }
    }
}

#[tokio::test]
async fn a_subscription_is_streamed_filtered_and_settled() {
    let server = start().await;
    let mut client = client(&server).await;
    let made = client.manage_subscription(manage(Action::Subscribe)).await.unwrap().into_inner();
    assert_eq!(made.subscription.unwrap().topics, ["analysis/**"]);
    publish(&server, &[("AAPL", 1), ("MSFT", 1), ("AAPL", 2)]).await;
    let asked = v1::StreamRequest { symbols: vec!["AAPL".to_owned()], ..durable() };
    let mut stream = client.stream_analysis(asked).await.unwrap().into_inner();
    assert_eq!(next(&mut stream).await, ("AAPL".to_owned(), 0));
    assert_eq!(next(&mut stream).await, ("AAPL".to_owned(), 1));
    // What was filtered out counts, too.
    settled(&server).await;
    let busy = client.stream_analysis(durable()).await.unwrap_err();
    assert_eq!(code_of(&busy), "SUBSCRIPTION_BUSY");
    let status = client.manage_subscription(manage(Action::Status)).await.unwrap().into_inner();
    assert_eq!(status.status.unwrap().consumer, "analysis-stream");
    drop(stream);
    publish(&server, &[("MSFT", 2)]).await;
    let mut stream = loop {
        match client.stream_analysis(durable()).await {
            Ok(stream) => break stream.into_inner(),
            Err(status) => assert_eq!(code_of(&status), "SUBSCRIPTION_BUSY"),
        }
    };
    // It goes on where the one before was.
    assert_eq!(next(&mut stream).await, ("MSFT".to_owned(), 1));
    let gone = client.manage_subscription(manage(Action::Unsubscribe)).await.unwrap().into_inner();
    assert_eq!(gone.subscription.unwrap().name, "s");
    let ended = stream.message().await.unwrap_err();
    assert_eq!(code_of(&ended), "SUBSCRIPTION_GONE");
    let unknown = client.stream_analysis(durable()).await.unwrap_err();
    assert_eq!(code_of(&unknown), "SUBSCRIPTION_UNKNOWN");
}

#[tokio::test]
async fn an_ephemeral_stream_begins_now_and_leaves_nothing() {
    let server = start().await;
    let mut client = client(&server).await;
    publish(&server, &[("AAPL", 1)]).await;
    let asked = v1::StreamRequest {
        timeframes: vec!["5m".to_owned()],
        data_types: vec![tidings_event::v1::Kind::Indicators.into()],
        topics: vec!["analysis/indicators/*".to_owned()],
        ..Default::default()
    };
    let mut stream = client.stream_analysis(asked.clone()).await.unwrap().into_inner();
    // Any number of them at once.
    let mut second = client.stream_analysis(asked).await.unwrap().into_inner();
    publish(&server, &[("AAPL", 2)]).await;
    assert_eq!(next(&mut stream).await, ("AAPL".to_owned(), 1));
    assert_eq!(next(&mut second).await, ("AAPL".to_owned(), 1));
    let left = server.get("/api/v1/subscriptions").await.expect(200);
    assert_eq!(left["subscriptions"].as_array().unwrap().len(), 0);
    server.stop().await;
    assert_eq!(code_of(&stream.message().await.unwrap_err()), "SHUTTING_DOWN");
}

#[tokio::test]
async fn silence_is_filled_with_heartbeats() {
    let limits = Limits { heartbeat: Duration::from_millis(20), ..Limits::default() };
    let server = start_with(limits).await;
    let asked = v1::StreamRequest::default();
    let mut stream = client(&server).await.stream_analysis(asked).await.unwrap().into_inner();
    for _ in 0..2 {
        let said = stream.message().await.unwrap().and_then(|m| m.message);
        assert!(matches!(said, Some(Said::Heartbeat(_))), "{said:?}");
    }
}

#[tokio::test]
async fn a_deleted_topic_is_a_gap() {
    let server = start().await;
    let mut client = client(&server).await;
    client.manage_subscription(manage(Action::Subscribe)).await.unwrap();
    publish(&server, &[("AAPL", 1)]).await;
    let path = "DELETE /api/v1/topics/analysis:indicators:5m";
    assert_eq!(server.ask(path, &[], b"").await.status, 204);
    let mut stream = client.stream_analysis(durable()).await.unwrap().into_inner();
    match stream.message().await.unwrap().and_then(|m| m.message) {
        Some(Said::Gap(gap)) => {
            assert_eq!(gap.topic, "analysis/indicators/5m");
            assert_eq!(gap.gap.unwrap().reason, "TOPIC_DELETED");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn wrong_requests_are_refused() {
    let server = start().await;
    let mut client = client(&server).await;
    let status = client.manage_subscription(v1::SubscriptionRequest::default()).await.unwrap_err();
    assert_eq!(code_of(&status), "FIELD_MISSING");
    let status =
        client.manage_subscription(v1::SubscriptionRequest { action: 9, ..Default::default() });
    assert_eq!(code_of(&status.await.unwrap_err()), "FIELD_INVALID");
    let pattern = v1::StreamRequest { topics: vec!["a//b".to_owned()], ..Default::default() };
    assert_eq!(code_of(&client.stream_analysis(pattern).await.unwrap_err()), "PATTERN_INVALID");
    let both = v1::StreamRequest { topics: vec!["**".to_owned()], ..durable() };
    assert_eq!(code_of(&client.stream_analysis(both).await.unwrap_err()), "FIELD_INVALID");
    let kind = v1::StreamRequest { data_types: vec![99], ..Default::default() };
    assert_eq!(code_of(&client.stream_analysis(kind).await.unwrap_err()), "KIND_UNKNOWN");
}
