//! Edge topics, on Pulsar.

use std::sync::Arc;

use futures::FutureExt;
use tidings_catalog::Catalog;
use tidings_deliver::Deliver;
use tidings_edge::{
    Cluster, Connection, Edges, EdgesParts, Message, Opening, Placed, Producer, ProducerError,
    Receipt, Schema,
};
use tidings_log::PartitionLog;
use tidings_log_pulsar::{
    Outlet, OutletError, OutletLink, OutletMessage, OutletOptions, OutletSchema, Outlets, Stored,
};

use super::Shared;
use crate::config::Config;
use crate::failure::Failure;

/// Starts the edges that are declared; none of them waits for its broker here.
pub(crate) fn open(
    config: &Config,
    (log, catalog): (&Arc<dyn PartitionLog>, &Arc<Catalog>),
    deliver: &Arc<Deliver>,
    shared: &Shared,
) -> Result<Edges, Failure> {
    let parts = EdgesParts {
        catalog: Arc::clone(catalog),
        deliver: Arc::clone(deliver),
        clock: Arc::clone(&shared.clock),
        recorder: Arc::clone(&shared.recorder),
        epoch: log.epoch(),
    };
    let mut edges = vec![];
    for edge in &config.edges {
        let outlets = Outlets::new(&edge.options).map_err(Failure::failed)?;
        let cluster: Arc<dyn Cluster> = Arc::new(OnPulsar(outlets));
        tracing::info!(edge = edge.settings.name, url = edge.options.url, "mirrors to Pulsar");
        edges.push((edge.settings.clone(), cluster));
    }
    Ok(Edges::open(&parts, edges))
}

struct OnPulsar(Outlets);

struct Link(OutletLink);

struct Writer(Outlet);

#[async_trait::async_trait]
impl Cluster for OnPulsar {
    async fn connect(&self) -> Result<Arc<dyn Connection>, ProducerError> {
        let link = self.0.connect().await.map_err(told)?;
        Ok(Arc::new(Link(link)))
    }

    async fn closed(&self) {
        self.0.closed().await;
    }
}

#[async_trait::async_trait]
impl Connection for Link {
    async fn open(&self, opening: Opening) -> Result<Box<dyn Producer>, ProducerError> {
        let Opening { topic, partition, name, first, schema } = opening;
        let schema = match schema {
            Schema::Json { record } => OutletSchema::Json { record },
            Schema::Protobuf { descriptors } => OutletSchema::Protobuf { descriptors },
        };
        let options = OutletOptions { topic, partition, name, first, schema };
        let outlet = self.0.open(options).await.map_err(told)?;
        Ok(Box::new(Writer(outlet)))
    }
}

impl Producer for Writer {
    fn next(&self) -> u64 {
        self.0.next()
    }

    fn send(&mut self, message: Message) -> Receipt {
        let Message { key, event_time, properties, payload } = message;
        let sent = self.0.send(OutletMessage { key, event_time, properties, payload });
        let placed = |stored| match stored {
            Stored::Now => Placed::New,
            Stored::Before => Placed::Repeat,
        };
        sent.map(move |answered| answered.map(placed).map_err(told)).boxed()
    }
}

fn told(error: OutletError) -> ProducerError {
    let text = error.to_string();
    match error {
        OutletError::Unreachable { .. } | OutletError::Link { .. } | OutletError::Credential(_) => {
            ProducerError::Connection(text)
        }
        OutletError::Topic { .. } => ProducerError::Topic(text),
        OutletError::Message { .. } => ProducerError::Message(text),
    }
}
