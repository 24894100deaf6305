//! Says to a broker who this is, at the start of a connection and whenever the broker asks again.

use std::sync::Arc;

use bytes::Bytes;
use magnetar_proto::{AuthError, AuthProvider};

use super::{Credentials, Named};

/// Reads the token whenever it is asked.
#[derive(Debug)]
struct Provider {
    credentials: Arc<Credentials>,
    method: &'static str,
}

/// Who says it; nobody where nothing was set.
pub(crate) fn provider(credentials: &Arc<Credentials>) -> Option<Arc<dyn AuthProvider>> {
    let method = match credentials.named() {
        Named::Not => return None,
        Named::ByCertificate => "tls",
        Named::ByToken => "token",
    };
    Some(Arc::new(Provider { credentials: Arc::clone(credentials), method }))
}

impl AuthProvider for Provider {
    fn method(&self) -> &str {
        self.method
    }

    fn initial(&self) -> Result<Bytes, AuthError> {
        let token = self.credentials.token().map_err(|error| AuthError::Io(error.to_string()))?;
        // A certificate was shown already.
        Ok(token
            .map_or_else(Bytes::new, |token| Bytes::copy_from_slice(token.exposed().as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Credentials, provider};
    use crate::security::Security;

    #[test]
    fn a_broker_that_asks_again_gets_the_token_of_now() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "first").unwrap();
        let security = Security { token_file: Some(file.clone()), ..Security::default() };
        let provider = provider(&Arc::new(Credentials::new(&security))).unwrap();
        assert_eq!((provider.method(), &provider.initial().unwrap()[..]), ("token", &b"first"[..]));
        std::fs::write(&file, "second").unwrap();
        assert_eq!(&provider.respond_to_challenge(b"PulsarAuthRefresh").unwrap()[..], b"second");
        std::fs::remove_file(&file).unwrap();
        assert!(provider.respond_to_challenge(b"PulsarAuthRefresh").is_err());
        assert!(!format!("{provider:?}").contains("second"));
    }

    #[test]
    fn a_certificate_says_it_without_a_word() {
        let files = Some("x.pem".into());
        let security =
            Security { certificate_file: files.clone(), key_file: files, ..Security::default() };
        let by_certificate = provider(&Arc::new(Credentials::new(&security))).unwrap();
        assert_eq!(by_certificate.method(), "tls");
        assert!(by_certificate.initial().unwrap().is_empty());
        assert!(provider(&Arc::new(Credentials::new(&Security::default()))).is_none());
    }
}
