//! What the files hold, as a connection needs it.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::{Named, Secret, Security};

/// No file of credentials is larger: what is may be anything.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Why a file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// It is not there, or not for this process.
    #[error("`{setting}`: cannot read {}: {reason}", .file.display())]
    Unreadable {
        /// Which setting names it.
        setting: &'static str,
        /// The file.
        file: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// It is readable, and of no use.
    #[error("`{setting}`: {} {problem}", .file.display())]
    Unusable {
        /// Which setting names it.
        setting: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The token that was given without a file.
    #[error("`token` holds what no token has: only letters, digits and signs of one line are sent")]
    Token,
    /// Nothing says whom to trust.
    #[error(
        "`ca_file`: this system has no certificates that could be trusted: name a file that has"
    )]
    NoRoots,
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
}

impl CredentialError {
    /// The setting that it is about.
    pub(crate) fn setting(&self) -> &'static str {
        match self {
            Self::Unreadable { setting, .. } | Self::Unusable { setting, .. } => setting,
            Self::Token => "token",
            Self::NoRoots | Self::Tls(_) => "ca_file",
        }
    }

    /// What is wrong with what it names.
    pub(crate) fn problem(&self) -> String {
        match self {
            Self::Unreadable { reason, .. } => format!("it cannot be read: {reason}"),
            Self::Unusable { problem, .. } => format!("it {problem}"),
            Self::Token => "it must be one line of letters, digits and signs".to_owned(),
            Self::NoRoots => {
                "this system has no certificates that could be trusted: name a file".to_owned()
            }
            Self::Tls(reason) => reason.clone(),
        }
    }
}

/// Reads what [`Security`] names.
pub(crate) struct Credentials {
    security: Security,
    /// What was made of the files, for as long as they say the same.
    made: Mutex<Option<(Files, Arc<ClientConfig>)>>,
    system: OnceLock<Result<Arc<RootCertStore>, CredentialError>>,
}

/// The bytes of the files that TLS takes.
#[derive(PartialEq, Eq)]
struct Files {
    ca: Option<Vec<u8>>,
    /// Certificate and key.
    own: Option<(Vec<u8>, Vec<u8>)>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("security", &self.security).finish_non_exhaustive()
    }
}

impl Credentials {
    pub(crate) fn new(security: &Security) -> Self {
        Self { security: security.clone(), made: Mutex::default(), system: OnceLock::new() }
    }

    pub(crate) fn named(&self) -> Named {
        self.security.named()
    }

    /// How TLS is spoken, by the files as they are now.
    pub(crate) fn tls(&self) -> Result<Arc<ClientConfig>, CredentialError> {
        let files = Files::read(&self.security)?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, config)) = &*made
            && *of == files
        {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.configured(&files)?);
        *made = Some((files, Arc::clone(&config)));
        Ok(config)
    }

    /// The token as it is now.
    pub(crate) fn token(&self) -> Result<Option<Secret>, CredentialError> {
        if let Some(token) = &self.security.token {
            let fits = is_token(token.exposed());
            return if fits { Ok(Some(token.clone())) } else { Err(CredentialError::Token) };
        }
        let Some(file) = &self.security.token_file else { return Ok(None) };
        let setting = "token_file";
        let unusable = |problem: &str| CredentialError::Unusable {
            setting,
            file: file.clone(),
            problem: problem.to_owned(),
        };
        let text = String::from_utf8(read(setting, file)?);
        let text = text.map_err(|_| unusable("is no text"))?;
        let token = text.trim();
        if token.is_empty() {
            return Err(unusable("is empty"));
        }
        let no_token = "holds more than a token: one line of letters, digits and signs";
        if is_token(token) {
            Ok(Some(Secret::from(token.to_owned())))
        } else {
            Err(unusable(no_token))
        }
    }

    fn configured(&self, files: &Files) -> Result<ClientConfig, CredentialError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| CredentialError::Tls(error.to_string()))?;
        let roots = match (&files.ca, &self.security.ca_file) {
            (Some(pem), Some(file)) => Arc::new(roots(file, pem)?),
            _ => self.system.get_or_init(system_roots).clone()?,
        };
        let builder = builder.with_root_certificates(roots);
        let (Some((chain, key)), Some(chain_file), Some(key_file)) =
            (&files.own, &self.security.certificate_file, &self.security.key_file)
        else {
            return Ok(builder.with_no_client_auth());
        };
        let chain = certificates("certificate_file", chain_file, chain)?;
        // What the parser says may quote the file.
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| unusable("key_file", key_file, "holds no private key in PEM"))?;
        builder.with_client_auth_cert(chain, key).map_err(|error| {
            let problem = format!("does not go with `certificate_file`: {error}");
            unusable("key_file", key_file, problem)
        })
    }
}

impl Files {
    fn read(security: &Security) -> Result<Self, CredentialError> {
        let filled = |setting, file: &Path| {
            let bytes = read(setting, file)?;
            let is_empty = bytes.trim_ascii().is_empty();
            if is_empty { Err(unusable(setting, file, "is empty")) } else { Ok(bytes) }
        };
        let ca = security.ca_file.as_deref().map(|file| filled("ca_file", file)).transpose()?;
        let own = match (&security.certificate_file, &security.key_file) {
            (Some(chain), Some(key)) => {
                Some((filled("certificate_file", chain)?, filled("key_file", key)?))
            }
            _ => None,
        };
        Ok(Self { ca, own })
    }
}

fn read(setting: &'static str, file: &Path) -> Result<Vec<u8>, CredentialError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = vec![];
        // A few kilobytes, by whoever is about to connect.
        std::fs::File::open(file)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let unreadable = |error: io::Error| CredentialError::Unreadable {
        setting,
        file: file.to_owned(),
        reason: error.to_string(),
    };
    read().map_err(unreadable)
}

fn unusable(setting: &'static str, file: &Path, problem: impl Into<String>) -> CredentialError {
    CredentialError::Unusable { setting, file: file.to_owned(), problem: problem.into() }
}

/// Whether a text may stand in a line of HTTP.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn certificates(
    setting: &'static str,
    file: &Path,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, CredentialError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|_| unusable(setting, file, "is damaged: it must be PEM"))?;
    if found.is_empty() {
        return Err(unusable(setting, file, "holds no certificate in PEM"));
    }
    Ok(found)
}

fn roots(file: &Path, pem: &[u8]) -> Result<RootCertStore, CredentialError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ca_file", file, pem)? {
        roots.add(certificate).map_err(|error| {
            unusable(
                "ca_file",
                file,
                format!("holds a certificate that cannot be one of a CA: {error}"),
            )
        })?;
    }
    Ok(roots)
}

fn system_roots() -> Result<Arc<RootCertStore>, CredentialError> {
    let mut roots = RootCertStore::empty();
    let (_added, _not_understood) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(CredentialError::NoRoots) } else { Ok(Arc::new(roots)) }
}

#[cfg(test)]
mod tests;
