//! The nodes that share a log on Pulsar: who of them is heard, who owns the log, who has a name that is not its own.
//!
//! Whoever looks is no member and beats with nobody, so that it has no time of the cluster: it reads what was said, then
//! listens for as long as a node that lives needs for several beats.

mod heard;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tidings_cluster::Beat;
use tidings_event::Clock;
use tidings_log_pulsar::{MembersError, MembersLook, PulsarOptions};
use tidings_telemetry::Timer;

use super::finding::Finding;
use super::pulsar::finding;
use crate::config::ClusterNode;
use heard::Heard;

const CHECK: &str = "members";
/// Six beats of a node that lives, and somewhat less than the silence after which one is taken for dead.
const LISTEN: Duration = Duration::from_secs(3);
/// For what was said before; most of an hour of many nodes.
const READ: Duration = Duration::from_secs(30);

/// Nothing where no node was ever started; `own` is what this configuration names.
pub(super) async fn check(
    options: &PulsarOptions,
    own: Option<&ClusterNode>,
    clock: &dyn Clock,
) -> Vec<Finding> {
    let why = "nodes that cannot hear each other stand by, and none of them takes over";
    let remedy = "look at the namespace beside the log's, whose name ends in -cluster";
    let failed = |error: String| Finding::fail(CHECK, error, why, remedy);
    let look = match MembersLook::find(options).await {
        Ok(Some(look)) => look,
        Ok(None) => return vec![],
        Err(error) => return vec![failed(error.to_string())],
    };
    let retention = finding(look.retention.clone());
    let listened = listen(look, clock).await;
    let found = match listened {
        Ok(heard) => heard.judged(own),
        Err(error) => vec![failed(error.to_string())],
    };
    [retention].into_iter().chain(found).collect()
}

/// Reads to the end, then listens.
async fn listen(mut look: MembersLook, clock: &dyn Clock) -> Result<Heard, MembersError> {
    let mut heard = Heard::new(look.reads_all);
    let until = clock.monotonic().saturating_add(READ);
    while look.reader.is_behind() {
        let left = until.saturating_sub(clock.monotonic());
        let Ok(read) = Timer.limit(left, look.reader.next()).await else {
            heard.is_behind = true;
            return Ok(heard);
        };
        heard.before(Beat::decode(&read?));
    }
    let until = clock.monotonic().saturating_add(LISTEN);
    loop {
        let left = until.saturating_sub(clock.monotonic());
        let Ok(read) = Timer.limit(left, look.reader.next()).await else { return Ok(heard) };
        heard.now(Beat::decode(&read?));
    }
}
