//! The broker's admin interface: makes the namespace and the topics exist, with what keeps them.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tidings_telemetry::Timer;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::options::{OpenError, PulsarOptions};

const ANSWER: Duration = Duration::from_secs(30);

/// One admin interface.
pub(crate) struct Admin<'a> {
    options: &'a PulsarOptions,
}

impl<'a> Admin<'a> {
    pub(crate) fn new(options: &'a PulsarOptions) -> Self {
        Self { options }
    }

    /// Makes tenant, namespace and topics exist; what is there already is left as it is, but for the policies.
    ///
    /// Nothing is removed by the broker: a message is kept until this engine lets go of it.
    pub(crate) async fn prepare(&self, topics: &[&str]) -> Result<(), OpenError> {
        let PulsarOptions { tenant, namespace, .. } = self.options;
        let clusters = self.ask(Method::GET, "clusters", None).await?;
        let tenant_body = json!({ "allowedClusters": clusters, "adminRoles": [] });
        self.make(&format!("tenants/{tenant}"), tenant_body).await?;
        let names = format!("namespaces/{tenant}/{namespace}");
        self.make(&names, json!({})).await?;
        let policies = [
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
        ];
        for (policy, body) in policies {
            self.ask(Method::POST, &format!("{names}/{policy}"), Some(body)).await?;
        }
        for topic in topics {
            let path = format!("persistent/{tenant}/{namespace}/{topic}/partitions");
            self.make(&path, json!(1)).await?;
        }
        Ok(())
    }

    /// Makes something that may be there.
    async fn make(&self, path: &str, body: Value) -> Result<(), OpenError> {
        let Err(refused) = self.ask(Method::PUT, path, Some(body)).await else { return Ok(()) };
        let is_there = matches!(refused, OpenError::Refused { status: 409, .. })
            // Of two who make it at once, one is told that the server failed.
            || self.ask(Method::GET, path, None).await.is_ok();
        if is_there { Ok(()) } else { Err(refused) }
    }

    /// Sends one request; `null` for an answer without a body.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, OpenError> {
        let request = format!("{method} {path}");
        let sent = Timer.limit(ANSWER, self.send(method, path, body)).await;
        let (status, answer) = sent
            .map_err(|_| self.unreachable("no answer in time"))?
            .map_err(|error| self.unreachable(error))?;
        if !status.is_success() {
            let answer = String::from_utf8_lossy(&answer).into_owned();
            return Err(OpenError::Refused { request, status: status.as_u16(), answer });
        }
        Ok(serde_json::from_slice(&answer).unwrap_or(Value::Null))
    }

    fn unreachable(&self, reason: impl ToString) -> OpenError {
        OpenError::Unreachable { url: self.options.admin_url.clone(), reason: reason.to_string() }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let url: Uri = self.options.admin_url.parse()?;
        let host = url.host().ok_or("the address names no host")?;
        let authority = format!("{host}:{}", url.port_u16().unwrap_or(8080));
        let stream = TcpStream::connect(&authority).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::builder()
            .method(method)
            .uri(format!("/admin/v2/{path}"))
            .header(header::HOST, &authority)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body.map_or_else(Bytes::new, |body| body.to_string().into())))?;
        // Ends with this request.
        let mut driving = JoinSet::new();
        driving.spawn(connection);
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }
}
