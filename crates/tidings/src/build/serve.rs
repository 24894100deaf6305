//! The doors.

use tidings_serve::{Limits, Parts, Server};

use crate::config::Config;
use crate::failure::Failure;

pub(crate) fn limits(config: &Config) -> Limits {
    Limits {
        connections: config.limits.connections,
        batch_events: config.limits.batch_events,
        publish_credit: config.limits.publish_credit_bytes,
        ..Limits::default()
    }
}

pub(crate) async fn bind(config: &Config, parts: Parts) -> Result<Server, Failure> {
    Server::bind(config.addr, parts).await.map_err(Failure::failed)
}
