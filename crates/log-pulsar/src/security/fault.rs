//! Why a broker that is there cannot be used, where that can be told.

use std::error::Error;
use std::io;

use magnetar_proto::pb::ServerError;
use magnetar_runtime_tokio::ClientError;
use rustls::{AlertDescription, CertificateError, Error as TlsError};

/// What says to a broker who this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Not,
    ByCertificate,
    ByToken,
}

/// What keeps a connection to a broker that is there from being used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkFault {
    /// Nobody who is trusted says who it is.
    #[error("its certificate is not trusted ({0})")]
    Untrusted(String),
    /// It is somebody else.
    #[error("its certificate is for another name ({0})")]
    WrongName(String),
    /// Its certificate is over, or yet to come.
    #[error("its certificate does not hold now ({0})")]
    Outdated(String),
    /// What listens there speaks something else.
    #[error("what listens there speaks no TLS, or ended it at once")]
    NoTls,
    /// The certificate of this side.
    #[error("it does not take this side's certificate ({0})")]
    CertificateRefused(String),
    /// Expired, damaged, or signed by somebody else.
    #[error("it refused the token")]
    TokenRefused,
    /// It wants to know who this is.
    #[error("it lets nobody in who does not say who it is")]
    Anonymous,
    /// It knows who this is.
    #[error("not authorised: {0}")]
    NotAuthorised(String),
}

impl LinkFault {
    /// What to do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Untrusted(_) => {
                "name the file of the CA that signed it as `ca_file`; if it should be known, find out who answers there"
            }
            Self::WrongName(_) => {
                "call the broker by a name that its certificate has, or give it one that has this name"
            }
            Self::Outdated(_) => "renew it, and look at the clocks of both machines",
            Self::NoTls => {
                "name the port that speaks TLS (6651, and 8443 for the admin interface, where nothing else was said)"
            }
            Self::CertificateRefused(_) => {
                "let `certificate_file` hold one that the broker's `tlsTrustCertsFilePath` signed, with its chain"
            }
            Self::TokenRefused => {
                "put a token into `token_file` that is signed with the broker's key and not expired"
            }
            Self::Anonymous => "name a `token_file`, or a `certificate_file` with its `key_file`",
            Self::NotAuthorised(_) => {
                "make the role of the token or certificate an admin of the tenant: `pulsar-admin tenants`"
            }
        }
    }

    /// Whether it may pass by itself, as while what listens there is starting.
    pub(crate) fn may_pass(&self) -> bool {
        *self == Self::NoTls
    }

    /// What one of somebody who was not let in is.
    pub(crate) fn not_let_in(named: Named) -> Self {
        match named {
            Named::Not => Self::Anonymous,
            Named::ByToken => Self::TokenRefused,
            Named::ByCertificate => {
                Self::CertificateRefused("it says nobody who is known".to_owned())
            }
        }
    }

    /// In an error of a transport, or in what brought it about.
    pub(crate) fn of_transport(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(fault) = error.downcast_ref::<Self>() {
                return Some(fault.clone());
            }
            if let Some(error) = error.downcast_ref::<TlsError>() {
                return Self::of_tls(error);
            }
            // What an I/O error was made of is not its source.
            let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            next = inner.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source());
        }
        None
    }

    fn of_tls(error: &TlsError) -> Option<Self> {
        use CertificateError as Bad;
        let told = error.to_string();
        Some(match error {
            TlsError::InvalidCertificate(
                Bad::NotValidForName | Bad::NotValidForNameContext { .. },
            )
            | TlsError::AlertReceived(AlertDescription::UnrecognisedName) => Self::WrongName(told),
            TlsError::InvalidCertificate(
                Bad::Expired
                | Bad::ExpiredContext { .. }
                | Bad::NotValidYet
                | Bad::NotValidYetContext { .. },
            ) => Self::Outdated(told),
            TlsError::InvalidCertificate(_) => Self::Untrusted(told),
            TlsError::InvalidMessage(_) => Self::NoTls,
            TlsError::AlertReceived(
                AlertDescription::NoCertificate
                | AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied
                | AlertDescription::CertificateRequired,
            ) => Self::CertificateRefused(told),
            _ => return None,
        })
    }

    /// In an error of the client. What the broker says of a token is left out: it is the broker's to choose.
    pub(crate) fn of_client(error: &ClientError, named: Named) -> Option<Self> {
        match error {
            ClientError::Broker { code, .. } | ClientError::SendRejected { code, .. } => {
                match ServerError::try_from(*code) {
                    Ok(ServerError::AuthenticationError) => Some(Self::not_let_in(named)),
                    Ok(ServerError::AuthorizationError) => Some(Self::may_not()),
                    _ => None,
                }
            }
            // Why a connection ended is a text: of the pinned release.
            ClientError::Other(text) if text.contains("server_error=AuthenticationError") => {
                Some(Self::not_let_in(named))
            }
            ClientError::Other(text) if text.contains("server_error=AuthorizationError") => {
                Some(Self::may_not())
            }
            ClientError::Other(text) if text.contains("received fatal alert") => {
                Some(Self::CertificateRefused(text.clone()))
            }
            error => Self::of_transport(error),
        }
    }

    fn may_not() -> Self {
        Self::NotAuthorised("this role may not write and read the topics of the log".to_owned())
    }
}

#[cfg(test)]
mod tests;
