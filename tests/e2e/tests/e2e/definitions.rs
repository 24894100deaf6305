//! Two producers, one indicator name, two formulas: exactly one of them is stored.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tidings_client::{Client, ClientError, PublisherOptions};
use tidings_e2e::{Server, ask, executable, indicator, soon};

const ONE: [u8; 16] = [0xAA; 16];
const TWO: [u8; 16] = [0xBB; 16];

/// A test event whose indicator says by which formula it was computed.
fn defined(number: u64, hash: [u8; 16]) -> Vec<u8> {
    let text = tidings_event::json::to_json(&indicator("AAPL", "5m", number)).unwrap();
    let mut event: Value = serde_json::from_str(&text).unwrap();
    let definition = format!("{:02x}", hash[0]).repeat(16);
    event["indicators"]["values"]["rsi_14"] = json!({"value": 1.5, "definition": definition});
    tidings_event::json::json_to_canonical(event.to_string().as_bytes()).unwrap()
}

async fn publish(client: &Client, options: PublisherOptions, event: Vec<u8>) -> Result<(), String> {
    let publisher = soon("a publisher", client.publisher(options)).await.unwrap();
    let receipt = publisher.send(&event).await.unwrap();
    match soon("an outcome", receipt).await {
        Ok(_) => Ok(()),
        Err(ClientError::Refused(problem)) => Err(problem.code),
        Err(other) => panic!("{other}"),
    }
}

fn registered(server: &Server) -> Value {
    ask(server, "GET /api/v1/definitions", "", b"").json()["definitions"].clone()
}

fn warning(data: &Path) -> Server {
    let mut command = Command::new(executable());
    command.env("TIDINGS_ADMISSION__DEFINITION_CONFLICT", "warn");
    Server::start_by(command, data)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_name_has_one_definition_over_every_way_in_and_over_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    let client = server.client().await;
    let refused = Err("DEFINITION_CONFLICT".to_owned());
    // Both at the same instant: one block of a producer, one plain batch.
    let (one, two) = tokio::join!(
        publish(&client, PublisherOptions::sequenced("rsi-1"), defined(1, ONE)),
        publish(&client, PublisherOptions::default(), defined(2, TWO)),
    );
    assert!([&one, &two].contains(&&Ok(())), "{one:?} {two:?}");
    assert!([&one, &two].contains(&&refused), "{one:?} {two:?}");
    let (winner, loser) = if one.is_ok() { (ONE, TWO) } else { (TWO, ONE) };
    let list = registered(&server);
    assert_eq!(list[0]["definition"], format!("{:02x}", winner[0]).repeat(16), "{list}");
    server.kill();

    let server = Server::start(&data);
    assert_eq!(registered(&server), list);
    let client = server.client().await;
    let sequenced = PublisherOptions::sequenced("rsi-2");
    assert_eq!(publish(&client, sequenced.clone(), defined(3, loser)).await, refused);
    assert_eq!(publish(&client, PublisherOptions::default(), defined(4, loser)).await, refused);
    let body = tidings_event::json::to_json(&defined(5, loser)).unwrap();
    let answer = ask(&server, "POST /api/v1/events", "application/json", body.as_bytes());
    assert_eq!((answer.status, &answer.json()["code"]), (409, &json!("DEFINITION_CONFLICT")));
    assert_eq!(publish(&client, sequenced, defined(6, winner)).await, Ok(()));
    let metrics = ask(&server, "GET /metrics", "", b"").body;
    assert!(metrics.contains("tidings_admit_definition_conflicts_total 3"), "{metrics}");
    assert_eq!(ask(&server, "DELETE /api/v1/definitions/rsi_14", "", b"").status, 204);
    assert_eq!(publish(&client, PublisherOptions::default(), defined(7, loser)).await, Ok(()));
    drop(server);

    let server = warning(&data);
    let client = server.client().await;
    assert_eq!(publish(&client, PublisherOptions::default(), defined(8, winner)).await, Ok(()));
    let metrics = ask(&server, "GET /metrics", "", b"").body;
    assert!(metrics.contains("tidings_admit_definition_conflicts_total 1"), "{metrics}");
    assert!(server.log().contains("definition conflict: indicator `rsi_14`"), "{}", server.log());
}
