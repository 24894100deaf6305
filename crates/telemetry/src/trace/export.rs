//! Sending spans to the collector.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_otlp::{SpanExporter as Otlp, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::sync::mpsc;

use super::Traces;
use crate::names::Counter;
use crate::recorder::Recorder;

/// Spans that wait for the collector.
const QUEUE: usize = 4_096;
/// Most spans of one message.
const BATCH: usize = 512;
/// How long a collector may take for one.
const LIMIT: Duration = Duration::from_secs(5);

/// Where spans go, and how many requests begin a trace.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// `http://host:4317` of an OTLP collector (gRPC); empty turns traces off.
    pub endpoint: String,
    /// Share of the requests without a trace of their own that begin one, 0 to 1.
    pub sample_ratio: f64,
}

/// Why spans cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("traces cannot be sent to `{endpoint}`: {reason}")]
pub struct TracesError {
    endpoint: String,
    reason: String,
}

/// The task that sends.
#[derive(Debug)]
pub struct TraceExport {
    queue: mpsc::Receiver<SpanData>,
    exporter: Otlp,
}

impl Traces {
    /// Traces as configured, and the task that sends them, to be run by whoever owns tasks. Must
    /// be called where tokio runs; the collector need not be there yet.
    ///
    /// # Errors
    /// When the endpoint is none.
    pub fn start(settings: &TraceSettings) -> Result<(Self, Option<TraceExport>), TracesError> {
        if settings.endpoint.is_empty() {
            return Ok((Self::default(), None));
        }
        let built = Otlp::builder()
            .with_tonic()
            .with_endpoint(&settings.endpoint)
            .with_timeout(LIMIT)
            .build();
        let mut exporter = built.map_err(|error| TracesError {
            endpoint: settings.endpoint.clone(),
            reason: error.to_string(),
        })?;
        exporter.set_resource(&Resource::builder_empty().with_service_name("tidings").build());
        let (sender, queue) = mpsc::channel(QUEUE);
        let traces = Self { queue: Some(sender), ratio: settings.sample_ratio };
        Ok((traces, Some(TraceExport { queue, exporter })))
    }
}

impl TraceExport {
    /// Sends what is handed over, until nobody can hand over any more.
    pub async fn run(mut self, recorder: Arc<Recorder>) {
        let mut batch = Vec::new();
        while self.queue.recv_many(&mut batch, BATCH).await > 0 {
            let spans = batch.len() as u64;
            match self.exporter.export(std::mem::take(&mut batch)).await {
                Ok(()) => recorder.count(Counter::TraceSpans, spans),
                Err(error) => {
                    recorder.count(Counter::TraceDropped, spans);
                    tracing::debug!(%error, "spans could not be sent");
                }
            }
        }
    }
}
