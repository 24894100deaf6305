//! Edges as they are written, and what is said of those that cannot be.

use tidings_catalog::Start;
use tidings_edge::Form;

use super::super::tests::{load, refused};
use super::super::{Config, Flags};

const EDGE: &str = "[[edges.mirrored]]\nname = \"desk\"\ntopics = [\"analysis/**\"]\n";

fn loaded(text: &str) -> Config {
    load(text, &[], Flags::default()).unwrap()
}

#[test]
fn an_edge_needs_a_name_and_topics() {
    let config = loaded(&format!("[engine.pulsar]\nurl = \"pulsar://b:1\"\n{EDGE}"));
    let [edge] = config.edges.as_slice() else { panic!("{:?}", config.edges) };
    let settings = &edge.settings;
    assert_eq!((settings.subscription().as_str(), settings.window), ("edge.desk", 1_000));
    assert_eq!((&settings.start, settings.form), (&Start::Latest, Form::Json));
    assert_eq!(
        &*settings.target.of("analysis/summaries"),
        "persistent://public/default/analysis:summaries"
    );
    assert_eq!(edge.options.url, "pulsar://b:1", "with the embedded engine, too");
}

#[test]
fn a_link_of_its_own_takes_nothing_from_the_engines() {
    let token = [("TIDINGS_ENGINE__PULSAR__TOKEN", "very.secret.one")];
    let text = format!(
        "[engine.pulsar]\nurl = \"pulsar+ssl://b:1\"\nadmin_url = \"https://b:2\"\n\
         {EDGE}url = \"pulsar://other:6650\"\n"
    );
    let config = load(&text, &token, Flags::default()).unwrap();
    let options = &config.edges[0].options;
    assert_eq!(options.url, "pulsar://other:6650");
    assert!(options.security.token.is_none());
    let same = load(&text.replace("url = \"pulsar://other:6650\"", ""), &token, Flags::default());
    assert!(same.unwrap().edges[0].options.security.token.is_some());
}

#[test]
fn whatever_is_wrong_is_named_with_its_key() {
    let log = "[engine]\nkind = \"pulsar\"\n";
    for (text, told) in [
        (format!("{EDGE}{EDGE}"), "mirrored[1].name: another edge has this name"),
        (EDGE.replace("desk", "The Desk"), "mirrored[0].name: "),
        (EDGE.replace("analysis/**", "Analysis"), "mirrored[0].topics: "),
        (EDGE.replace("\"analysis/**\"", ""), "mirrored[0].topics: a subscription needs"),
        (format!("{EDGE}filter = \"nonsense ==\""), "mirrored[0].filter: "),
        (format!("{EDGE}format = \"avro\""), "mirrored[0].format: `avro`; it must be json or"),
        (format!("{EDGE}start = \"now\""), "mirrored[0].start: `now`; it must be latest or"),
        (format!("{EDGE}target = \"x\""), "mirrored[0].target: `x`; it must begin with persis"),
        (format!("{EDGE}window = 0"), "mirrored[0].window: 0 is not in 1..=65536"),
        (format!("{EDGE}url = \"http://b\""), "mirrored[0].url: `http://b`; it must be an addr"),
        (format!("{EDGE}token_file = \"t\""), "mirrored[0].token_file: `t`; name the `url`"),
        (
            format!("{EDGE}url = \"pulsar://b:1\"\ntoken_file = \"t\""),
            "mirrored[0].url: `pulsar://b:1`; the token would cross the network",
        ),
        (
            format!("{EDGE}url = \"pulsar://127.0.0.1:1\"\ntoken_file = \"/nonexistent\""),
            "mirrored[0].token_file: `/nonexistent`; it cannot be read",
        ),
        (
            format!("{log}{EDGE}target = \"persistent://tidings/log/x\""),
            "mirrored[0].target: `persistent://tidings/log/x` is in the namespace of the log",
        ),
    ] {
        let problem = refused(&text, &[]);
        assert!(problem.starts_with(&format!("edges.{told}")), "{problem}");
    }
    let unknown = refused(&format!("{EDGE}topic = 1"), &[]);
    assert!(unknown.contains("unknown field `topic`"), "{unknown}");
}

#[test]
fn edges_wait_for_a_restart() {
    let reload = loaded("").reload(&loaded(EDGE)).unwrap();
    assert!(reload.config.edges.is_empty());
    assert_eq!(reload.waiting[0].key, "edges.mirrored");
}

#[test]
fn what_the_page_shows_is_a_configuration() {
    let page = include_str!("../../../../../docs/operate/edge-topics.md");
    let shown = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(loaded(shown).edges[0].settings.start, Start::Earliest);
}
