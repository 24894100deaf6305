//! One node among several: what it knows of who owns the log, and what it answers while that is another one.

use tidings_event::Refusal;
use tidings_wire::rest::ClusterDocument;

/// How a node stands in its cluster, at the moment that is asked for.
pub trait Standing: Send + Sync {
    /// Members, coordinator and owners.
    fn document(&self) -> ClusterDocument;

    /// Why this node answers for nothing, and who does instead; nothing while it owns the log.
    fn refusal(&self) -> Option<Refusal>;
}

/// What a node answers whoever owns the log: these say how it is itself.
const ALWAYS: [&str; 3] = ["/livez", "/metrics", "/api/v1/cluster"];

/// Whether a path is answered without owning the log.
pub(crate) fn is_always_answered(path: &str) -> bool {
    ALWAYS.contains(&path)
}
