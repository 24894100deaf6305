//! What a coordinator decides: the next assignment, out of what was read and of the one before.

use std::collections::BTreeMap;

use tidings_event::Term;

use crate::assignment::{Assignment, CoordinatorTerm, Entry, Gone, Holder};
use crate::node_id::{NodeId, NodeName};
use crate::pace::Pace;
use crate::partition_group::PartitionGroup;
use crate::record::HeldState;
use crate::spread::{Placed, spread};
use crate::view::{Member, View};

/// A node as the coordinator, for as long as it is.
#[derive(Debug)]
pub(crate) struct Coordinator {
    pace: Pace,
    /// The last that was decided, read back or not.
    current: Assignment,
    /// Own beats that came back as time.
    time: u32,
    /// Since when holders are told to close.
    closing: BTreeMap<PartitionGroup, u32>,
    /// Who could not open what, and when it was last heard of that.
    failed: BTreeMap<PartitionGroup, (NodeId, u32)>,
    /// Lives that were taken for dead, and their last beats then.
    given_up: BTreeMap<NodeId, u64>,
    /// Somebody that was given up had said more: what was decided is not in force.
    is_refused: bool,
}

impl Coordinator {
    /// Begins where the assignment in force is.
    pub(crate) fn new(view: &View, pace: Pace) -> Self {
        Self {
            pace,
            current: Assignment { by: view.term(), version: 0, ..in_force(view) },
            time: 0,
            closing: BTreeMap::new(),
            failed: BTreeMap::new(),
            given_up: BTreeMap::new(),
            is_refused: false,
        }
    }

    /// Under which term.
    pub(crate) fn term(&self) -> CoordinatorTerm {
        self.current.by
    }

    /// What its beats say; nothing before the first decision.
    pub(crate) fn assignment(&self) -> Option<&Assignment> {
        (self.current.version > 0).then_some(&self.current)
    }

    /// An own beat came back that counts as time.
    pub(crate) fn pass_time(&mut self) {
        self.time = self.time.saturating_add(1);
    }

    /// An own assignment came back and is not in force: the newest one has to be decided again.
    pub(crate) fn refused(&mut self, version: u64) {
        self.is_refused |= version == self.current.version;
    }

    /// Decides anew; `true` when that says something else than before.
    pub(crate) fn decide(&mut self, view: &View) -> bool {
        let is_refused = std::mem::take(&mut self.is_refused);
        if is_refused {
            self.given_up.clear();
            self.current.entries = in_force(view).entries;
        }
        let alive: Vec<(NodeId, &Member)> = view.alive().collect();
        let mut entries = self.current.entries.clone();
        for (group, entry) in view.groups().all().zip(&mut entries) {
            self.take_back(view, group, entry);
        }
        self.failed.retain(|_, (node, _)| view.is_alive(node));
        self.give(view, &alive, &mut entries);
        let members = alive.into_iter().map(|(node, _)| node).collect();
        let next = Assignment { members, entries, ..self.current.clone() };
        if next.agrees(&self.current) && self.current.version > 0 && !is_refused {
            return false;
        }
        let (version, gone) = (next.version + 1, self.gone(view));
        self.current = Assignment { version, gone, ..next };
        true
    }

    /// Takes a partition group back from a holder that is dead, or that is done with it.
    fn take_back(&mut self, view: &View, group: PartitionGroup, entry: &mut Entry) {
        let Some(Holder { node, is_closing }) = &entry.holder else { return };
        let report = view.report(node, group, entry.term);
        let since = self.closing.get(&group).copied().unwrap_or(self.time);
        let is_over = if !view.is_alive(node) {
            if let Some(member) = view.living(node) {
                self.given_up.entry(node.clone()).or_insert(member.number);
            }
            true
        } else if report == Some(HeldState::Failed) {
            self.failed.insert(group, (node.clone(), self.time));
            true
        } else {
            matches!(report, Some(HeldState::Ended | HeldState::Outdated { .. }))
                || *is_closing && self.time - since > self.pace.closing_max
        };
        if is_over {
            entry.holder = None;
            self.closing.remove(&group);
        }
    }

    /// Gives what is free, and has holders close what is to move.
    fn give(&mut self, view: &View, alive: &[(NodeId, &Member)], entries: &mut [Entry]) {
        let staying: Vec<&(NodeId, &Member)> =
            alive.iter().filter(|(_, member)| !member.is_leaving).collect();
        let wanted = self.wanted(view, &staying, entries);
        let leaves = |node: &NodeId| !staying.iter().any(|(known, _)| known == node);
        let moving = |entry: &&Entry| {
            entry.holder.as_ref().is_some_and(|by| by.is_closing && !leaves(&by.node))
        };
        let under_way = entries.iter().filter(moving).count();
        let is_steady = staying.iter().all(|(_, member)| member.steady >= self.pace.steady_min);
        let mut moves = if is_steady { self.pace.moves_max.saturating_sub(under_way) } else { 0 };
        for ((group, entry), to) in view.groups().all().zip(&mut *entries).zip(wanted) {
            match (&mut entry.holder, to) {
                (Some(holder), _) if holder.is_closing => {}
                (Some(holder), to) => {
                    let is_moved = to.is_some_and(|(to, _)| *to != holder.node) && moves > 0;
                    if leaves(&holder.node) {
                        holder.is_closing = true;
                    } else if is_moved {
                        (holder.is_closing, moves) = (true, moves - 1);
                    }
                    if holder.is_closing {
                        self.closing.insert(group, self.time);
                    }
                }
                (holder @ None, Some((node, member))) if self.may_have(group, node, member) => {
                    let newest = entry.term.max(view.newest_term(group));
                    entry.term = Term(newest.0.saturating_add(1));
                    *holder = Some(Holder { node: node.clone(), is_closing: false });
                }
                (None, _) => {}
            }
        }
    }

    /// Who is to have each partition group; nobody when there is nobody.
    fn wanted<'a>(
        &self,
        view: &View,
        staying: &[&'a (NodeId, &'a Member)],
        entries: &[Entry],
    ) -> Vec<Option<(&'a NodeId, &'a Member)>> {
        let place = |node: &NodeId| staying.iter().position(|(known, _)| known == node);
        let groups = view.groups().all().zip(entries).map(|(group, entry)| match &entry.holder {
            Some(Holder { node, is_closing: true }) => Placed { holder: None, avoid: place(node) },
            by => Placed {
                holder: by.as_ref().and_then(|holder| place(&holder.node)),
                avoid: self.failed.get(&group).and_then(|(node, _)| place(node)),
            },
        });
        let names: Vec<&NodeName> = staying.iter().map(|(node, _)| &node.name).collect();
        let mut places = spread(&groups.collect::<Vec<_>>(), &names).into_iter();
        let next = |_| {
            let (node, member) = staying.get(places.next()?)?;
            Some((node, *member))
        };
        entries.iter().map(next).collect()
    }

    /// Whether a node is given something now: not before it is heard of, nor right after it failed with that.
    fn may_have(&self, group: PartitionGroup, node: &NodeId, member: &Member) -> bool {
        let failed = self.failed.get(&group).filter(|(failed, _)| failed == node);
        let is_early = failed.is_some_and(|(_, at)| self.time - at < self.pace.steady_min);
        member.is_heard && !is_early
    }

    /// Lives that lose what they hold by the assignment in force because they were taken for dead.
    fn gone(&mut self, view: &View) -> Vec<Gone> {
        let in_force = in_force(view);
        let holders: Vec<&NodeId> =
            in_force.entries.iter().flat_map(|e| &e.holder).map(|holder| &holder.node).collect();
        self.given_up.retain(|node, _| holders.contains(&node));
        let gone = self.given_up.iter();
        gone.map(|(node, number)| Gone { node: node.clone(), number: *number }).collect()
    }
}

fn in_force(view: &View) -> Assignment {
    view.assignment().cloned().unwrap_or_else(|| Assignment::empty(view.groups()))
}
