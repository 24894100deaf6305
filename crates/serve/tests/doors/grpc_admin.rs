//! `Admin`: every call, and that it is the same state as REST's.

use tidings_event::Code;
use tidings_wire::v1::admin_client::AdminClient;
use tidings_wire::v1::browse_topic_request::From;
use tidings_wire::{problem, v1};
use tonic::transport::Channel;
use tonic::{Response, Status};

use crate::harness::{Running, event, start};

async fn admin(server: &Running) -> AdminClient<Channel> {
    AdminClient::new(server.grpc().await)
}

/// Asserts that a call is refused with this code, and where.
fn check<T: std::fmt::Debug>(answer: Result<Response<T>, Status>, code: Code, field: &str) {
    let status = answer.unwrap_err();
    let problem = problem::of_status(&status).unwrap_or_else(|| panic!("{status:?}"));
    assert_eq!((problem.code.as_str(), problem.field.as_str()), (code.as_str(), field));
    assert_eq!(i32::from(status.code()), code.grpc() as i32);
}

fn put(name: &str) -> v1::PutTopicRequest {
    v1::PutTopicRequest { name: name.to_owned(), ..Default::default() }
}

#[tokio::test]
async fn topics() {
    let server = start().await;
    let mut admin = admin(&server).await;
    let wanted = v1::PutTopicRequest { partitions: Some(4), ..put("desk/risk") };
    let created = admin.put_topic(wanted.clone()).await.unwrap().into_inner();
    assert_eq!(created.applied(), v1::Applied::Created);
    let topic = created.topic.unwrap();
    assert_eq!((topic.name.as_str(), topic.partitions), ("desk/risk", 4));
    let again = admin.put_topic(wanted).await.unwrap().into_inner();
    assert_eq!((again.applied(), again.topic.as_ref()), (v1::Applied::Same, Some(&topic)));

    let retention = Some(v1::Retention { seconds: 3_600, bytes: None });
    let shorter =
        v1::PutTopicRequest { retention, if_match: topic.etag.clone(), ..put("desk:risk") };
    let updated = admin.put_topic(shorter.clone()).await.unwrap().into_inner();
    assert_eq!(updated.applied(), v1::Applied::Updated);
    let updated = updated.topic.unwrap();
    assert_ne!(updated.etag, topic.etag);
    check(admin.put_topic(shorter).await, Code::EtagMismatch, "");
    let shown = server.get("/api/v1/topics/desk:risk").await.expect(200);
    assert_eq!(shown["etag"].as_str(), Some(updated.etag.as_str()));
    assert_eq!(shown["retention"]["seconds"], 3_600);

    let named = |name: &str| v1::GetTopicRequest { name: name.to_owned() };
    assert_eq!(admin.get_topic(named("desk/risk")).await.unwrap().into_inner(), updated);
    let more = v1::PutTopicRequest { partitions: Some(8), ..put("desk/risk") };
    check(admin.put_topic(more).await, Code::TopicExists, "");
    check(admin.get_topic(named("Desk")).await, Code::TopicNameInvalid, "name");
    let replicated =
        v1::PutTopicRequest { durability: v1::Durability::Replicated.into(), ..put("desk/two") };
    check(admin.put_topic(replicated).await, Code::NotAvailable, "durability");

    let delete = |if_match: &str| v1::DeleteTopicRequest {
        name: "desk/risk".to_owned(),
        if_match: if_match.to_owned(),
    };
    check(admin.delete_topic(delete(&topic.etag)).await, Code::EtagMismatch, "");
    admin.delete_topic(delete(&updated.etag)).await.unwrap();
    check(admin.get_topic(named("desk/risk")).await, Code::TopicUnknown, "");
}

#[tokio::test]
async fn lists_come_in_parts() {
    let server = start().await;
    let mut admin = admin(&server).await;
    for name in ["c", "a", "b"] {
        admin.put_topic(put(name)).await.unwrap();
        let subscription = v1::CreateSubscriptionRequest {
            name: name.to_owned(),
            topics: vec!["**".to_owned()],
            ..Default::default()
        };
        admin.create_subscription(subscription).await.unwrap();
    }
    let page = |cursor: String| Some(v1::Page { limit: 2, cursor });
    let topics = |page| v1::ListTopicsRequest { page };
    let first = admin.list_topics(topics(page(String::new()))).await.unwrap().into_inner();
    let second = admin.list_topics(topics(page(first.next.clone()))).await.unwrap().into_inner();
    let names: Vec<_> = [first.topics, second.topics].concat();
    assert_eq!(names.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(second.next, "");
    // REST's cursor is the same.
    let part = server.get("/api/v1/topics?limit=2").await.expect(200);
    assert_eq!(part["next"].as_str(), Some(first.next.as_str()));

    let subscriptions = |page| v1::ListSubscriptionsRequest { page };
    let all = admin.list_subscriptions(subscriptions(None)).await.unwrap().into_inner();
    assert_eq!(all.subscriptions.len(), 3);
    let of_topics = page(first.next);
    let mixed = admin.list_subscriptions(subscriptions(of_topics)).await;
    check(mixed, Code::CursorInvalid, "page.cursor");
    let long = Some(v1::Page { limit: 1_001, cursor: String::new() });
    check(admin.list_topics(topics(long)).await, Code::FieldInvalid, "page.limit");
}

#[tokio::test]
async fn subscriptions() {
    use v1::subscription::Delivery;
    let server = start().await;
    let mut admin = admin(&server).await;
    let wanted = v1::CreateSubscriptionRequest {
        name: "s".to_owned(),
        topics: vec!["analysis/**".to_owned()],
        delivery: Delivery::Pull.into(),
        start: Some(v1::Start { start: Some(v1::start::Start::Earliest(v1::start::Earliest {})) }),
        labels: [("team".to_owned(), "risk".to_owned())].into(),
        owner: "desk".to_owned(),
        ack_deadline_ms: Some(5_000),
        ..Default::default()
    };
    let created = admin.create_subscription(wanted.clone()).await.unwrap().into_inner();
    assert_eq!(created.applied(), v1::Applied::Created);
    let made = created.subscription.unwrap();
    assert_eq!((made.delivery(), made.max_in_flight), (Delivery::Pull, 1_024));
    assert_eq!((made.ack_deadline_ms, made.labels["team"].as_str()), (5_000, "risk"));
    let again = admin.create_subscription(wanted.clone()).await.unwrap().into_inner();
    assert_eq!(again.applied(), v1::Applied::Same);
    let other = v1::CreateSubscriptionRequest { owner: "else".to_owned(), ..wanted.clone() };
    check(admin.create_subscription(other).await, Code::SubscriptionExists, "");
    let shown = server.get("/api/v1/subscriptions/s").await.expect(200);
    assert_eq!(shown["etag"].as_str(), Some(made.etag.as_str()));

    server.send("POST /api/v1/events", &event("AAPL", 1)).await.expect(200);
    let named = || v1::GetSubscriptionStatusRequest { name: "s".to_owned() };
    let status = admin.get_subscription_status(named()).await.unwrap().into_inner();
    assert_eq!((status.state.as_str(), status.consumer.as_str()), ("idle", ""));
    let get = || v1::GetSubscriptionRequest { name: "s".to_owned() };
    assert_eq!(admin.get_subscription(get()).await.unwrap().into_inner(), made);

    let pattern = v1::CreateSubscriptionRequest { topics: vec!["a//b".to_owned()], ..wanted };
    check(admin.create_subscription(pattern).await, Code::PatternInvalid, "topics[0]");
    let delete = |if_match: &str| v1::DeleteSubscriptionRequest {
        name: "s".to_owned(),
        if_match: if_match.to_owned(),
    };
    check(admin.delete_subscription(delete("0.1")).await, Code::EtagMismatch, "");
    admin.delete_subscription(delete(&made.etag)).await.unwrap();
    check(admin.get_subscription(get()).await, Code::SubscriptionUnknown, "");
    check(admin.get_subscription_status(named()).await, Code::SubscriptionUnknown, "");
}

#[tokio::test]
async fn browse_values_and_guarantees() {
    let server = start().await;
    let mut admin = admin(&server).await;
    let array = format!("[{},{},{}]", event("AAPL", 1), event("AAPL", 2), event("AAPL", 3));
    let placed = server.send("POST /api/v1/events", &array).await.expect(200);
    let partition = u32::try_from(placed["results"][0]["partition"].as_u64().unwrap()).unwrap();
    let browse = |from| v1::BrowseTopicRequest {
        name: "analysis/indicators/5m".to_owned(),
        partition,
        from,
        limit: 2,
    };
    let first = admin.browse_topic(browse(None)).await.unwrap().into_inner();
    let offsets: Vec<_> = first.events.iter().map(|e| e.offset).collect();
    assert_eq!((offsets, first.next_offset), (vec![0, 1], 2));
    let envelope = tidings_event::scan(&first.events[0].event).unwrap();
    assert_eq!(envelope.instrument, "AAPL");
    let at = first.events[0].ingested_at;
    let rest = admin.browse_topic(browse(Some(From::Offset(2)))).await.unwrap().into_inner();
    assert_eq!((rest.events.len(), rest.next_offset), (1, 3));
    let timed = admin.browse_topic(browse(Some(From::Time(at)))).await.unwrap().into_inner();
    assert_eq!(timed.events[0].offset, 0);
    let beyond = browse(Some(From::Offset(9)));
    check(admin.browse_topic(beyond).await, Code::OffsetOutOfRange, "offset");
    let nowhere = v1::BrowseTopicRequest { partition: 99, ..browse(None) };
    check(admin.browse_topic(nowhere).await, Code::FieldInvalid, "partition");
    let long = v1::BrowseTopicRequest { limit: 1_001, ..browse(None) };
    check(admin.browse_topic(long).await, Code::FieldInvalid, "limit");

    let sheet = v1::GetGuaranteesRequest { name: "analysis/indicators/5m".to_owned() };
    let sheet = admin.get_guarantees(sheet).await.unwrap().into_inner();
    let order = sheet.guarantees.iter().find(|g| g.name == "order").unwrap();
    assert_eq!(order.level, "per_key");
    assert!(sheet.guarantees.iter().all(|g| !g.detail.is_empty() && !g.reason.is_empty()));
    let rest = server.get("/api/v1/topics/analysis:indicators:5m/guarantees").await.expect(200);
    assert_eq!(rest["guarantees"].as_array().unwrap().len(), sheet.guarantees.len());

    let query = v1::GetLastValueRequest {
        kind: "indicators".to_owned(),
        instrument: "AAPL".to_owned(),
        timeframe: "5m".to_owned(),
        ..Default::default()
    };
    let newest = loop {
        // The values follow the log.
        let value = admin.get_last_value(query.clone()).await;
        match value {
            Ok(value) if value.get_ref().position.as_ref().unwrap().offset == 2 => {
                break value.into_inner();
            }
            Ok(_) => {}
            Err(status) => assert_eq!(status.code(), tonic::Code::NotFound, "{status:?}"),
        }
    };
    assert_eq!(newest.topic, "analysis/indicators/5m");
    let unknown = v1::GetLastValueRequest { kind: "moods".to_owned(), ..query.clone() };
    check(admin.get_last_value(unknown).await, Code::FieldInvalid, "kind");
    let nobody = v1::GetLastValueRequest { instrument: String::new(), ..query };
    check(admin.get_last_value(nobody).await, Code::FieldMissing, "instrument");
}
