//! Desired state: topics, the templates that make them, and subscriptions.
//!
//! One [`Catalog`] owns the state. Changes are taken one at a time, written to the log's catalog
//! table, and shown to readers as an immutable [`Snapshot`] once they are durable; reading one
//! takes no lock. Every key is scoped to a tenant, every record carries its version.

mod beginning;
mod boundary;
mod catalog;
mod definitions;
mod error;
mod internal;
mod ledger;
mod past;
mod precondition;
mod progress;
mod records;
mod settings;
mod shelf;
mod snapshot;
mod starting;
mod subscription;
mod subscriptions;
mod template;
mod terms;
mod topic;
mod topics;
mod updates;

pub use beginning::{Beginning, Beginnings};
pub use boundary::Boundary;
pub use catalog::{Applied, Catalog};
pub use definitions::{Definition, DefinitionMap, NewDefinition};
pub use error::CatalogError;
pub use internal::InternalTopic;
pub use past::PastSubscription;
pub use precondition::{Precondition, Version};
pub use progress::Progress;
pub use settings::CatalogSettings;
pub use snapshot::Snapshot;
pub use subscription::{
    DeliveryKind, Mode, Revision, Start, Subscription, SubscriptionId, SubscriptionSpec,
};
pub use template::{Placeholder, Segment, Template};
pub use terms::{Batching, Compression, Folding, OnParkFull, Retry, Sharing};
pub use tidings_match::{Filter, TopicPattern};
pub use topic::{Durability, Topic, TopicRequest};
