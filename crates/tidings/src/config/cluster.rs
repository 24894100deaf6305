//! Which node of a cluster this is, by the configuration.

use tidings_cluster::{Address, NodeName};

use super::ConfigError;
use super::engine::Engine;
use super::layers::invalid;
use super::written::WrittenCluster;

const SCHEME: &str = "http://";

/// A node among others.
#[derive(Clone, Debug)]
pub(crate) struct ClusterNode {
    /// What it is called in every life.
    pub(crate) name: NodeName,
    /// Where clients and other nodes reach it.
    pub(crate) address: Address,
}

/// Checks the section; without a name this is no node.
///
/// # Errors
/// The first thing that is wrong.
pub(super) fn node(
    written: &WrittenCluster,
    engine: &Engine,
) -> Result<Option<ClusterNode>, ConfigError> {
    let wrong = |key: &str, problem: &str| invalid(format!("cluster.{key}"), problem);
    if written.node.is_empty() {
        if written.advertise.is_empty() {
            return Ok(None);
        }
        let problem = "it is empty, and `cluster.advertise` is not: name the node as well";
        return Err(wrong("node", problem));
    }
    if let Engine::Embedded = engine {
        let problem = "only nodes whose log is on Pulsar share one: set `engine.kind` to pulsar, or leave it empty";
        return Err(wrong("node", problem));
    }
    let name = NodeName::new(&written.node).map_err(|error| wrong("node", &error.to_string()))?;
    let rule = "it must be where others reach this node, such as http://10.0.0.1:8080";
    let unusable = |why: &str| wrong("advertise", &format!("`{}`: {why}{rule}", written.advertise));
    let address = written.advertise.strip_prefix(SCHEME).ok_or_else(|| unusable(""))?;
    let address = Address::new(address.trim_end_matches('/'))
        .map_err(|error| unusable(&format!("{error}; ")))?;
    Ok(Some(ClusterNode { name, address }))
}

#[cfg(test)]
mod tests;
