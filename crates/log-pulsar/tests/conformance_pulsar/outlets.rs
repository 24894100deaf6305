//! Topics that are not the log's, on a real broker: numbers, schemas, partitions, and what it refuses.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tidings_log_pulsar::{
    Outlet, OutletError, OutletLink, OutletMessage, OutletOptions, OutletSchema, Outlets,
    PulsarOptions, Stored,
};

use crate::rig::{address, ask, is_there, said};

const RECORD: &str = r#"{"type":"record","name":"Event","fields":[
    {"name":"id","type":["null","string"],"default":null}]}"#;

/// A namespace of its own, and a connection.
struct Place {
    admin: String,
    namespace: String,
    link: OutletLink,
}

impl Place {
    async fn find() -> Option<Self> {
        if !is_there() {
            return None;
        }
        let options = PulsarOptions {
            url: said("TIDINGS_PULSAR_URL", "pulsar://127.0.0.1:6650"),
            ..PulsarOptions::default()
        };
        let admin = said("TIDINGS_PULSAR_ADMIN", "http://127.0.0.1:8081");
        let link = Outlets::new(&options).unwrap().connect().await.unwrap();
        let namespace = format!("public/outlet-{:032x}", rand::random::<u128>());
        let place = Self { admin, namespace, link };
        let path = format!("namespaces/{}", place.namespace);
        place.ask("PUT", &path, "").await;
        // As brokers are shipped.
        let made = r#"{"allowAutoTopicCreation":true,"topicType":"non-partitioned"}"#;
        place.ask("POST", &format!("{path}/autoTopicCreation"), made).await;
        Some(place)
    }

    async fn ask(&self, method: &'static str, path: &str, body: &'static str) -> Value {
        let (at, path) = (address(&self.admin), path.to_owned());
        let asked = move || ask(at, method, &path, body);
        let answer = tokio::task::spawn_blocking(asked).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
        // Around a document there may be the marks of a chunk.
        let json = answer.find("\r\n\r\n{").map(|at| &answer[at..=answer.rfind('}').unwrap()]);
        json.map_or(Value::Null, |json| {
            serde_json::from_str(&json[json.find('{').unwrap()..]).unwrap()
        })
    }

    /// Messages that a topic holds.
    async fn entries(&self, topic: &str) -> u64 {
        let path = format!("persistent/{}/{topic}/internalStats", self.namespace);
        self.ask("GET", &path, "").await["numberOfEntries"].as_u64().unwrap()
    }

    fn options(&self, topic: &str, name: Option<&str>, first: u64) -> OutletOptions {
        OutletOptions {
            topic: format!("persistent://{}/{topic}", self.namespace).into(),
            partition: 5,
            name: name.map(str::to_owned),
            first,
            schema: OutletSchema::Json { record: Bytes::from_static(RECORD.as_bytes()) },
        }
    }

    async fn open(&self, topic: &str, name: Option<&str>, first: u64) -> Outlet {
        self.link.open(self.options(topic, name, first)).await.unwrap()
    }

    /// After one of the same name, which the broker may still know for a moment.
    async fn open_again(&self, topic: &str, name: &str, first: u64) -> Outlet {
        loop {
            match self.link.open(self.options(topic, Some(name), first)).await {
                Ok(outlet) => return outlet,
                Err(error) => assert!(error.to_string().contains("ProducerBusy"), "{error}"),
            }
        }
    }
}

async fn send(outlet: &Outlet) -> (u64, Stored) {
    let number = outlet.next();
    let payload = Bytes::from(format!("{{\"id\":\"{number}\"}}"));
    let message = OutletMessage { key: "AAPL".to_owned(), payload, ..OutletMessage::default() };
    (number, outlet.send(message).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_told_to_drops_repeats_by_name_and_number() {
    let Some(place) = Place::find().await else { return };
    place.ask("POST", &format!("namespaces/{}/deduplication", place.namespace), "true").await;
    let outlet = place.open("t", Some("w"), 3).await;
    assert_eq!(send(&outlet).await, (3, Stored::Now));
    assert_eq!(send(&outlet).await, (4, Stored::Now));
    drop(outlet);
    let again = place.open_again("t", "w", 4).await;
    assert_eq!(send(&again).await, (4, Stored::Before));
    assert_eq!(send(&again).await, (5, Stored::Now));
    drop(again);
    // Numbers may pass over others.
    let later = place.open_again("t", "w", 20).await;
    assert_eq!(send(&later).await, (20, Stored::Now));
    let beside = place.open("t", None, 5).await;
    let sent = send(&beside).await;
    assert_eq!(sent, (5, Stored::Now), "a name of its own has numbers of its own");
    assert_eq!(place.entries("t").await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_schema_and_a_name_in_use_are_refused_for_this_topic_alone() {
    let Some(place) = Place::find().await else { return };
    let _outlet = place.open("t", Some("w"), 0).await;
    let path = format!("schemas/{}/t/schema", place.namespace);
    let found = place.ask("GET", &path, "").await;
    assert_eq!(found["type"], "JSON", "{found}");
    let options = OutletOptions {
        schema: OutletSchema::Json {
            record: Bytes::from_static(
                br#"{"type":"record","name":"Event","fields":[{"name":"id","type":"long"}]}"#,
            ),
        },
        ..place.options("t", Some("v"), 0)
    };
    let refused = place.link.open(options).await.unwrap_err();
    assert!(matches!(&refused, OutletError::Topic { reason, .. } if reason.contains("Schema")));
    let busy = place.link.open(place.options("t", Some("w"), 0)).await.unwrap_err();
    assert!(matches!(&busy, OutletError::Topic { reason, .. } if reason.contains("ProducerBusy")));
    let _goes_on = place.open("u", Some("w"), 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partitioned_topic_is_written_in_the_partition_of_the_same_number() {
    let Some(place) = Place::find().await else { return };
    place.ask("PUT", &format!("persistent/{}/t/partitions", place.namespace), "3").await;
    let outlet = place.open("t", Some("w"), 0).await;
    send(&outlet).await;
    assert_eq!(place.entries("t-partition-2").await, 1, "5 modulo 3");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_alone() {
    let Some(place) = Place::find().await else { return };
    let outlet = place.open("t", Some("w"), 0).await;
    let payload = Bytes::from(vec![b' '; (5 << 20) + 1]);
    let sent = outlet.send(OutletMessage { payload, ..OutletMessage::default() }).await;
    assert!(matches!(sent, Err(OutletError::Message { .. })), "{sent:?}");
    assert_eq!(send(&outlet).await, (0, Stored::Now), "and has no number");
}

#[tokio::test]
async fn nobody_there_is_told_with_the_address() {
    let options =
        PulsarOptions { url: "pulsar://127.0.0.1:1".to_owned(), ..PulsarOptions::default() };
    let error = Arc::new(Outlets::new(&options).unwrap()).connect().await.unwrap_err();
    assert!(error.to_string().contains("pulsar://127.0.0.1:1"), "{error}");
}
