//! Edge topics: events mirrored to topics of another system, one event a message, for consumers that speak only that.
//!
//! An edge is a durable subscription whose consumer lives in the service: cursor, order, retries, dead letters, gaps,
//! pause and settlements are those of any subscription. An event is acknowledged when the other system says that its
//! message is safe, and not before. What the other system is, this crate does not know: it drives a [`Cluster`].

mod cluster;
mod edge;
mod lane;
mod message;
mod pump;
mod schema;
mod settings;
mod subscription;
mod target;

pub use cluster::{
    Cluster, Connection, Message, Opening, Placed, Producer, ProducerError, Receipt, Schema,
};
pub use edge::{Edges, EdgesParts};
pub use settings::{EdgeSettings, Form};
pub use target::{Target, TargetError};
