//! The broker's admin interface: makes the namespace and the topics exist, with what keeps them.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tidings_event::Timestamp;
use tidings_log::Journal;
use tidings_telemetry::Timer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::options::{OpenError, PulsarOptions};
use crate::patience::Patience;
use crate::security::{CredentialError, Credentials, LinkFault, Secret, admin_is_tls, handshake};

/// No answer has more bytes that is of use here.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Of a refusal; a page of a proxy may be long.
const SAID_CHARS_MAX: usize = 500;
/// Where it listens when the address does not say.
const PORT: u16 = 8080;
/// The same, with TLS.
const TLS_PORT: u16 = 8443;

/// One admin interface.
pub(crate) struct Admin<'a> {
    pub(crate) options: &'a PulsarOptions,
    credentials: Credentials,
}

/// Why a request has no answer.
type Unanswered = Box<dyn std::error::Error + Send + Sync>;

/// What it said, and when it is there.
pub(crate) struct Answer {
    pub(crate) body: Bytes,
    pub(crate) date: Option<Timestamp>,
}

impl Answer {
    /// `null` for an answer without a body, or one that is no JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// The names of the journals' topics.
pub(crate) fn topics() -> impl Iterator<Item = &'static str> {
    Journal::TOPICS.into_iter().chain([Journal::State]).map(Journal::name)
}

/// The policies of the namespace: what is stored is kept until this engine lets go of it.
fn policies() -> [(&'static str, Value); 5] {
    [
        ("retention", json!({ "retentionTimeInMinutes": -1, "retentionSizeInMB": -1 })),
        // The broker's own memory of producers loses what a producer that starts again sends.
        ("deduplication", json!(false)),
        (
            "inactiveTopicPolicies",
            json!({
                "inactiveTopicDeleteMode": "delete_when_no_subscriptions",
                "maxInactiveDurationSeconds": 86_400,
                "deleteWhileInactive": false,
            }),
        ),
        // A topic that somebody removed must be missed, and not come back empty.
        ("autoTopicCreation", json!({ "allowAutoTopicCreation": false })),
        // A subscription of somebody else that falls behind must not stop the log.
        ("backlogQuota", json!({ "limitSize": -1, "policy": "producer_request_hold" })),
    ]
}

impl<'a> Admin<'a> {
    pub(crate) fn new(options: &'a PulsarOptions) -> Self {
        Self { options, credentials: Credentials::new(&options.security) }
    }

    /// The path of the namespace.
    pub(crate) fn namespace(&self) -> String {
        format!("namespaces/{}/{}", self.options.tenant, self.options.namespace)
    }

    /// The path of a journal's topic.
    pub(crate) fn topic(&self, topic: &str) -> String {
        format!("persistent/{}/{}/{topic}", self.options.tenant, self.options.namespace)
    }

    /// As [`Self::prepare`], and puts up with a broker that is not there yet.
    pub(crate) async fn prepare_patiently(&self) -> Result<(), OpenError> {
        let mut patience = Patience::of(self.options.start_max);
        while let Err(error) = self.prepare().await {
            wait_out(&mut patience, error).await?;
        }
        Ok(())
    }

    /// Makes tenant, namespace and topics exist; what is there already is left as it is, but for the policies.
    async fn prepare(&self) -> Result<(), OpenError> {
        self.prepare_namespace(policies()).await?;
        for topic in topics() {
            self.make(&format!("{}/partitions", self.topic(topic)), json!(1)).await?;
        }
        Ok(())
    }

    /// Makes tenant and namespace exist, with these policies.
    pub(crate) async fn prepare_namespace(
        &self,
        policies: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<(), OpenError> {
        let clusters = self.ask(Method::GET, "clusters", None).await?.json();
        let tenant_body = json!({ "allowedClusters": clusters, "adminRoles": [] });
        let tenant = self.make(&format!("tenants/{}", self.options.tenant), tenant_body).await;
        let unmade = match tenant {
            Ok(()) => None,
            // Who may not make tenants may still administer this one, as what follows will show.
            Err(error @ OpenError::Link { fault: LinkFault::NotAuthorised(_), .. }) => Some(error),
            Err(error) => return Err(error),
        };
        let namespace = self.namespace();
        self.make(&namespace, json!({})).await.map_err(|error| match (error, unmade) {
            // There is no tenant, and it was not to be made.
            (OpenError::Refused { status: 404, .. }, Some(unmade)) => unmade,
            (error, _) => error,
        })?;
        for (policy, body) in policies {
            self.ask(Method::POST, &format!("{namespace}/{policy}"), Some(body)).await?;
        }
        Ok(())
    }

    /// Makes something that may be there.
    pub(crate) async fn make(&self, path: &str, body: Value) -> Result<(), OpenError> {
        let Err(refused) = self.ask(Method::PUT, path, Some(body)).await else { return Ok(()) };
        let is_there = matches!(refused, OpenError::Refused { status: 409, .. })
            // Of two who make it at once, one is told that the server failed.
            || self.ask(Method::GET, path, None).await.is_ok();
        if is_there { Ok(()) } else { Err(refused) }
    }

    /// What is there of this path; `null` where there is nothing.
    pub(crate) async fn find(&self, path: &str) -> Result<Value, OpenError> {
        match self.ask(Method::GET, path, None).await {
            Ok(answer) => Ok(answer.json()),
            // What a broker does not have, or does not know of.
            Err(OpenError::Refused { status: 404 | 405 | 412, .. }) => Ok(Value::Null),
            Err(error) => Err(error),
        }
    }

    /// Sends one request.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Answer, OpenError> {
        let request = format!("{method} {path}");
        let token = self.credentials.token()?;
        let sending = self.send(method, path, body, token.as_ref());
        let sent = Timer.limit(self.options.answer_max, sending).await;
        let (status, answer) = sent
            .map_err(|_| self.unreachable("no answer in time".into()))?
            .map_err(|error| self.unreachable(error))?;
        if status.is_success() {
            return Ok(answer);
        }
        let said = String::from_utf8_lossy(&answer.body);
        // Whoever stands between may say what it was sent.
        let said = token.map_or_else(|| said.to_string(), |token| token.kept_from(&said));
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(self.barred(&request, status, &said));
        }
        Err(OpenError::Refused { request, status: status.as_u16(), answer: beginning(&said) })
    }

    /// Who is not let in is told so before anything is looked at; who is and may not do something gets a reason.
    fn barred(&self, request: &str, status: StatusCode, said: &str) -> OpenError {
        let told: Value = serde_json::from_str(said).unwrap_or_default();
        let reason = told["reason"].as_str();
        let fault = if status == StatusCode::FORBIDDEN || reason.is_some() {
            let reason = beginning(reason.unwrap_or(said));
            LinkFault::NotAuthorised(format!("{request}: {reason}"))
        } else {
            LinkFault::not_let_in(self.credentials.named())
        };
        OpenError::Link { url: self.options.admin_url.clone(), fault }
    }

    fn unreachable(&self, error: Unanswered) -> OpenError {
        let url = self.options.admin_url.clone();
        let error = match error.downcast::<CredentialError>() {
            Ok(error) => return OpenError::Credential(*error),
            Err(error) => error,
        };
        match LinkFault::of_transport(&*error) {
            Some(fault) => OpenError::Link { url, fault },
            None => OpenError::Unreachable { url, reason: error.to_string() },
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        token: Option<&Secret>,
    ) -> Result<(StatusCode, Answer), Unanswered> {
        let url: Uri = self.options.admin_url.parse()?;
        let is_tls = admin_is_tls(self.options);
        let host = url.host().ok_or("the address names no host")?;
        let by_default = if is_tls { TLS_PORT } else { PORT };
        let authority = format!("{host}:{}", url.port_u16().unwrap_or(by_default));
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/admin/v2/{path}"))
            .header(header::HOST, &authority)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = token {
            let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.exposed()))?;
            bearer.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, bearer);
        }
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        let request = request.body(Full::new(body))?;
        let tls = if is_tls { Some(self.credentials.tls()?) } else { None };
        let stream = TcpStream::connect(&authority).await?;
        let Some(tls) = tls else {
            // A name may mean anything.
            let is_here = stream.peer_addr()?.ip().to_canonical().is_loopback();
            if token.is_some() && !is_here {
                return Err("it would be sent the token without TLS".into());
            }
            return exchange(stream, request).await;
        };
        exchange(handshake(tls, host, stream).await?, request).await
    }
}

/// Waits until what failed may be tried again: the broker is not there yet, or has to see to somebody else.
pub(crate) async fn wait_out(patience: &mut Patience, error: OpenError) -> Result<(), OpenError> {
    let may_pass = match &error {
        OpenError::Unreachable { .. } => true,
        // Of two who change it at once, one is told of the conflict.
        OpenError::Refused { status, .. } => *status >= 500 || *status == 409,
        OpenError::Link { fault, .. } => fault.may_pass(),
        _ => false,
    };
    if !may_pass || !patience.is_left().await {
        return Err(error);
    }
    tracing::warn!(%error, "waits for Pulsar");
    Ok(())
}

/// Sends one request by a connection of its own.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Answer), Unanswered> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with this request.
    let mut driving = JoinSet::new();
    driving.spawn(connection);
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let date = answer.headers().get(header::DATE).and_then(|date| date.to_str().ok());
    let date = date.and_then(timestamp);
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await?.to_bytes();
    Ok((status, Answer { body, date }))
}

/// As much of a refusal as is told.
fn beginning(said: &str) -> String {
    said.chars().take(SAID_CHARS_MAX).collect()
}

/// A time as HTTP writes it.
fn timestamp(text: &str) -> Option<Timestamp> {
    let time = httpdate::parse_http_date(text).ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).ok().map(Timestamp)
}

#[cfg(test)]
mod tests;
