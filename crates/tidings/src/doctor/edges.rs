//! Where edges go: whether somebody answers there who lets the service in.

use tidings_log_pulsar::Outlets;

use super::finding::Finding;
use crate::config::{Config, DeclaredEdge};

/// Of each edge. One that is not well keeps nobody from starting: its events wait.
pub(super) async fn check(config: &Config) -> Vec<Finding> {
    let mut findings = vec![];
    for edge in &config.edges {
        findings.push(one(edge).await);
    }
    findings
}

async fn one(edge: &DeclaredEdge) -> Finding {
    const CHECK: &str = "edge";
    let (name, url) = (&edge.settings.name, &edge.options.url);
    let connected = match Outlets::new(&edge.options) {
        Ok(outlets) => outlets.connect().await.map(drop).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match connected {
        Ok(()) => Finding::ok(CHECK, format!("{name} reaches {url}")),
        Err(error) => {
            let why = "its events wait until it can be reached";
            let remedy = "start the broker, or correct the edge's url or that of engine.pulsar";
            Finding::warn(CHECK, format!("{name}: {error}"), why, remedy)
        }
    }
}
