//! Which settings can be, told before anything is asked of a broker.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::time::Duration;

use http::Uri;
use magnetar_runtime_tokio::ParsedUrl;

use super::PulsarOptions;

const NAME_BYTES_MAX: usize = 100;
const GROUP_BYTES: RangeInclusive<usize> = 4 << 10..=1 << 20;
const WINDOW: RangeInclusive<usize> = 1..=1024;
const SECONDS: RangeInclusive<u64> = 1..=3600;

/// A setting that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting} is `{value}`: {rule}")]
pub struct OptionError {
    /// Its name.
    pub setting: &'static str,
    /// What it was; stars where that may be a secret.
    pub value: String,
    /// What it has to be.
    pub rule: Cow<'static, str>,
}

impl PulsarOptions {
    /// Everything that is wrong, in the order of the settings.
    #[must_use]
    pub fn check(&self) -> Vec<OptionError> {
        let mut wrong = vec![];
        let mut refuse = |setting, value: &dyn ToString, rule: Option<&'static str>| {
            let error = |rule: &'static str| OptionError {
                setting,
                value: value.to_string(),
                rule: rule.into(),
            };
            wrong.extend(rule.map(error));
        };
        refuse("url", &shown(&self.url), url(&self.url));
        refuse("admin_url", &shown(&self.admin_url), admin_url(&self.admin_url));
        refuse("tenant", &self.tenant, name(&self.tenant));
        let is_everybodys = (self.tenant.as_str(), self.namespace.as_str())
            == ("public", "default")
            || self.tenant == "pulsar";
        let shared = "the log sets the policies of its namespace: name one that is nobody else's";
        let namespace = name(&self.namespace).or(is_everybodys.then_some(shared));
        refuse("namespace", &self.namespace, namespace);
        for (setting, time) in [
            ("start_max", self.start_max),
            ("answer_max", self.answer_max),
            ("close_max", self.close_max),
        ] {
            refuse(setting, &time.as_secs(), seconds(time));
        }
        let rule = "it must be 4096 to 1048576";
        let group = (!GROUP_BYTES.contains(&self.group_bytes)).then_some(rule);
        refuse("group_bytes", &self.group_bytes, group);
        let window = (!WINDOW.contains(&self.window)).then_some("it must be 1 to 1024");
        refuse("window", &self.window, window);
        wrong.extend(self.check_security());
        wrong
    }
}

/// An address without what may be a password.
pub(crate) fn shown(url: &str) -> String {
    if url.contains('@') { "***".to_owned() } else { url.to_owned() }
}

fn url(text: &str) -> Option<&'static str> {
    if text.contains('@') {
        return Some("it must hold no name or password");
    }
    let parsed = ParsedUrl::parse(text).is_ok_and(|url| !url.host.is_empty());
    (!parsed)
        .then_some("it must be an address such as pulsar://host:6650 or pulsar+ssl://host:6651")
}

fn admin_url(text: &str) -> Option<&'static str> {
    if text.contains('@') {
        return Some("it must hold no name or password");
    }
    let rule = "it must be an address such as http://host:8080 or https://host:8443";
    let Ok(uri) = text.parse::<Uri>() else { return Some(rule) };
    match uri.scheme_str() {
        Some("http" | "https") if matches!(uri.path(), "" | "/") && uri.query().is_none() => None,
        _ => Some(rule),
    }
}

fn name(text: &str) -> Option<&'static str> {
    let may_be = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let fits = starts_well && text.len() <= NAME_BYTES_MAX && text.bytes().all(may_be);
    (!fits)
        .then_some("it must be 1 to 100 letters, digits, `-`, `_` or `.`, a letter or digit first")
}

fn seconds(time: Duration) -> Option<&'static str> {
    (!SECONDS.contains(&time.as_secs())).then_some("it must be 1 to 3600")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::PulsarOptions;

    #[test]
    fn what_is_wrong_is_told_all_at_once() {
        assert_eq!(PulsarOptions::default().check(), []);
        let options = PulsarOptions {
            url: "kafka://broker:6651".to_owned(),
            admin_url: "ftp://broker:8443".to_owned(),
            tenant: "a/b".to_owned(),
            namespace: String::new(),
            start_max: Duration::ZERO,
            group_bytes: 1,
            window: 0,
            ..PulsarOptions::default()
        };
        let wrong = options.check();
        let settings: Vec<_> = wrong.iter().map(|error| error.setting).collect();
        let all = ["url", "admin_url", "tenant", "namespace", "start_max", "group_bytes", "window"];
        assert_eq!(settings, all);
        let shown = ["pulsar+ssl://", "https://"].into_iter().zip(&wrong);
        assert!(shown.into_iter().all(|(form, error)| error.rule.contains(form)), "{wrong:?}");
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_told() {
        let options = PulsarOptions {
            url: "pulsar://me:secret@broker:6650".to_owned(),
            admin_url: "http://me:secret@broker:8080".to_owned(),
            ..PulsarOptions::default()
        };
        let wrong = options.check();
        assert_eq!(wrong.len(), 2);
        assert!(wrong.iter().all(|error| !error.to_string().contains("secret")), "{wrong:?}");
    }

    #[test]
    fn addresses_and_namespaces_are_held_to_their_form() {
        let refused = |options: PulsarOptions| options.check().first().map(|error| error.setting);
        let by_default = PulsarOptions::default;
        for url in ["", "broker:6650", "http://broker:8080", "pulsar://", "pulsar:///x"] {
            assert_eq!(refused(PulsarOptions { url: url.into(), ..by_default() }), Some("url"));
        }
        for url in ["", "broker", "pulsar://broker", "http://broker/admin/v2", "http://"] {
            let options = PulsarOptions { admin_url: url.into(), ..by_default() };
            assert_eq!(refused(options), Some("admin_url"), "{url}");
        }
        for (tenant, namespace) in [("public", "default"), ("pulsar", "x")] {
            let (tenant, namespace) = (tenant.to_owned(), namespace.to_owned());
            let options = PulsarOptions { tenant, namespace, ..by_default() };
            assert_eq!(refused(options), Some("namespace"));
        }
    }
}
