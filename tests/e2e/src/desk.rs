//! A pull consumer over plain HTTP that says of every event what becomes of it.

use serde_json::{Value, json};

use crate::{Server, ask};

const JSON: &str = "application/json";

/// An event as it was pulled.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// The key.
    pub instrument: String,
    /// Its `key_seq`.
    pub number: u64,
    /// The whole item.
    pub item: Value,
}

impl Pulled {
    fn read(item: &Value) -> Self {
        let event = &item["event"];
        let number = event["key_seq"].as_str().and_then(|text| text.parse().ok());
        Self {
            instrument: event["instrument"].as_str().unwrap_or_default().to_owned(),
            number: number.or_else(|| event["key_seq"].as_u64()).unwrap_or(u64::MAX),
            item: item.clone(),
        }
    }

    /// Key and number.
    #[must_use]
    pub fn name(&self) -> (&str, u64) {
        (&self.instrument, self.number)
    }

    /// From 1.
    #[must_use]
    pub fn attempt(&self) -> u64 {
        self.item["attempt"].as_u64().unwrap_or_default()
    }

    /// Its place, as dead letters are named.
    #[must_use]
    pub fn position(&self) -> Value {
        self.item["position"].clone()
    }

    /// What settles it.
    #[must_use]
    pub fn ack_id(&self) -> Value {
        self.item["ack_id"].clone()
    }
}

/// One subscription, and who pulls it.
#[derive(Debug)]
pub struct Desk<'a> {
    server: &'a Server,
    name: String,
    consumer: String,
}

impl<'a> Desk<'a> {
    /// Creates a subscription to everything in these topics from the beginning, with more members
    /// of its document.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    pub fn open(server: &'a Server, name: &str, topics: &[&str], more: &Value) -> Self {
        let mut body = json!({"name": name, "topics": topics, "start": "earliest"});
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        let desk = Self::of(server, name, "desk");
        let made = desk.send("POST", "/api/v1/subscriptions", &body);
        assert!(!made.is_null(), "{name} is made");
        desk
    }

    /// A consumer of a subscription that is there.
    #[must_use]
    pub fn of(server: &'a Server, name: &str, consumer: &str) -> Self {
        Self { server, name: name.to_owned(), consumer: consumer.to_owned() }
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Value {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let kind = if body.is_null() { "" } else { JSON };
        let answer = ask(self.server, &format!("{method} {path}"), kind, text.as_bytes());
        assert!((200..300).contains(&answer.status), "{method} {path} {text}: {answer:?}");
        answer.json()
    }

    /// A call below the subscription's own path.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    pub fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        self.send(method, &format!("/api/v1/subscriptions/{}{path}", self.name), body)
    }

    /// At most so many events; waits for the first at most `wait_ms`.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    pub fn pull_within(&self, max: u32, wait_ms: u64) -> Vec<Pulled> {
        let ask = json!({"max": max, "wait_ms": wait_ms, "consumer": self.consumer});
        let document = self.call("POST", "/pull", &ask);
        let items = document["deliveries"].as_array().cloned().unwrap_or_default();
        items.iter().filter(|item| item["gap"].is_null()).map(Pulled::read).collect()
    }

    /// At most so many events, at least one.
    ///
    /// # Panics
    /// When none comes.
    #[must_use]
    pub fn pull(&self, max: u32) -> Vec<Pulled> {
        let pulled = self.pull_within(max, 30_000);
        assert!(!pulled.is_empty(), "nothing came for {}", self.name);
        pulled
    }

    fn settle<'p>(&self, how: &str, events: impl IntoIterator<Item = &'p Pulled>) -> Vec<String> {
        let ids: Vec<_> = events.into_iter().map(Pulled::ack_id).collect();
        if ids.is_empty() {
            return Vec::new();
        }
        let answer = self.call("POST", how, &json!({"ack_ids": ids}));
        let results = answer["results"].as_array().cloned().unwrap_or_default();
        let state = |result: &Value| result["state"].as_str().unwrap_or_default().to_owned();
        results.iter().map(state).collect()
    }

    /// Acknowledges these; answers the state of each.
    ///
    /// # Panics
    /// When it is refused.
    pub fn ack<'p>(&self, events: impl IntoIterator<Item = &'p Pulled>) -> Vec<String> {
        self.settle("/ack", events)
    }

    /// Gives these back; answers the state of each.
    ///
    /// # Panics
    /// When it is refused.
    pub fn nack<'p>(&self, events: impl IntoIterator<Item = &'p Pulled>) -> Vec<String> {
        self.settle("/nack", events)
    }

    /// All of its dead letters, in order.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    pub fn letters(&self) -> Vec<Value> {
        let mut letters = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.call("GET", &format!("/dead-letters?limit=1000{cursor}"), &Value::Null);
            letters.extend(page["dead_letters"].as_array().cloned().unwrap_or_default());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return letters,
            }
        }
    }

    /// How it does.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    pub fn status(&self) -> Value {
        self.call("GET", "/status", &Value::Null)
    }
}
