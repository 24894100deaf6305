//! What can be tested of the broker's command without a broker.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::PulsarError;
use super::asked::{Asked, Verb};
use super::broker::{Broker, State};
use super::secure::base64;
use super::{archive, conf, java};

fn parse(line: &str) -> Result<Asked, PulsarError> {
    Asked::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
}

#[test]
fn what_is_not_said_has_its_place() {
    let asked = parse("up --port 6750 --dir /data/x").unwrap();
    assert_eq!(asked.verb, Verb::Up);
    assert_eq!((asked.port, asked.http_port, asked.bookie_port), (6750, 8081, 16_750));
    assert_eq!(asked.wait, Duration::from_secs(240));
    assert_eq!(asked.dir.to_str(), Some("/data/x"));
    assert!(parse("status --port 6750").unwrap().dir.ends_with("tidings-pulsar-6750"));
    assert!(parse("down --remove-data").unwrap().remove_data);
}

#[test]
fn words_without_sense_are_refused_with_the_usage() {
    for line in [
        "",
        "start",
        "up --port",
        "up --port x",
        "up --what 1",
        "up --remove-data",
        "up --port 60000",
    ] {
        let refused = parse(line).unwrap_err().to_string();
        assert!(refused.contains("usage: cargo xtask pulsar"), "{line}: {refused}");
    }
}

#[test]
fn our_lines_take_the_place_of_the_shipped_ones() {
    // As it is shipped: its last line has no end.
    let shipped = "# comment\nbrokerServicePort=6650\nkept=1\njournalSyncData=false\nlast=yes";
    let asked = parse("up --port 7001 --http-port 7002").unwrap();
    let composed = conf::compose(shipped, &asked, &[("kept", "2".to_owned())]);
    let value = |key: &str| {
        let start = format!("{key}=");
        let found: Vec<&str> =
            composed.lines().filter_map(|line| line.strip_prefix(start.as_str())).collect();
        assert_eq!(found.len(), 1, "{key} in\n{composed}");
        found[0].to_owned()
    };
    assert_eq!(value("brokerServicePort"), "7001");
    assert_eq!(value("webServicePort"), "7002");
    assert_eq!(value("journalSyncData"), "true");
    assert_eq!(value("bindAddress"), "127.0.0.1");
    assert_eq!(value("kept"), "2");
    assert_eq!(value("last"), "yes");
}

#[test]
fn the_version_of_java_is_read_whoever_made_it() {
    let said = [
        ("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime", Some(17)),
        ("java version \"1.8.0_402\"", Some(8)),
        ("openjdk version \"25\" 2025-09-16", Some(25)),
        ("openjdk version \"21-ea\" 2023-09-19", Some(21)),
        ("bash: java: command not found", None),
        ("", None),
    ];
    for (text, want) in said {
        assert_eq!(java::major(text), want, "{text}");
    }
}

#[test]
fn a_missing_java_says_what_to_install() {
    let found = "no java".to_owned();
    let said = PulsarError::Java { needed: java::NEEDED, found }.to_string();
    assert!(said.contains("apt-get install openjdk-17-jre-headless"), "{said}");
}

#[test]
fn a_folder_without_a_broker_says_so_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let kept = dir.path().join("kept");
    std::fs::write(&kept, "x").unwrap();
    // A number that no process can have.
    std::fs::write(dir.path().join("pid"), "4194305").unwrap();
    let asked = parse(&format!("status --dir {}", dir.path().display())).unwrap();
    let broker = Broker::at(&asked);
    assert_eq!(broker.state(), State::Stopped);
    assert!(!broker.stop().unwrap());
    broker.remove_data().unwrap();
    assert!(kept.exists());
}

#[test]
fn a_stranger_under_the_number_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("pid"), std::process::id().to_string()).unwrap();
    let asked = parse(&format!("down --dir {}", dir.path().display())).unwrap();
    assert!(!Broker::at(&asked).stop().unwrap());
}

#[test]
fn the_process_of_a_folder_is_known_by_its_words_and_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let metadata = dir.path().join("metadata");
    let mut running = Command::new("sh")
        .args(["-c", "echo; read _", "standalone", "--metadata-dir"])
        .arg(&metadata)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // A process that was only just started has no words yet.
    let mut said = [0];
    running.stdout.take().unwrap().read_exact(&mut said).unwrap();
    std::fs::write(dir.path().join("pid"), running.id().to_string()).unwrap();
    let asked = parse(&format!("down --dir {} --http-port 1", dir.path().display())).unwrap();
    let broker = Broker::at(&asked);
    assert_eq!(broker.state(), State::Silent(running.id()));
    assert!(broker.stop().unwrap());
    assert_eq!(running.wait().unwrap().signal(), Some(15));
    assert_eq!(broker.state(), State::Stopped);
}

#[test]
fn what_was_unpacked_to_the_end_is_not_fetched_again() {
    let cache = tempfile::tempdir().unwrap();
    let home = cache.path().join(format!("pulsar-{}", archive::VERSION));
    std::fs::create_dir(&home).unwrap();
    std::fs::write(home.join(".sha256"), archive::SHA256).unwrap();
    assert_eq!(archive::unpacked(cache.path()).unwrap(), home);
}

#[test]
fn a_secured_broker_has_ports_of_its_own() {
    let asked = parse("up --secure --port 6750 --http-port 8281").unwrap();
    assert!(asked.secure);
    assert_eq!((asked.tls_port, asked.https_port), (6751, 8282));
    let asked = parse("token --role guest --seconds 5").unwrap();
    assert_eq!((asked.verb, &*asked.role, asked.seconds), (Verb::Token, "guest", Some(5)));
    assert_eq!(parse("token").unwrap().seconds, None);
}

#[test]
fn tokens_are_written_for_addresses() {
    let pairs: [(&[u8], &str); 5] =
        [(b"", ""), (b"f", "Zg"), (b"fo", "Zm8"), (b"foo", "Zm9v"), (&[0xfb, 0xff], "-_8")];
    for (bytes, text) in pairs {
        assert_eq!(base64(bytes), text);
    }
}
