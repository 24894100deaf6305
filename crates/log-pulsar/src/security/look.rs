//! What can be said of the link's security without asking anybody.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Named, admin_is_tls, is_loopback, link_is_tls};
use crate::examine::Observation;
use crate::options::PulsarOptions;

/// Anybody may read it.
const BY_EVERYBODY: u32 = 0o004;

/// How the link is secured, and which secrets lie open.
pub(crate) fn look(options: &PulsarOptions) -> Vec<Observation> {
    let security = &options.security;
    let mut all = vec![link(options)];
    let files = [("key file", &security.key_file), ("token file", &security.token_file)];
    for (about, file) in files {
        let open = file.as_deref().filter(|file| is_open(file));
        all.extend(open.map(|file| {
            let found = format!("{} can be read by everybody", file.display());
            let why = "whoever has it is this service to the brokers";
            let remedy = format!("chmod o= {}", file.display());
            Observation::kept(about, found).doubtful(why, remedy)
        }));
    }
    all
}

fn is_open(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|found| found.permissions().mode() & BY_EVERYBODY != 0)
}

fn link(options: &PulsarOptions) -> Observation {
    let security = &options.security;
    let about = "link security";
    let (link, admin) = (link_is_tls(options), admin_is_tls(options));
    let trusted = match &security.ca_file {
        Some(file) => format!("trusts {}", file.display()),
        None => "trusts this system's roots".to_owned(),
    };
    let transport = match (link, admin) {
        (true, true) => format!("TLS, {trusted}"),
        (true, false) => format!("TLS, {trusted}; the admin interface in the clear"),
        (false, true) => format!("in the clear; the admin interface by TLS, {trusted}"),
        (false, false) => "in the clear".to_owned(),
    };
    let shown = security.certificate_file.as_ref();
    let certificate = shown.map(|file| format!("shows the certificate of {}", file.display()));
    let token = match (&security.token, &security.token_file) {
        (Some(_), _) => Some("a token that was given at the start".to_owned()),
        (None, Some(file)) => Some(format!("the token of {}", file.display())),
        (None, None) => None,
    };
    let who = [certificate, token].into_iter().flatten().collect::<Vec<_>>().join(" and ");
    let who = if security.named() == Named::Not { "says to nobody who it is" } else { &who };
    let found = Observation::kept(about, format!("{transport}; {who}"));
    let host = |url: &str| {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let rest = rest.trim_end_matches('/');
        rest.rsplit_once(':').map_or(rest, |(host, _)| host).to_owned()
    };
    let is_open = |tls: bool, url: &str| !tls && !is_loopback(&host(url));
    if !is_open(link, &options.url) && !is_open(admin, &options.admin_url) {
        return found;
    }
    let why = "who is on the network between reads all events, and can send others";
    let remedy =
        "pulsar+ssl:// in `url` and https:// in `admin_url`, or a network that is nobody else's";
    found.doubtful(why, remedy)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::look;
    use crate::PulsarOptions;
    use crate::examine::Standing;
    use crate::security::{Secret, Security};

    #[test]
    fn how_it_is_secured_is_said_without_what_secures_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "abc.def").unwrap();
        let allow = |mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&file, permissions).unwrap();
        };
        allow(0o640);
        let security = Security { token_file: Some(file.clone()), ..Security::default() };
        let (url, admin_url) = ("pulsar+ssl://b:6651".to_owned(), "https://b:8443".to_owned());
        let options = PulsarOptions { url, admin_url, security, ..PulsarOptions::default() };
        let all = look(&options);
        assert_eq!((all.len(), all[0].standing), (1, Standing::Kept), "{all:?}");
        assert!(
            all[0].found.starts_with("TLS, trusts this system's roots; the token of "),
            "{all:?}"
        );
        allow(0o644);
        let all = look(&options);
        assert_eq!((all[1].about, all[1].standing), ("token file", Standing::Doubtful));
        assert!(!format!("{all:?}").contains("abc"), "{all:?}");
    }

    #[test]
    fn what_crosses_a_network_in_the_clear_is_doubtful() {
        let standing = |url: &str, admin_url: &str, security: Security| {
            let (url, admin_url) = (url.to_owned(), admin_url.to_owned());
            let options = PulsarOptions { url, admin_url, security, ..PulsarOptions::default() };
            look(&options)[0].standing
        };
        let none = Security::default;
        let token = || Security { token: Some(Secret::from("x".to_owned())), ..none() };
        assert_eq!(standing("pulsar://b:6650", "http://b:8080", none()), Standing::Doubtful);
        assert_eq!(standing("pulsar+ssl://b:6651", "http://b:8080", none()), Standing::Doubtful);
        assert_eq!(standing("pulsar+ssl://b:6651", "https://b", token()), Standing::Kept);
        assert_eq!(standing("pulsar://127.0.0.1:1", "http://localhost:1", token()), Standing::Kept);
        assert_eq!(standing("pulsar://[::1]:6650", "http://[::1]:8080/", none()), Standing::Kept);
    }
}
