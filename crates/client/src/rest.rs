//! The plain HTTP calls: topics, subscriptions, pull, last values, publish, status.

mod dead_letters;
mod pull_packed;
mod subscriptions;

use std::fmt::Write;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tidings_wire::rest::{
    AckDocument, AckRequestDocument, ExtendRequestDocument, GuaranteesDocument,
    NackRequestDocument, PublishDocument, PullDocument, PullRequestDocument, StatusDocument,
    SubscriptionDocument, SubscriptionListDocument, SubscriptionRequest, TopicDocument,
    TopicListDocument, TopicRequestDocument, TraceDocument,
};

pub use pull_packed::PulledBatch;

use crate::connection::chain;
use crate::servers::Servers;
use crate::{ClientError, Problem};

/// Most bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Plain calls over HTTP. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Rest {
    servers: Servers,
    http: HttpClient<HttpConnector, Full<Bytes>>,
}

/// A last value: the event as canonical JSON, with its place under `as_of`.
pub type LastValue = Value;

impl Rest {
    pub(crate) fn new(servers: Servers) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let http = HttpClient::builder(TokioExecutor::new()).build(connector);
        Self { servers, http }
    }

    /// Publishes JSON: one event or an array of them.
    ///
    /// # Errors
    /// The problem, when a single event or the whole batch was refused.
    pub async fn publish(&self, events: impl Into<Bytes>) -> Result<PublishDocument, ClientError> {
        let body = events.into();
        let text = self.exchange(Method::POST, "/api/v1/events", Some(body)).await?;
        read(&text)
    }

    /// Every topic.
    ///
    /// # Errors
    /// When the service cannot be reached.
    pub async fn topics(&self) -> Result<TopicListDocument, ClientError> {
        let mut all = TopicListDocument { topics: Vec::new(), next: None };
        loop {
            let path = part_path("/api/v1/topics", all.next.as_deref());
            let part: TopicListDocument = self.call(Method::GET, &path, None::<&()>).await?;
            all.topics.extend(part.topics);
            all.next = part.next;
            if all.next.is_none() {
                return Ok(all);
            }
        }
    }

    /// One topic.
    ///
    /// # Errors
    /// `TOPIC_UNKNOWN`.
    pub async fn topic(&self, name: &str) -> Result<TopicDocument, ClientError> {
        self.call(Method::GET, &topic_path(name), None::<&()>).await
    }

    /// What the running configuration really promises for a topic, and why.
    ///
    /// # Errors
    /// `TOPIC_UNKNOWN`.
    pub async fn guarantees(&self, name: &str) -> Result<GuaranteesDocument, ClientError> {
        let path = format!("{}/guarantees", topic_path(name));
        self.call(Method::GET, &path, None::<&()>).await
    }

    /// Creates a topic, or changes what may change.
    ///
    /// # Errors
    /// `TOPIC_EXISTS` with the difference, and what the grammar refuses.
    pub async fn put_topic(
        &self,
        name: &str,
        request: &TopicRequestDocument,
    ) -> Result<TopicDocument, ClientError> {
        self.call(Method::PUT, &topic_path(name), Some(request)).await
    }

    /// Deletes a topic and its events.
    ///
    /// # Errors
    /// `TOPIC_UNKNOWN`.
    pub async fn delete_topic(&self, name: &str) -> Result<(), ClientError> {
        self.exchange(Method::DELETE, &topic_path(name), None).await.map(drop)
    }

    /// Every subscription.
    ///
    /// # Errors
    /// When the service cannot be reached.
    pub async fn subscriptions(&self) -> Result<SubscriptionListDocument, ClientError> {
        let mut all = SubscriptionListDocument { subscriptions: Vec::new(), next: None };
        loop {
            let path = part_path("/api/v1/subscriptions", all.next.as_deref());
            let part: SubscriptionListDocument = self.call(Method::GET, &path, None::<&()>).await?;
            all.subscriptions.extend(part.subscriptions);
            all.next = part.next;
            if all.next.is_none() {
                return Ok(all);
            }
        }
    }

    /// One subscription.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`.
    pub async fn subscription(&self, name: &str) -> Result<SubscriptionDocument, ClientError> {
        self.call(Method::GET, &subscription_path(name, ""), None::<&()>).await
    }

    /// Creates a subscription; the same again is fine.
    ///
    /// # Errors
    /// `SUBSCRIPTION_EXISTS` with the difference, and what the grammar refuses.
    pub async fn create_subscription(
        &self,
        request: &SubscriptionRequest,
    ) -> Result<SubscriptionDocument, ClientError> {
        self.call(Method::POST, "/api/v1/subscriptions", Some(request)).await
    }

    /// Deletes a subscription and its progress.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`.
    pub async fn delete_subscription(&self, name: &str) -> Result<(), ClientError> {
        self.exchange(Method::DELETE, &subscription_path(name, ""), None).await.map(drop)
    }

    /// Where a subscription is.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`.
    pub async fn status(&self, name: &str) -> Result<StatusDocument, ClientError> {
        self.call(Method::GET, &subscription_path(name, "/status"), None::<&()>).await
    }

    /// Takes events of a subscription.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`, `SUBSCRIPTION_BUSY`.
    pub async fn pull(
        &self,
        name: &str,
        request: &PullRequestDocument,
    ) -> Result<PullDocument, ClientError> {
        self.call(Method::POST, &subscription_path(name, "/pull"), Some(request)).await
    }

    /// Settles pulled events; answers when the cursor is durable.
    ///
    /// # Errors
    /// `ACK_ID_INVALID`, `SUBSCRIPTION_UNKNOWN`.
    pub async fn ack(
        &self,
        name: &str,
        request: &AckRequestDocument,
    ) -> Result<AckDocument, ClientError> {
        self.call(Method::POST, &subscription_path(name, "/ack"), Some(request)).await
    }

    /// Gives pulled events back.
    ///
    /// # Errors
    /// `ACK_ID_INVALID`, `SUBSCRIPTION_UNKNOWN`.
    pub async fn nack(
        &self,
        name: &str,
        request: &NackRequestDocument,
    ) -> Result<AckDocument, ClientError> {
        self.call(Method::POST, &subscription_path(name, "/nack"), Some(request)).await
    }

    /// Gives pulled events more time before their ack deadline.
    ///
    /// # Errors
    /// `ACK_ID_INVALID`, `SUBSCRIPTION_UNKNOWN`.
    pub async fn extend(
        &self,
        name: &str,
        request: &ExtendRequestDocument,
    ) -> Result<AckDocument, ClientError> {
        self.call(Method::POST, &subscription_path(name, "/extend"), Some(request)).await
    }

    /// The newest event of one kind (`indicators`, `patterns`, ...) about an instrument.
    ///
    /// # Errors
    /// `VALUE_UNKNOWN`, `AMBIGUOUS_VENUE`, `REBUILDING`.
    pub async fn last_value(
        &self,
        kind: &str,
        instrument: &str,
        timeframe: Option<&str>,
        venue: Option<&str>,
    ) -> Result<LastValue, ClientError> {
        let mut path =
            format!("/api/v1/analysis/{}?instrument={}", encode(kind), encode(instrument));
        for (name, value) in [("timeframe", timeframe), ("venue", venue)] {
            if let Some(value) = value {
                // Writing to a String cannot fail.
                let _infallible = write!(path, "&{name}={}", encode(value));
            }
        }
        self.call(Method::GET, &path, None::<&()>).await
    }

    /// Where one event went. `clues` are parameters of the route, such as `("source", "rsi-1")`.
    ///
    /// # Errors
    /// `EVENT_UNKNOWN`, saying where it was looked for.
    pub async fn trace(
        &self,
        id: &str,
        clues: &[(&str, &str)],
    ) -> Result<TraceDocument, ClientError> {
        let mut path = format!("/api/v1/events/{}/trace?limit=1000", encode(id));
        for (name, value) in clues {
            // Writing to a String cannot fail.
            let _infallible = write!(path, "&{name}={}", encode(value));
        }
        self.call(Method::GET, &path, None::<&()>).await
    }

    /// The text of any other route, e.g. `/readyz`.
    ///
    /// # Errors
    /// The problem of an answer that is not a success.
    pub async fn get(&self, path: &str) -> Result<Bytes, ClientError> {
        self.exchange(Method::GET, path, None).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, ClientError> {
        let unwritable = |error: serde_json::Error| ClientError::Protocol(error.to_string());
        let body = body.map(serde_json::to_vec).transpose().map_err(unwritable)?;
        read(&self.exchange(method, path, body.map(Bytes::from)).await?)
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Bytes, ClientError> {
        self.exchange_for(method, path, body, "application/json").await
    }

    /// As [`Self::exchange`], for an answer of a media type. A server that cannot have done anything is passed over.
    async fn exchange_for(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        accept: &'static str,
    ) -> Result<Bytes, ClientError> {
        let mut left = self.servers.urls().len();
        loop {
            let at = self.servers.asked();
            let asked = self.ask_one(method.clone(), path, body.clone(), accept).await;
            let Err(error) = asked else { return asked };
            self.servers.failed(at, &error);
            let did_nothing = matches!(error, ClientError::Unreachable { .. })
                || error.is(tidings_event::Code::NotReady);
            left -= 1;
            if !did_nothing || left == 0 {
                return Err(error);
            }
        }
    }

    async fn ask_one(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        accept: &'static str,
    ) -> Result<Bytes, ClientError> {
        let server = self.servers.url();
        let url = format!("{server}{path}");
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header("content-type", "application/json")
            .header("accept", accept)
            .body(Full::new(body.unwrap_or_default()))
            .map_err(|error| ClientError::Protocol(error.to_string()))?;
        let answer = self.http.request(request).await.map_err(|error| {
            let reason = chain(&error);
            if error.is_connect() {
                return ClientError::Unreachable { url: server.to_owned(), reason };
            }
            ClientError::Lost(reason)
        })?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX);
        let text = body.collect().await.map_err(|e| ClientError::Lost(e.to_string()))?.to_bytes();
        if status.is_success() { Ok(text) } else { Err(refusal(status, &text)) }
    }
}

fn refusal(status: StatusCode, text: &[u8]) -> ClientError {
    match serde_json::from_slice::<Problem>(text) {
        Ok(problem) if !problem.code.is_empty() => problem.into(),
        _ => {
            let shown: String = String::from_utf8_lossy(text).chars().take(200).collect();
            ClientError::Protocol(format!("{status}: {shown}"))
        }
    }
}

fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(text).map_err(|error| ClientError::Protocol(error.to_string()))
}

/// The path of a list's part: the first one, or the one that a cursor continues with.
fn part_path(list: &str, cursor: Option<&str>) -> String {
    let cursor = cursor.map(|cursor| format!("&cursor={}", encode(cursor)));
    format!("{list}?limit=1000{}", cursor.unwrap_or_default())
}

fn topic_path(name: &str) -> String {
    format!("/api/v1/topics/{}", encode(&name.replace('/', ":")))
}

fn subscription_path(name: &str, rest: &str) -> String {
    format!("/api/v1/subscriptions/{}{rest}", encode(name))
}

/// Percent-encodes what may not stand in a path segment or a query value.
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _infallible = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests;
