//! Who is in a cluster, and who owns what, as one of its nodes knows it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /api/v1/cluster`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClusterDocument {
    /// The node that answers; empty for a service that is alone.
    pub node: String,
    /// Whether its own beats come back: without that it owns nothing, and what it says of others is old.
    pub in_touch: bool,
    /// Who gives the grants; absent when nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coordinator: Option<String>,
    /// Every node that was heard of lately, in the order of their names.
    pub members: Vec<ClusterMemberDocument>,
    /// Every partition group, in order.
    pub partition_groups: Vec<PartitionGroupDocument>,
}

/// A node as another one hears it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClusterMemberDocument {
    /// Its name.
    pub node: String,
    /// Which run of it, as hexadecimal digits: another one after each restart.
    pub life: String,
    /// Where clients reach it.
    pub url: String,
    /// Beats of the node that answers since its last one; two a second.
    pub silent_beats: u32,
    /// Whether it is taken for alive.
    pub alive: bool,
    /// Whether it gives up what it holds.
    pub leaving: bool,
}

/// Partitions with one owner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartitionGroupDocument {
    /// Its number.
    pub partition_group: u8,
    /// Of the last grant; 0 before the first.
    pub term: u64,
    /// Whose that is; absent when it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Where clients reach the owner; absent when it does not answer yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `serving`; else `unknown`, `vacant`, `opening`, `moving` or `suspended`.
    pub state: String,
}
