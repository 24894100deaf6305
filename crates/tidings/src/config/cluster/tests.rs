//! The section of a node: as its page shows it, and what is refused of it.

use super::super::Flags;
use super::super::tests::load;

const PULSAR: &str = "[engine]\nkind = \"pulsar\"\n";

fn refused(section: &str) -> String {
    load(&format!("{PULSAR}[cluster]\n{section}"), &[], Flags::default()).unwrap_err()
}

#[test]
fn the_page_on_nodes_shows_what_is_taken() {
    let page = include_str!("../../../../../docs/operate/cluster.md");
    let shown = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let node = load(shown, &[], Flags::default()).unwrap().cluster.unwrap();
    assert_eq!((node.name.as_str(), node.address.as_str()), ("a", "10.0.0.1:8080"));
}

#[test]
fn a_service_without_a_name_is_no_node() {
    assert!(load(PULSAR, &[], Flags::default()).unwrap().cluster.is_none());
    let told = refused("advertise = \"http://10.0.0.1:8080\"");
    assert!(told.starts_with("cluster.node: it is empty"), "{told}");
}

#[test]
fn a_node_has_a_log_on_pulsar_a_name_and_an_address() {
    let alone = "[cluster]\nnode = \"a\"\nadvertise = \"http://10.0.0.1:8080\"";
    let told = load(alone, &[], Flags::default()).unwrap_err();
    assert!(told.starts_with("cluster.node: only nodes whose log is on Pulsar"), "{told}");
    let told = refused("node = \"A b\"\nadvertise = \"http://10.0.0.1:8080\"");
    assert!(told.contains("`A b` cannot name a node"), "{told}");
    for address in ["", "10.0.0.1:8080", "https://10.0.0.1:8080", "http://10.0.0.1", "http://:80"] {
        let told = refused(&format!("node = \"a\"\nadvertise = \"{address}\""));
        assert!(told.starts_with(&format!("cluster.advertise: `{address}`")), "{told}");
        assert!(told.contains("such as http://10.0.0.1:8080"), "{told}");
    }
}
