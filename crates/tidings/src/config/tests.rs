//! Layers win in their order, mistakes are named with line and suggestion, the page is up to date.

use std::path::PathBuf;
use std::time::Duration;

use tidings_deliver::Thresholds;

use super::reloadable::RELOADABLE;
use super::{Config, ConfigError, DEFAULT, Engine, EngineKind, Flags, reference};

pub(super) fn load(file: &str, variables: &[(&str, &str)], flags: Flags) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tidings.toml");
    std::fs::write(&path, file).unwrap();
    let flags = Flags { config: Some(path.clone()), ..flags };
    let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    let shown =
        |error: ConfigError| error.to_string().replace(&path.display().to_string(), "tidings.toml");
    Config::load(&flags, variables).map_err(shown)
}

pub(super) fn refused(file: &str, variables: &[(&str, &str)]) -> String {
    load(file, variables, Flags::default()).unwrap_err()
}

#[test]
fn the_default_file_is_valid_and_complete() {
    let config = load(DEFAULT, &[], Flags::default()).unwrap();
    assert_eq!(config.addr.to_string(), "127.0.0.1:8080");
    assert_eq!(config.topics.partitions, 16);
}

#[test]
fn flags_win_over_environment_over_file() {
    let file = "[server]\naddr = \"127.0.0.1:1\"\n[topics]\npartitions = 2\n[data]\ndir = \"file\"";
    let variables = [
        ("TIDINGS_SERVER__ADDR", "127.0.0.1:2"),
        ("TIDINGS_TOPICS__PARTITIONS", "3"),
        ("TIDINGS_TOPICS__TIMEFRAMES", "5m, 1h"),
        ("PATH", "x"),
    ];
    let flags = Flags { addr: Some("127.0.0.1:3".into()), ..Flags::default() };
    let config = load(file, &variables, flags).unwrap();
    assert_eq!(config.addr.port(), 3);
    assert_eq!(config.topics.partitions, 3);
    assert_eq!(config.topics.timeframes, ["5m", "1h"]);
    assert_eq!(config.data_dir, PathBuf::from("file"));
}

#[test]
fn mistakes_in_the_file_are_named_with_their_line() {
    assert_eq!(
        refused("[server]\n\nadr = \"127.0.0.1:1\"", &[]),
        "tidings.toml:3: unknown key `adr`; did you mean `addr`?"
    );
    assert_eq!(
        refused("[servers]\n", &[]),
        "tidings.toml:1: unknown section `servers`; did you mean `server`?"
    );
    assert_eq!(
        refused("[data]\ndir = \"x\"\n[topics]\npartitions = \"many\"", &[]),
        "tidings.toml:4: `topics.partitions` must be of type integer, not string"
    );
    assert!(refused("[server]\naddr = ", &[]).starts_with("tidings.toml:2: "));
    assert_eq!(
        refused("[topics]\nretentoin = 1", &[]),
        "tidings.toml:2: unknown key `retentoin`; the nearest is `partitions`"
    );
}

#[test]
fn mistakes_in_the_environment_are_named() {
    assert_eq!(
        refused("", &[("TIDINGS_SERVER__ADRR", "x")]),
        "TIDINGS_SERVER__ADRR: unknown key `adrr`; did you mean `addr`?"
    );
    assert_eq!(
        refused("", &[("TIDINGS_TOPICS__PARTITIONS", "x")]),
        "TIDINGS_TOPICS__PARTITIONS: `x` is not of type integer"
    );
}

#[test]
fn values_are_checked() {
    let cases = [
        ("server.addr", "[server]\naddr = \"0.0.0.0:80\""),
        ("server.addr", "[server]\naddr = \"localhost\""),
        ("topics.partitions", "[topics]\npartitions = 0"),
        ("log.segment_bytes_max", "[log]\nsegment_bytes_max = 1"),
        ("log.spare_bytes_max", "[log]\nspare_bytes_max = 1"),
        ("health.stalled_after_seconds", "[health]\nstalled_after_seconds = 0"),
        ("memory.budget", "[memory]\nbudget = \"off\""),
        ("memory.budget", "[memory]\nbudget = \"100MiB\""),
        ("logging.format", "[logging]\nformat = \"xml\""),
    ];
    for (key, file) in cases {
        let message = refused(file, &[]);
        assert!(message.starts_with(&format!("`{key}` is ")), "{message}");
    }
    let open = "[server]\naddr = \"0.0.0.0:80\"\ninsecure = true";
    assert!(load(open, &[], Flags::default()).is_ok());
}

const PULSAR: &str = "[engine]\nkind = \"pulsar\"\n[engine.pulsar]\nnamespace = \"file\"\n";

#[test]
fn a_section_inside_another_has_its_layers_too() {
    let config = load(PULSAR, &[], Flags::default()).unwrap();
    let Engine::Pulsar(options) = config.engine else { panic!("{:?}", config.engine) };
    assert_eq!((&*options.namespace, &*options.tenant), ("file", "tidings"));
    assert_eq!(options.start_max, Duration::from_secs(30));
    let variables = [
        ("TIDINGS_ENGINE__PULSAR__NAMESPACE", "environment"),
        ("TIDINGS_ENGINE__PULSAR__WINDOW", "7"),
    ];
    let config = load(PULSAR, &variables, Flags::default()).unwrap();
    let Engine::Pulsar(options) = config.engine else { panic!("{:?}", config.engine) };
    assert_eq!((&*options.namespace, options.window), ("environment", 7));
    let by_default = load("", &[], Flags::default()).unwrap().engine;
    assert!(matches!(by_default, Engine::Embedded));
    let flags = Flags { engine: Some(EngineKind::Embedded), ..Flags::default() };
    assert!(matches!(load(PULSAR, &[], flags).unwrap().engine, Engine::Embedded));
}

#[test]
fn what_the_page_on_pulsar_shows_is_a_configuration() {
    let page = include_str!("../../../../docs/operate/pulsar.md");
    let shown = |at| page.split("```toml\n").nth(at).and_then(|rest| rest.split("```").next());
    let config = load(shown(1).unwrap(), &[], Flags::default()).unwrap();
    let Engine::Pulsar(options) = config.engine else { panic!("{:?}", config.engine) };
    assert_eq!(
        (&*options.url, &*options.admin_url),
        ("pulsar://broker:6650", "http://broker:8080")
    );
    // Its files are looked at where they are used.
    load(shown(2).unwrap(), &[], Flags::default()).unwrap();
}

#[test]
fn mistakes_about_the_engine_are_named_all_at_once() {
    assert_eq!(
        refused("[engine]\nkind = \"kafka\"", &[]),
        "`engine.kind` is `kafka`: it must be embedded or pulsar"
    );
    assert_eq!(
        refused("[engine.pulsar]\nurls = \"\"", &[]),
        "tidings.toml:2: unknown key `urls`; did you mean `url`?"
    );
    assert_eq!(
        refused("[engine.plusar]\nurl = \"\"", &[]),
        "tidings.toml:1: unknown section `engine.plusar`; did you mean `engine.pulsar`?"
    );
    assert_eq!(
        refused("", &[("TIDINGS_ENGINE__PULSAR__WINDOWS", "x")]),
        "TIDINGS_ENGINE__PULSAR__WINDOWS: unknown key `windows`; did you mean `window`?"
    );
    let file = "[engine]\nkind = \"pulsar\"\n[engine.pulsar]\nurl = \"broker\"\nanswer_seconds = 0\n\
                admin_url = \"http://me:secret@broker:8080\"";
    let told = refused(file, &[]);
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    for (line, key) in
        lines.iter().zip(["url: `broker`", "admin_url: `***`", "answer_seconds: `0`"])
    {
        assert!(line.starts_with(&format!("engine.pulsar.{key}: ")), "{told}");
    }
    assert!(!told.contains("secret"), "{told}");
}

#[test]
fn how_the_link_is_secured_is_told_by_files_and_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let token_file = dir.path().join("token");
    std::fs::write(&token_file, "from.a.file").unwrap();
    let tls = "[engine]\nkind = \"pulsar\"\n[engine.pulsar]\nurl = \"pulsar+ssl://broker:6651\"\n\
               admin_url = \"https://broker:8443\"\n";
    let file = format!("{tls}token_file = \"{}\"\n", token_file.display());
    let config = load(&file, &[], Flags::default()).unwrap();
    let Engine::Pulsar(options) = &config.engine else { panic!("{:?}", config.engine) };
    assert_eq!(options.security.token_file.as_deref(), Some(token_file.as_path()));
    let shown = &config.shown()["engine.pulsar"];
    assert_eq!(shown["token_file"], token_file.display().to_string());
    assert_eq!(shown["token"], "***");

    let variables = [("TIDINGS_ENGINE__PULSAR__TOKEN", "very.secret.one\n")];
    let config = load(tls, &variables, Flags::default()).unwrap();
    let Engine::Pulsar(options) = &config.engine else { panic!("{:?}", config.engine) };
    assert!(options.security.token.is_some());
    let reload = config.reload(&load(tls, &variables, Flags::default()).unwrap()).unwrap();
    let Engine::Pulsar(options) = &reload.config.engine else { panic!("it is one") };
    assert!(options.security.token.is_some() && reload.waiting.is_empty());
    for told in [format!("{config:?}"), format!("{:?}", config.shown())] {
        assert!(!told.contains("secret"), "{told}");
    }
}

#[test]
fn a_link_that_is_not_secured_as_it_says_is_refused_and_no_token_is_told() {
    let token = [("TIDINGS_ENGINE__PULSAR__TOKEN", "very.secret.one")];
    let plain = "[engine]\nkind = \"pulsar\"\n[engine.pulsar]\nurl = \"pulsar://broker:6650\"\n\
                 admin_url = \"http://broker:8080\"\n";
    let told = refused(plain, &token);
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines.len(), 2, "{told}");
    assert!(lines[0].starts_with("engine.pulsar.url: `pulsar://broker:6650`: the token"), "{told}");
    assert!(lines[1].contains("it must begin with https://"), "{told}");
    let in_file = format!("{plain}token = \"very.secret.one\"\n");
    let written = refused(&in_file, &[]);
    assert!(written.contains("TIDINGS_ENGINE__PULSAR__TOKEN"), "{written}");
    let missing = "[engine]\nkind = \"pulsar\"\n[engine.pulsar]\ntoken_file = \"/nonexistent\"\n";
    let unread = refused(missing, &[]);
    assert!(
        unread.starts_with("engine.pulsar.token_file: `/nonexistent`: it cannot be read"),
        "{unread}"
    );
    for told in [told, written, refused(&missing.replace("token_file", "key_file"), &token)] {
        assert!(!told.contains("secret"), "{told}");
    }
}

#[test]
fn the_engine_waits_for_a_restart() {
    let old = load("", &[], Flags::default()).unwrap();
    let reload = old.reload(&load(PULSAR, &[], Flags::default()).unwrap()).unwrap();
    assert!(matches!(reload.config.engine, Engine::Embedded));
    let waiting: Vec<_> = reload.waiting.iter().map(|w| w.key.as_str()).collect();
    assert_eq!(waiting, ["engine.kind", "engine.pulsar.namespace"]);
    assert_eq!(old.shown()["engine.pulsar"]["namespace"], "log");
}

#[test]
fn what_is_not_well_is_said_in_seconds() {
    let by_default = load("", &[], Flags::default()).unwrap().health;
    assert_eq!(by_default, Thresholds::default());
    let config = load("[health]\nlagging_after_seconds = 7", &[], Flags::default()).unwrap();
    assert_eq!(config.health, Thresholds { lagging_after: Duration::from_secs(7), ..by_default });
}

#[test]
fn a_budget_of_memory_is_a_size_or_a_share_of_the_machine() {
    let budget = |text: &str| {
        load(&format!("[memory]\nbudget = \"{text}\""), &[], Flags::default())
            .unwrap()
            .memory_budget
    };
    assert_eq!(budget("512MiB"), 512 << 20);
    let (half, all) = (budget("50%"), budget("100%"));
    assert!(budget("1%") >= 256 << 20 && half <= all, "{half} {all}");
    assert_eq!(load("", &[], Flags::default()).unwrap().memory_budget, budget("60%"));
}

#[test]
fn what_other_stages_would_refuse_is_refused_at_once() {
    assert_eq!(
        refused("[topics]\ntimeframes = [\"5 minutes\"]", &[]),
        "topics.timeframes: `5 minutes` is not a number and one of s, m, h, d, w, mo"
    );
    assert!(refused("[topics]\npartitions = 5000", &[]).starts_with("topics.partitions: "));
    assert!(refused("[logging]\nlevel = \"a=b=c\"", &[]).starts_with("logging.level: `a=b=c`"));
}

#[test]
fn a_reload_takes_what_may_change_and_names_what_waits() {
    let old = load("", &[], Flags::default()).unwrap();
    let file = "[server]\naddr = \"127.0.0.1:1\"\n[topics]\ntimeframes = [\"7m\"]\n\
                [limits]\nbatch_events = 5";
    let written = load(file, &[], Flags::default()).unwrap();
    let reload = old.reload(&written).unwrap();
    assert_eq!(reload.config.topics.timeframes, ["7m"]);
    assert_eq!(reload.config.limits.batch_events, 5);
    assert_eq!(reload.config.addr, old.addr);
    assert_eq!(reload.changed, ["limits.batch_events", "topics.timeframes"]);
    let waiting: Vec<_> = reload.waiting.iter().map(|w| w.key.as_str()).collect();
    assert_eq!(waiting, ["server.addr"]);
    assert_eq!(reload.waiting[0].in_force, "127.0.0.1:8080");
    assert_eq!(reload.waiting[0].written, "127.0.0.1:1");
    // Put back as it was, nothing waits any more.
    let back = reload.config.reload(&old).unwrap();
    assert!(back.waiting.is_empty());
    assert_eq!(back.changed, ["limits.batch_events", "topics.timeframes"]);
}

#[test]
fn every_reloadable_key_exists() {
    let shown = load("", &[], Flags::default()).unwrap().shown();
    for name in RELOADABLE {
        let (section, key) = name.split_once('.').unwrap();
        assert!(shown[section].contains_key(key), "{name}");
    }
}

#[test]
fn a_named_file_must_exist() {
    let flags = Flags { config: Some("/nonexistent/tidings.toml".into()), ..Flags::default() };
    let error = Config::load(&flags, std::iter::empty()).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }));
}

/// Set TIDINGS_BLESS=1 to write the page anew.
#[test]
fn the_reference_page_is_up_to_date() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/config.md");
    if std::env::var_os("TIDINGS_BLESS").is_some() {
        std::fs::write(page, reference()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(page).unwrap_or_default(), reference());
}
