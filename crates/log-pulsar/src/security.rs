//! How the link to the brokers is secured: what can be set, and what a connection takes of it.
//!
//! The binary protocol and the admin interface use the same credentials. Files are read again for every connection, so
//! that one that was replaced counts from the next connection on; a token also counts when the broker asks for a new one.

mod credentials;
mod fault;
mod handshake;
mod host;
mod look;
mod provider;
mod resolver;
mod rules;
mod secret;

use std::path::PathBuf;

pub use credentials::CredentialError;
pub(crate) use credentials::Credentials;
pub use fault::LinkFault;
pub(crate) use fault::Named;
pub(crate) use handshake::handshake;
pub(crate) use host::is_loopback;
pub(crate) use look::look;
pub(crate) use provider::provider;
pub(crate) use resolver::Guard;
pub(crate) use rules::{admin_is_tls, link_is_tls};
pub use secret::Secret;

/// How the link is secured; by default not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// Certificates in PEM that a broker's must come from; those of the system for `None`.
    pub ca_file: Option<PathBuf>,
    /// The certificate chain in PEM that this side shows.
    pub certificate_file: Option<PathBuf>,
    /// Its key, in PEM.
    pub key_file: Option<PathBuf>,
    /// Where the token is that says who this is.
    pub token_file: Option<PathBuf>,
    /// The token itself; it cannot be replaced.
    pub token: Option<Secret>,
}

impl Security {
    /// What says to a broker who this is.
    pub(crate) fn named(&self) -> Named {
        if self.token.is_some() || self.token_file.is_some() {
            Named::ByToken
        } else if self.certificate_file.is_some() {
            Named::ByCertificate
        } else {
            Named::Not
        }
    }
}
