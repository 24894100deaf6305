//! How partition groups are spread over nodes: fair shares, and as few moves as they allow.

use xxhash_rust::xxh3::xxh3_64;

use crate::node_id::NodeName;
use crate::partition_group::PartitionGroup;

/// A partition group that is to be spread: nodes by their places in the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Who has it and may keep it.
    pub(crate) holder: Option<usize>,
    /// Who is given it only when there is nobody else.
    pub(crate) avoid: Option<usize>,
}

/// Who is to have each partition group, as places in `nodes`; empty without a node.
///
/// Every node gets its share, which is the same for all but one partition group; whoever has more keeps those that are
/// nearest to it, and the others go to whoever is nearest and has room. So nothing moves that need not. To avoid a node
/// may cost another one more than its share.
pub(crate) fn spread(groups: &[Placed], nodes: &[&NodeName]) -> Vec<usize> {
    if nodes.is_empty() {
        return Vec::new();
    }
    let mut holders: Vec<Option<usize>> =
        groups.iter().map(|placed| placed.holder.filter(|at| *at < nodes.len())).collect();
    let mut loads = vec![0usize; nodes.len()];
    holders.iter().flatten().for_each(|at| loads[*at] += 1);
    let quotas = quotas(groups.len(), &loads);
    for node in 0..nodes.len() {
        let surplus = loads[node].saturating_sub(quotas[node]);
        let mut held: Vec<usize> =
            (0..groups.len()).filter(|group| holders[*group] == Some(node)).collect();
        held.sort_by_key(|group| (groups[*group].avoid.is_some(), nearness(nodes[node], *group)));
        for group in held.into_iter().take(surplus) {
            holders[group] = None;
            loads[node] -= 1;
        }
    }
    let mut given = Vec::with_capacity(groups.len());
    for (group, placed) in groups.iter().enumerate() {
        let node = holders[group].unwrap_or_else(|| {
            let node = nearest(group, placed.avoid, nodes, (&loads, &quotas));
            loads[node] += 1;
            node
        });
        given.push(node);
    }
    given
}

/// How many each node may have: who has the most gets what does not come out even.
fn quotas(groups: usize, loads: &[usize]) -> Vec<usize> {
    let (even, rest) = (groups / loads.len(), groups % loads.len());
    let mut order: Vec<usize> = (0..loads.len()).collect();
    order.sort_by_key(|node| std::cmp::Reverse(loads[*node]));
    let mut quotas = vec![even; loads.len()];
    order.into_iter().take(rest).for_each(|node| quotas[node] += 1);
    quotas
}

/// Who gets a partition group that is free.
fn nearest(
    group: usize,
    avoid: Option<usize>,
    nodes: &[&NodeName],
    (loads, quotas): (&[usize], &[usize]),
) -> usize {
    let wanted = |node: &usize| Some(*node) != avoid;
    let near = |node: &usize| nearness(nodes[*node], group);
    let with_room = (0..nodes.len()).filter(|node| loads[*node] < quotas[*node]);
    let fewest = |node: &usize| (std::cmp::Reverse(loads[*node]), near(node));
    with_room
        .filter(wanted)
        .max_by_key(near)
        .or_else(|| (0..nodes.len()).filter(wanted).max_by_key(fewest))
        // It is the only node there is.
        .unwrap_or(0)
}

/// Rendezvous weight: the same wherever it is asked.
fn nearness(node: &NodeName, group: usize) -> u64 {
    // At most 16.
    let group = PartitionGroup(u8::try_from(group).unwrap_or(u8::MAX));
    let mut key = Vec::with_capacity(node.as_str().len() + 1);
    key.extend_from_slice(node.as_str().as_bytes());
    key.push(group.0);
    xxh3_64(&key)
}

#[cfg(test)]
mod tests;
