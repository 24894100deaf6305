//! Which settings of the link can be, and which files can be used.

use http::Uri;
use magnetar_runtime_tokio::{ParsedUrl, Scheme};

use super::{Credentials, Named, is_loopback};
use crate::options::{OptionError, PulsarOptions, shown};

/// Whether the log is written and read over TLS.
pub(crate) fn link_is_tls(options: &PulsarOptions) -> bool {
    ParsedUrl::parse(&options.url).is_ok_and(|url| url.scheme == Scheme::Tls)
}

/// Whether the admin interface is asked over TLS.
pub(crate) fn admin_is_tls(options: &PulsarOptions) -> bool {
    options.admin_url.parse::<Uri>().is_ok_and(|uri| uri.scheme_str() == Some("https"))
}

impl PulsarOptions {
    /// Whether each address may be sent a token: that of the log, that of the admin interface.
    fn are_private(&self) -> [bool; 2] {
        let link = ParsedUrl::parse(&self.url).is_ok_and(|url| is_loopback(&url.host));
        let admin = self.admin_url.parse::<Uri>();
        let admin = admin.is_ok_and(|uri| uri.host().is_some_and(is_loopback));
        [link || link_is_tls(self), admin || admin_is_tls(self)]
    }

    /// What of the link's security is wrong by itself, no file looked at.
    pub(crate) fn check_security(&self) -> Vec<OptionError> {
        let security = &self.security;
        let mut wrong = vec![];
        let mut refuse = |setting, value: String, rule: &'static str| {
            wrong.push(OptionError { setting, value, rule: rule.into() });
        };
        if security.named() == Named::ByToken {
            let [link, admin] = self.are_private();
            if !link {
                let rule = "the token would cross the network in the clear: it must begin with pulsar+ssl://";
                refuse("url", shown(&self.url), rule);
            }
            if !admin {
                let rule =
                    "the token would cross the network in the clear: it must begin with https://";
                refuse("admin_url", shown(&self.admin_url), rule);
            }
        }
        let named = |file: &std::path::Path| file.display().to_string();
        let is_tls = link_is_tls(self) || admin_is_tls(self);
        let no_tls = "it is of no use without TLS: let `url` begin with pulsar+ssl:// and `admin_url` with https://";
        for (setting, file, partner, alone) in [
            ("ca_file", &security.ca_file, &security.ca_file, ""),
            (
                "certificate_file",
                &security.certificate_file,
                &security.key_file,
                "a certificate needs its key: name it as `key_file`",
            ),
            (
                "key_file",
                &security.key_file,
                &security.certificate_file,
                "a key needs its certificate: name it as `certificate_file`",
            ),
        ] {
            let Some(file) = file else { continue };
            if partner.is_none() {
                refuse(setting, named(file), alone);
            } else if !is_tls {
                refuse(setting, named(file), no_tls);
            }
        }
        if let (Some(_), Some(file)) = (&security.token, &security.token_file) {
            let rule = "there is a token besides, from the environment: leave one of the two out";
            refuse("token_file", named(file), rule);
        }
        wrong
    }

    /// Reads the files of the link's security: those that cannot be used, with what is wrong.
    #[must_use]
    pub fn check_files(&self) -> Vec<OptionError> {
        let credentials = Credentials::new(&self.security);
        let needs_tls = link_is_tls(self) || admin_is_tls(self);
        let tls = if needs_tls { credentials.tls().map(drop) } else { Ok(()) };
        let found = [tls, credentials.token().map(drop)];
        let told = |error: super::CredentialError| OptionError {
            setting: error.setting(),
            value: self.security.named_by(error.setting()),
            rule: error.problem().into(),
        };
        found.into_iter().filter_map(Result::err).map(told).collect()
    }
}

impl super::Security {
    /// The file that a setting names.
    fn named_by(&self, setting: &str) -> String {
        let file = match setting {
            "ca_file" => &self.ca_file,
            "certificate_file" => &self.certificate_file,
            "key_file" => &self.key_file,
            "token_file" => &self.token_file,
            _ => return "***".to_owned(),
        };
        file.as_ref().map(|file| file.display().to_string()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{OptionError, PulsarOptions};
    use crate::security::{Secret, Security};

    fn secured(url: &str, admin_url: &str, security: Security) -> PulsarOptions {
        let (url, admin_url) = (url.to_owned(), admin_url.to_owned());
        PulsarOptions { url, admin_url, security, ..PulsarOptions::default() }
    }

    fn settings(wrong: &[OptionError]) -> Vec<&'static str> {
        wrong.iter().map(|error| error.setting).collect()
    }

    fn by_token() -> Security {
        Security { token: Some(Secret::from("abc".to_owned())), ..Security::default() }
    }

    #[test]
    fn a_token_goes_nowhere_in_the_clear() {
        let (plain, tls) = ("pulsar://broker:6650", "pulsar+ssl://broker:6651");
        let (http, https) = ("http://broker:8080", "https://broker:8443");
        let wrong = |url, admin_url| secured(url, admin_url, by_token()).check();
        assert_eq!(settings(&wrong(plain, http)), ["url", "admin_url"]);
        assert_eq!(settings(&wrong(tls, http)), ["admin_url"]);
        assert_eq!(settings(&wrong(plain, https)), ["url"]);
        assert_eq!(wrong(tls, https), []);
        assert_eq!(wrong("pulsar://127.0.0.1:6650", "http://localhost:8080"), []);
        assert_eq!(secured(plain, http, Security::default()).check(), []);
        assert!(wrong(plain, http)[0].to_string().contains("pulsar+ssl://"));
        let signed = wrong("pulsar://me:secret@broker:6650", "http://me:secret@broker:8080");
        assert!(!signed.iter().any(|error| error.to_string().contains("secret")), "{signed:?}");
    }

    #[test]
    fn what_belongs_together_comes_together() {
        let file = |name: &str| Some(PathBuf::from(name));
        let tls = |security| settings(&secured("pulsar+ssl://b", "https://b", security).check());
        let key = Security { key_file: file("key"), ..Security::default() };
        let certificate = Security { certificate_file: file("chain"), ..Security::default() };
        let both = Security { key_file: file("key"), ..certificate.clone() };
        assert_eq!(tls(key), ["key_file"]);
        assert_eq!(tls(certificate), ["certificate_file"]);
        assert_eq!(tls(both.clone()), <[&str; 0]>::default());
        let plain = secured("pulsar://b", "http://b", both).check();
        assert_eq!(settings(&plain), ["certificate_file", "key_file"]);
        let twice = Security { token_file: file("token"), ..by_token() };
        assert_eq!(tls(twice), ["token_file"]);
    }

    #[test]
    fn files_that_cannot_be_used_are_told_all_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let (missing, empty) = (dir.path().join("missing"), dir.path().join("empty"));
        std::fs::write(&empty, "").unwrap();
        let security = Security {
            ca_file: Some(missing.clone()),
            token_file: Some(empty),
            ..Security::default()
        };
        let wrong = secured("pulsar+ssl://b", "https://b", security).check_files();
        assert_eq!(settings(&wrong), ["ca_file", "token_file"]);
        assert_eq!(wrong[0].value, missing.display().to_string());
        assert!(
            wrong[0].rule.contains("No such file") && wrong[1].rule == "it is empty",
            "{wrong:?}"
        );
    }
}
