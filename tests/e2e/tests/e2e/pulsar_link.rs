//! The link to a Pulsar that lets nobody in without TLS and a name: what is refused, what is told of it, and a token that
//! ends.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tidings_client::PublisherOptions;
use tidings_e2e::{
    Chronicle, Engine, Finished, OwnPulsar, Server, Thresholds, Witness, ask, finish, indicator,
    soon, subscribe, until_ready_is,
};
use tidings_log_pulsar::{PulsarOptions, Security};
use tidings_telemetry::Timer;

const TOPICS: &[&str] = &["analysis/**"];
const EVENTS: u64 = 200;
/// Far longer than a token holds.
const LONG: Duration = Duration::from_secs(300);
/// Time to start a service with it, beside other tests; the broker asks for another one after that.
const TOKEN_SECONDS: u32 = 30;
/// What the client says at `debug` of a broker that asks again.
const ASKED_AGAIN: &str = "auth challenge received; refreshing credentials";

/// The executable, told how the link is secured besides.
fn command(options: &PulsarOptions) -> Command {
    let mut command = Engine::Pulsar(Box::new(options.clone())).command();
    let Security { ca_file, certificate_file, key_file, token_file, .. } = &options.security;
    for (key, file) in [
        ("CA_FILE", ca_file),
        ("CERTIFICATE_FILE", certificate_file),
        ("KEY_FILE", key_file),
        ("TOKEN_FILE", token_file),
    ] {
        if let Some(file) = file {
            command.env(format!("TIDINGS_ENGINE__PULSAR__{key}"), file);
        }
    }
    command
}

async fn publish(server: &Server, chronicle: &Chronicle, numbers: std::ops::Range<u64>) {
    let client = server.client().await;
    let name = format!("p{}", numbers.start);
    let opened = client.publisher(PublisherOptions::sequenced(&name));
    let publisher = soon("a publisher", opened).await.unwrap();
    for event in numbers.map(|number| indicator("AAPL", "1m", number)) {
        chronicle.invoke(&name, &event);
        let receipt = soon("room", publisher.send(&event)).await.unwrap();
        let outcome = Timer.limit(LONG, receipt).await.unwrap();
        chronicle.outcome(&event, &outcome);
        outcome.unwrap();
    }
}

/// Reads and acknowledges until so many events came and all acks are confirmed.
async fn read(server: &Server, chronicle: &Chronicle, events: u64) {
    let mut witness = Witness::attach(&server.client().await, chronicle, "all").await;
    let mut seen = 0;
    while seen < events || witness.confirmed() < seen {
        let Some(delivered) = witness.next().await.unwrap() else { continue };
        seen += delivered.events().count() as u64;
        witness.ack(&delivered).await.unwrap();
    }
    witness.detach().await;
}

fn doctor(mut command: Command, dir: &Path) -> Finished {
    command.args(["--json", "doctor", "--addr", "127.0.0.1:0"]).current_dir(dir);
    finish(command, "")
}

/// Verdict and words of one check; empty where there is none.
fn finding(document: &Value, check: &str) -> (String, String) {
    let findings = document["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["check"] == check);
    let text = |member: &str| found.map_or("", |found| found[member].as_str().unwrap_or_default());
    (text("verdict").to_owned(), text("found").to_owned())
}

/// Everything that a running service tells.
fn told(server: &Server) -> String {
    let paths = ["/api/v1/config", "/metrics", "/readyz"];
    paths.map(|path| ask(server, &format!("GET {path}"), "", b"").body).concat() + &server.log()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_go_by_tls_with_a_name_and_no_secret_is_told() {
    let Some(broker) = OwnPulsar::secured() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (data, chronicle) = (dir.path().join("data"), Chronicle::open(dir.path()));
    chronicle.subscription("all", TOPICS);
    let by_file = broker.secured_options();
    let secret = std::fs::read_to_string(broker.secret("service.token")).unwrap();
    let key = std::fs::read_to_string(broker.secret("client.key")).unwrap();
    let key = key.lines().nth(1).unwrap().to_owned();
    let mut all = vec![];

    let mut talkative = command(&by_file);
    talkative
        .env("TIDINGS_LOGGING__LEVEL", "trace,magnetar_proto=trace,magnetar_runtime_tokio=trace");
    let server = Server::start_by(talkative, &data);
    subscribe(&server.client().await, "all", TOPICS).await;
    publish(&server, &chronicle, 0..EVENTS).await;
    read(&server, &chronicle, EVENTS).await;
    all.push(told(&server));
    assert!(all[0].contains("\"level\":\"TRACE\""), "it says all that it can");
    let running = doctor(command(&by_file), dir.path());
    let document = serde_json::from_str(&running.stdout).unwrap();
    let (verdict, found) = finding(&document, "link security");
    assert_eq!(verdict, "ok", "{document}");
    assert!(found.starts_with("TLS, trusts ") && found.ends_with("service.token"), "{found}");
    assert_eq!(finding(&document, "owner").0, "warn", "{document}");
    assert_eq!(server.terminate().code, Some(0));

    // The token from the environment, on loopback without TLS.
    let plain = PulsarOptions { security: Security::default(), ..by_file.clone() };
    let mut given = command(&plain);
    let Engine::Pulsar(clear) = broker.pulsar().engine() else { panic!("it is one") };
    given
        .env("TIDINGS_ENGINE__PULSAR__URL", &clear.url)
        .env("TIDINGS_ENGINE__PULSAR__ADMIN_URL", &clear.admin_url)
        .env("TIDINGS_ENGINE__PULSAR__TOKEN", &secret);
    let server = Server::start_by(given, &data);
    publish(&server, &chronicle, EVENTS..EVENTS + 10).await;
    read(&server, &chronicle, 10).await;
    let config = ask(&server, "GET /api/v1/config", "", b"").json();
    assert_eq!(config["config"]["engine.pulsar"]["token"], "***", "{config}");
    all.push(told(&server));
    assert_eq!(server.terminate().code, Some(0));

    // A certificate says who this is, too.
    let security = Security {
        token_file: None,
        certificate_file: Some(broker.secret("client.pem")),
        key_file: Some(broker.secret("client.key")),
        ..by_file.security.clone()
    };
    let by_certificate = PulsarOptions { security, ..by_file.clone() };
    let server = Server::start_by(command(&by_certificate), &data);
    publish(&server, &chronicle, EVENTS + 10..EVENTS + 20).await;
    read(&server, &chronicle, 10).await;
    all.push(told(&server));
    all.push(doctor(command(&by_certificate), dir.path()).stdout);
    let ended = server.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    all.extend([ended.stderr, running.stdout, running.stderr]);

    let signature = secret.rsplit('.').next().unwrap();
    for (at, text) in all.iter().enumerate() {
        assert!(!text.contains(signature) && !text.contains(&key), "a secret in {at}");
    }
    chronicle.judge(&Thresholds { min_acked: EVENTS as usize + 20, ..Thresholds::default() });
}

/// Starts a service and a doctor that are refused, and says what both have to say.
fn refused(options: &PulsarOptions, dir: &Path, checks: &[&str], words: &str) {
    let told = |mut command: Command| {
        command.env("TIDINGS_ENGINE__PULSAR__START_SECONDS", "1");
        command
    };
    let mut serve = told(command(options));
    serve.args(["serve", "--addr", "127.0.0.1:0"]).current_dir(dir);
    let ended = finish(serve, "");
    assert_eq!(ended.code, Some(1), "{words}: {}", ended.stderr);
    let last = ended.stderr.lines().last().unwrap();
    assert!(last.contains(words), "{words}: {}", ended.stderr);
    let examined = doctor(told(command(options)), dir);
    assert_eq!(examined.code, Some(1), "{words}: {}", examined.stdout);
    let document = serde_json::from_str(&examined.stdout).unwrap();
    for check in checks {
        let (verdict, found) = finding(&document, check);
        assert_eq!(verdict, "fail", "{words}: {document}");
        assert!(found.contains(words), "{words}: {document}");
    }
}

#[test]
fn a_link_that_cannot_be_trusted_or_is_not_let_in_is_told_apart() {
    let Some(broker) = OwnPulsar::secured() else { return };
    let dir = tempfile::tempdir().unwrap();
    let right = broker.secured_options();
    let (both, token) = (&["admin", "connection"][..], dir.path().join("token"));
    let with = |security: Security| PulsarOptions { security, ..right.clone() };
    let by_token = |text: &str| {
        std::fs::write(&token, text).unwrap();
        with(Security { token_file: Some(token.clone()), ..right.security.clone() })
    };

    let foreign = Some(broker.secret("other-ca.pem"));
    let foreign = with(Security { ca_file: foreign, ..right.security.clone() });
    refused(&foreign, dir.path(), both, "its certificate is not trusted");
    let elsewhere = |url: &str| url.replace("127.0.0.1", "localhost");
    let (url, admin_url) = (elsewhere(&right.url), elsewhere(&right.admin_url));
    let misnamed = PulsarOptions { url, admin_url, ..right.clone() };
    refused(&misnamed, dir.path(), both, "its certificate is for another name");
    let Engine::Pulsar(clear) = broker.pulsar().engine() else { panic!("it is one") };
    let url = clear.url.replace("pulsar://", "pulsar+ssl://");
    let admin_url = clear.admin_url.replace("http://", "https://");
    let no_tls = PulsarOptions { url, admin_url, ..right.clone() };
    refused(&no_tls, dir.path(), both, "speaks no TLS");

    let mut signed = broker.token("tidings", None);
    // Of another signature.
    let last = if signed.ends_with("AAA") { "BBB" } else { "AAA" };
    signed.replace_range(signed.len() - 3.., last);
    refused(&by_token(&signed), dir.path(), both, "it refused the token");
    let nobody = with(Security { token_file: None, ..right.security.clone() });
    refused(&nobody, dir.path(), both, "it lets nobody in who does not say who it is");
    let guest = by_token(&broker.token("guest", None));
    refused(&guest, dir.path(), &["admin"], "not authorised");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_is_replaced_without_a_restart() {
    let Some(broker) = OwnPulsar::secured() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (data, chronicle) = (dir.path().join("data"), Chronicle::open(dir.path()));
    chronicle.subscription("all", TOPICS);
    // Who may do nothing but administer this tenant.
    let tenant = "{\"allowedClusters\":[\"standalone\"],\"adminRoles\":[\"keeper\"]}";
    broker.pulsar().ask("PUT", "tenants/tidings-kept", tenant);
    let token = dir.path().join("token");
    let replace = |seconds| {
        let new = dir.path().join("new");
        std::fs::write(&new, broker.token("keeper", seconds)).unwrap();
        std::fs::rename(&new, &token).unwrap();
    };
    replace(Some(TOKEN_SECONDS));
    let mut options = broker.secured_options();
    options.security.token_file = Some(token.clone());
    "tidings-kept".clone_into(&mut options.tenant);
    let mut command = command(&options);
    command.env("TIDINGS_LOGGING__LEVEL", "info,magnetar_runtime_tokio=debug");
    let server = Server::start_by(command, &data);
    subscribe(&server.client().await, "all", TOPICS).await;

    // In time: every journal's connection stays.
    replace(Some(TOKEN_SECONDS));
    let mut next = 0;
    let asked = async {
        while server.log().matches(ASKED_AGAIN).count() < 4 {
            publish(&server, &chronicle, next..next + 1).await;
            next += 1;
            Timer.after(Duration::from_millis(200)).await;
        }
    };
    Timer.limit(LONG, asked).await.expect("the broker asks for another token");
    publish(&server, &chronicle, next..next + 20).await;
    next += 20;
    let log = server.log();
    assert!(!log.contains("lost the broker"), "{log}");

    // Too late: it is locked out, says why, and comes back by itself.
    let told = until_ready_is(&server, 503).await;
    assert!(told.contains("does not reach the broker"), "{told}");
    let refused = async {
        while !server.log().contains("it refused the token") {
            Timer.after(Duration::from_millis(200)).await;
        }
    };
    Timer.limit(LONG, refused).await.expect("it says why");
    replace(None);
    until_ready_is(&server, 200).await;
    publish(&server, &chronicle, next..next + 20).await;
    next += 20;
    read(&server, &chronicle, next).await;
    let ended = server.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let acked = usize::try_from(next).unwrap();
    chronicle.judge(&Thresholds { min_acked: acked, ..Thresholds::default() });
}
