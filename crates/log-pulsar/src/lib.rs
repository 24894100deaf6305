//! The log on Apache Pulsar: the same promise, kept by a cluster of brokers.
//!
//! Each journal is a topic, each message a group of blocks, and one owner writes them. Whoever opens the log takes the
//! topics from the owner before, begins a hold with a message that says so, and reads what there is up to that message.
//! `docs/spec/pulsar-log.md` says what lies in the topics and why nothing is lost or doubled.
//!
//! The same link, secured in the same way, also writes topics that are not the log's: [`Outlets`].

mod admin;
mod append;
mod examine;
mod granted;
mod import;
mod index;
mod journal;
mod judge;
mod link;
mod log;
mod members;
mod message;
mod open;
mod options;
mod outlet;
mod patience;
mod rate;
mod read;
mod retention;
mod security;
mod topics;
mod writer;

pub use examine::{Observation, Standing, examine};
pub use import::{FinishError, Import};
pub use log::PulsarLog;
pub use members::{MembersError, MembersLook, MembersReader, MembersTopic, MembersWriter};
pub use options::{OpenError, OptionError, PulsarOptions};
pub use outlet::{
    Outlet, OutletError, OutletLink, OutletMessage, OutletOptions, OutletSchema, Outlets, Stored,
};
pub use security::{CredentialError, LinkFault, Secret, Security};
