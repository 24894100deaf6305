//! gRPC health that follows readiness, and reflection that lists every service.

use std::time::Duration;

use tidings_serve::Limits;
use tidings_wire::problem;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServiceResponse};

use crate::harness::{Running, start, start_with};

const NAMES: [&str; 6] = [
    "",
    "tidings.v1.Publisher",
    "tidings.v1.Consumer",
    "tidings.v1.Admin",
    "tidings.v1.Admin/GetLastValue",
    "tidings.v1.AnalysisStream",
];

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

async fn check(server: &Running, expected: [ServingStatus; 6]) {
    let mut health = HealthClient::new(server.grpc().await);
    for (name, expected) in NAMES.into_iter().zip(expected) {
        let status = health.check(of(name)).await.unwrap().into_inner().status();
        assert_eq!(status, expected, "{name}");
    }
}

#[tokio::test]
async fn each_service_is_as_healthy_as_what_it_needs() {
    use ServingStatus::{NotServing, Serving};
    let server = start().await;
    check(&server, [Serving; 6]).await;
    let broken = start().await;
    broken.log.fail();
    // What is stored can still be read.
    check(&broken, [NotServing, NotServing, NotServing, NotServing, Serving, Serving]).await;
    let mut health = HealthClient::new(server.grpc().await);
    let unknown = health.check(of("tidings.v1.Nothing")).await.unwrap_err();
    assert_eq!(unknown.code(), tonic::Code::NotFound);
    assert_eq!(problem::of_status(&unknown).unwrap().field, "service");
}

/// A server that waits for its streams as long as it takes: one that does not end holds the test.
async fn patient() -> Running {
    start_with(Limits { drain: Duration::from_secs(3_600), ..Limits::default() }).await
}

#[tokio::test]
async fn a_watch_says_every_change_and_ends_with_the_service() {
    let server = patient().await;
    let mut health = HealthClient::new(server.grpc().await);
    let mut writing = health.watch(of("tidings.v1.Publisher")).await.unwrap().into_inner();
    let mut reading = health.watch(of("tidings.v1.AnalysisStream")).await.unwrap().into_inner();
    let mut unknown = health.watch(of("tidings.v1.Nothing")).await.unwrap().into_inner();
    let next = writing.message().await.unwrap().unwrap().status();
    assert_eq!(next, ServingStatus::Serving);
    assert_eq!(reading.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    assert_eq!(unknown.message().await.unwrap().unwrap().status(), ServingStatus::ServiceUnknown);
    server.log.fail();
    let next = writing.message().await.unwrap().unwrap().status();
    assert_eq!(next, ServingStatus::NotServing);
    server.stop().await;
    assert_eq!(reading.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    for mut watch in [writing, reading, unknown] {
        let ended = watch.message().await.unwrap_err();
        assert_eq!(problem::of_status(&ended).unwrap().code, "SHUTTING_DOWN");
    }
}

#[tokio::test]
async fn reflection_knows_every_service_and_ends_with_the_service() {
    let server = patient().await;
    let mut client = ServerReflectionClient::new(server.grpc().await);
    let (ask, asked) = mpsc::channel(4);
    let mut said =
        client.server_reflection_info(ReceiverStream::new(asked)).await.unwrap().into_inner();
    let request =
        |message| ServerReflectionRequest { host: String::new(), message_request: Some(message) };
    ask.send(request(MessageRequest::ListServices(String::new()))).await.unwrap();
    let listed = said.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(listed) = listed else { panic!("{listed:?}") };
    let mut names: Vec<_> =
        listed.service.into_iter().map(|ServiceResponse { name }| name).collect();
    names.sort();
    let expected = [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "tidings.v1.Admin",
        "tidings.v1.AnalysisStream",
        "tidings.v1.Consumer",
        "tidings.v1.DeadLetters",
        "tidings.v1.Publisher",
    ];
    assert_eq!(names, expected);
    for name in names {
        ask.send(request(MessageRequest::FileContainingSymbol(name.clone()))).await.unwrap();
        let file = said.message().await.unwrap().unwrap().message_response;
        let found = matches!(file, Some(MessageResponse::FileDescriptorResponse(_)));
        assert!(found, "{name}: {file:?}");
    }
    server.stop().await;
    assert!(said.message().await.unwrap().is_none());
    drop(ask);
}
