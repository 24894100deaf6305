//! Where partitions are served: which node answers for each, under which term, or why nobody does.

use std::time::Duration;

use tidings_event::{PartitionId, Term};

use crate::node_id::{Address, CallKey, NodeId, NodeName};
use crate::partition_group::{PartitionGroup, PartitionGroups};
use crate::record::HeldState;
use crate::view::View;

/// Where one partition group is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// By this node.
    Here {
        /// Under which term.
        term: Term,
    },
    /// By another one.
    There {
        /// Which.
        node: NodeId,
        /// Where it is reached.
        address: Address,
        /// What calls to it are signed with.
        call_key: CallKey,
        /// Under which term.
        term: Term,
    },
}

/// Why nobody answers for a partition group now. Waiting helps in each case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unrouted {
    /// No coordinator has said yet who owns what.
    #[error(
        "nothing is known of owners yet: this node has just started, or the broker does not answer it; try again"
    )]
    Unknown,
    /// It is given to nobody.
    #[error(
        "partition group {0} has no owner: its last one is gone, and no other node is there; start one, or try again"
    )]
    NoOwner(PartitionGroup),
    /// Its owner has still to open it.
    #[error("partition group {group} is being opened by node {node}: try again")]
    Opening {
        /// Which.
        group: PartitionGroup,
        /// By whom.
        node: NodeName,
    },
    /// Its owner gives it back, so that another one gets it.
    #[error("partition group {group} is on its way from node {node} to another one: try again")]
    Moving {
        /// Which.
        group: PartitionGroup,
        /// From whom.
        node: NodeName,
    },
    /// It is this node's, which has heard nothing of itself for too long to know whether it still is.
    #[error(
        "partition group {0} is this node's, and its beats do not come back: try again, or at another node"
    )]
    Suspended(PartitionGroup),
    /// The log has no such one.
    #[error("there is no partition group {0}")]
    Unfounded(PartitionGroup),
}

impl Unrouted {
    /// When to try again.
    #[must_use]
    pub const fn retry_after(&self) -> Duration {
        match self {
            Self::Opening { .. } | Self::Moving { .. } => Duration::from_millis(250),
            _ => Duration::from_secs(1),
        }
    }
}

/// Where every partition is served, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routes {
    groups: PartitionGroups,
    /// One for each partition group, in order.
    routes: Vec<Result<Route, Unrouted>>,
}

impl Routes {
    /// Before anything is known.
    #[must_use]
    pub fn unknown(groups: PartitionGroups) -> Self {
        Self { groups, routes: groups.all().map(|_| Err(Unrouted::Unknown)).collect() }
    }

    /// As a node sees them; `serving` says under which term it answers for a partition group itself.
    pub(crate) fn new(
        view: &View,
        me: &NodeId,
        serving: impl Fn(PartitionGroup) -> Option<Term>,
    ) -> Self {
        let groups = view.groups();
        let routes = groups.all().map(|group| route(view, me, group, serving(group)));
        Self { groups, routes: routes.collect() }
    }

    /// Where a partition is served.
    ///
    /// # Errors
    /// Nobody answers for it now.
    pub fn of(&self, partition: PartitionId) -> Result<&Route, Unrouted> {
        self.of_group(self.groups.of(partition))
    }

    /// Where a partition group is served.
    ///
    /// # Errors
    /// Nobody answers for it now.
    pub fn of_group(&self, group: PartitionGroup) -> Result<&Route, Unrouted> {
        let route = self.routes.get(usize::from(group.0)).ok_or(Unrouted::Unfounded(group))?;
        route.as_ref().map_err(Clone::clone)
    }

    /// Every partition group, and where it is served.
    pub fn iter(&self) -> impl Iterator<Item = (PartitionGroup, &Result<Route, Unrouted>)> {
        self.groups.all().zip(&self.routes)
    }
}

fn route(
    view: &View,
    me: &NodeId,
    group: PartitionGroup,
    serving: Option<Term>,
) -> Result<Route, Unrouted> {
    let assignment = view.assignment().ok_or(Unrouted::Unknown)?;
    let entry = assignment.entry(group).ok_or(Unrouted::Unfounded(group))?;
    let holder = entry.holder.as_ref().ok_or(Unrouted::NoOwner(group))?;
    let (node, term) = (&holder.node, entry.term);
    if holder.is_closing {
        return Err(Unrouted::Moving { group, node: node.name.clone() });
    }
    let is_open = view.report(node, group, term) == Some(HeldState::Serving);
    if node == me {
        return match serving {
            Some(serving) if serving == term => Ok(Route::Here { term }),
            _ if is_open => Err(Unrouted::Suspended(group)),
            _ => Err(Unrouted::Opening { group, node: node.name.clone() }),
        };
    }
    match view.living(node).filter(|_| is_open) {
        Some(member) => Ok(Route::There {
            node: node.clone(),
            address: member.address.clone(),
            call_key: member.call_key,
            term,
        }),
        None => Err(Unrouted::Opening { group, node: node.name.clone() }),
    }
}
