//! Files are read when they are needed, and what is wrong with one is said with its setting.

use std::path::PathBuf;

use super::{CredentialError, Credentials};
use crate::security::{Secret, Security};

fn written(dir: &tempfile::TempDir, text: &str) -> PathBuf {
    let file = dir.path().join("file");
    std::fs::write(&file, text).unwrap();
    file
}

fn with_token(file: PathBuf) -> Credentials {
    Credentials::new(&Security { token_file: Some(file), ..Security::default() })
}

#[test]
fn a_token_that_was_replaced_is_the_one_that_counts() {
    let dir = tempfile::tempdir().unwrap();
    let credentials = with_token(written(&dir, "first.one\n"));
    let token = || credentials.token().unwrap().unwrap().exposed().to_owned();
    assert_eq!(token(), "first.one");
    written(&dir, "second.one\r\n");
    assert_eq!(token(), "second.one");
    std::fs::remove_file(dir.path().join("file")).unwrap();
    assert!(matches!(credentials.token(), Err(CredentialError::Unreadable { .. })));
}

#[test]
fn what_is_no_token_is_refused_and_not_told() {
    let dir = tempfile::tempdir().unwrap();
    for (text, says) in
        [("", "is empty"), (" \n\n", "is empty"), ("se cret", "holds more"), ("sé", "holds")]
    {
        let error = with_token(written(&dir, text)).token().unwrap_err();
        assert_eq!(error.setting(), "token_file");
        assert!(error.to_string().contains(says), "{error}");
        assert!(!error.to_string().contains("cret"), "{error}");
    }
    for text in ["", "two\nlines", "a b"] {
        let token = Some(Secret::from(text.to_owned()));
        let given = Credentials::new(&Security { token, ..Security::default() });
        assert_eq!(given.token().unwrap_err(), CredentialError::Token);
    }
}

#[test]
fn certificates_that_are_none_are_told_with_their_setting() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let key = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
    let damaged = "-----BEGIN CERTIFICATE-----\nsecret*\n-----END CERTIFICATE-----\n";
    let with_ca = |file| Security { ca_file: Some(file), ..Security::default() };
    let own = |certificate, key| Security {
        certificate_file: Some(certificate),
        key_file: Some(key),
        ..Security::default()
    };
    let refused = |security: Security| Credentials::new(&security).tls().unwrap_err();
    let error = refused(with_ca(missing.clone()));
    assert!(matches!(error, CredentialError::Unreadable { setting: "ca_file", .. }), "{error}");
    for (text, says) in [("\n", "is empty"), (key, "holds no certificate"), (damaged, "damaged")] {
        let error = refused(with_ca(written(&dir, text)));
        assert_eq!(error.setting(), "ca_file");
        assert!(error.to_string().contains(says), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let error = refused(own(written(&dir, key), missing));
    assert_eq!(error.setting(), "key_file");
}
