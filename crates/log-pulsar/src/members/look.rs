//! The members' topic for who is no member: it is read as it is, and nothing is made or written.

use std::sync::Arc;

use crate::admin::Admin;
use crate::examine::Observation;
use crate::link::Broker;
use crate::options::{OpenError, PulsarOptions};

use super::{MembersReader, TOPIC, beside, extent, observed_retention};

/// What there is of it.
#[derive(Debug)]
pub struct MembersLook {
    /// What all nodes say, from an hour back.
    pub reader: MembersReader,
    /// Whether nothing was there before what is read.
    pub reads_all: bool,
    /// How long it is kept, and whether that is enough.
    pub retention: Observation,
}

impl MembersLook {
    /// Finds it beside a log; nothing where no node was ever started.
    ///
    /// # Errors
    /// The broker cannot be reached, or does not tell.
    pub async fn find(log: &PulsarOptions) -> Result<Option<Self>, OpenError> {
        let options = beside(log);
        let admin = Admin::new(&options);
        let partitions = admin.find(&format!("{}/partitions", admin.topic(TOPIC))).await?;
        if partitions["partitions"].as_u64().unwrap_or(0) == 0 {
            return Ok(None);
        }
        let retention = observed_retention(&admin).await?;
        let extent = extent(&admin).await?;
        let broker = Arc::new(Broker::new(&options)?);
        let reader = MembersReader::at(&broker, &options, extent);
        Ok(Some(Self { reader, reads_all: extent.reads_all(), retention }))
    }
}
