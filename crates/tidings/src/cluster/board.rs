//! What the doors are told of the cluster: renewed by the driver, read by any request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_cluster::{Node, PartitionGroup, Route, Unrouted};
use tidings_event::{Clock, Code, Refusal};
use tidings_serve::Standing;
use tidings_wire::rest::{ClusterDocument, ClusterMemberDocument, PartitionGroupDocument};

/// The only partition group of a log with one owner.
pub(super) const WHOLE: PartitionGroup = PartitionGroup(0);

/// See the module.
pub(super) struct Board {
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
}

struct Known {
    document: ClusterDocument,
    /// Why nothing is answered; nothing while this node owns the log.
    refusal: Option<Refusal>,
    lease_until: Duration,
}

impl Board {
    /// As a node knows it that has just started.
    pub(super) fn new(clock: Arc<dyn Clock>, node: &Node) -> Self {
        let known = Mutex::new(known(node, clock.monotonic()));
        Self { clock, known }
    }

    /// As a node knows it now.
    pub(super) fn renew(&self, node: &Node, now: Duration) {
        let new = known(node, now);
        *self.known() = new;
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Standing for Board {
    fn document(&self) -> ClusterDocument {
        let now = self.clock.monotonic();
        let known = self.known();
        ClusterDocument { in_touch: now < known.lease_until, ..known.document.clone() }
    }

    fn refusal(&self) -> Option<Refusal> {
        let now = self.clock.monotonic();
        let known = self.known();
        // Whoever slept answers before the driver wakes.
        let has_lease = now < known.lease_until;
        known
            .refusal
            .clone()
            .or_else(|| (!has_lease).then(|| unrouted(&Unrouted::Suspended(WHOLE))))
    }
}

fn known(node: &Node, now: Duration) -> Known {
    let routes = node.routes(now);
    let refusal = match routes.of_group(WHOLE) {
        Ok(Route::Here { .. }) => None,
        Ok(Route::There { node: owner, address, .. }) => {
            let me = &node.identity().node.name;
            let detail = format!(
                "node `{}` at http://{address} owns the log; this one, `{me}`, stands by",
                owner.name
            );
            let hint = format!("send it to http://{address}");
            Some(refusal(detail, Duration::from_secs(1)).with_hint(hint))
        }
        Err(why) => Some(unrouted(&why)),
    };
    let document = document(node, now);
    Known { document, refusal, lease_until: node.lease_until() }
}

fn unrouted(why: &Unrouted) -> Refusal {
    refusal(why.to_string(), why.retry_after())
}

fn refusal(detail: String, retry_after: Duration) -> Refusal {
    let millis = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
    Refusal::new(Code::NotReady, detail).at_field("owner").retry_after_ms(millis)
}

fn document(node: &Node, now: Duration) -> ClusterDocument {
    let view = node.view();
    let members = view.members().map(|(name, member)| ClusterMemberDocument {
        node: name.to_string(),
        life: format!("{:016x}", member.life.0),
        url: format!("http://{}", member.address),
        silent_beats: member.silent,
        alive: view.is_alive(&tidings_cluster::NodeId { name: name.clone(), life: member.life }),
        leaving: member.is_leaving,
    });
    let routes = node.routes(now);
    let groups = routes.iter().map(|(group, route)| {
        let entry = view.assignment().and_then(|assignment| assignment.entry(group));
        let holder = entry.and_then(|entry| entry.holder.as_ref());
        let url = match route {
            Ok(Route::Here { .. }) => Some(&node.identity().address),
            Ok(Route::There { address, .. }) => Some(address),
            Err(_) => None,
        };
        PartitionGroupDocument {
            partition_group: group.0,
            term: entry.map_or(0, |entry| entry.term.0),
            owner: holder.map(|holder| holder.node.name.to_string()),
            url: url.map(|address| format!("http://{address}")),
            state: state(route).to_owned(),
        }
    });
    ClusterDocument {
        node: node.identity().node.name.to_string(),
        in_touch: node.has_lease(now),
        coordinator: view.coordinator().map(|(node, _)| node.name.to_string()),
        members: members.collect(),
        partition_groups: groups.collect(),
    }
}

fn state(route: &Result<Route, Unrouted>) -> &'static str {
    match route {
        Ok(_) => "serving",
        Err(Unrouted::NoOwner(_)) => "vacant",
        Err(Unrouted::Opening { .. }) => "opening",
        Err(Unrouted::Moving { .. }) => "moving",
        Err(Unrouted::Suspended(_)) => "suspended",
        Err(Unrouted::Unknown | Unrouted::Unfounded(_)) => "unknown",
    }
}
