//! What a node does with its grants: which partition groups it opens, answers for and closes.

use std::collections::BTreeMap;

use tidings_event::Term;

use crate::assignment::Assignment;
use crate::node::{Closing, Output};
use crate::node_id::NodeId;
use crate::partition_group::PartitionGroup;
use crate::record::{Held, HeldState};

/// The partition groups that a node has to do with, each under one term.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holdings(BTreeMap<PartitionGroup, (Term, HeldState)>);

impl Holdings {
    /// For a beat.
    pub(crate) fn held(&self) -> Vec<Held> {
        let held = self.0.iter();
        held.map(|(group, (term, state))| Held { group: *group, term: *term, state: *state })
            .collect()
    }

    /// The term under which a partition group is answered for.
    pub(crate) fn serving(&self, group: PartitionGroup) -> Option<Term> {
        let (term, state) = self.0.get(&group)?;
        (*state == HeldState::Serving).then_some(*term)
    }

    /// Whether nothing is open.
    pub(crate) fn is_empty(&self) -> bool {
        !self.0.values().any(|(_, state)| is_open(*state))
    }

    /// Does what an assignment says. Without a lease nothing is opened: it may be an old word.
    pub(crate) fn follow(
        &mut self,
        assignment: &Assignment,
        me: &NodeId,
        has_lease: bool,
        out: &mut Vec<Output>,
    ) {
        for (group, entry) in assignment.by_group() {
            let granted = entry.granted_to(me);
            let mine = entry.holder.as_ref().is_some_and(|holder| holder.node == *me);
            match self.0.get(&group).copied() {
                Some((term, HeldState::Opening | HeldState::Serving)) if granted != Some(term) => {
                    // Under a later term somebody else may be at it already.
                    let in_order = mine && entry.term == term;
                    self.close(group, term, in_order, out);
                }
                Some((_, HeldState::Opening | HeldState::Serving | HeldState::Closing)) => {}
                // Said until the coordinator has taken note.
                Some((term, _)) if mine && entry.term == term => {}
                // It was to be closed before it was opened.
                _ if mine && granted.is_none() => {
                    self.0.insert(group, (entry.term, HeldState::Ended));
                    out.push(Output::Rerouted);
                }
                Some(_) if granted.is_none() => {
                    self.0.remove(&group);
                }
                _ => {
                    if let Some(term) = granted.filter(|_| has_lease) {
                        self.0.insert(group, (term, HeldState::Opening));
                        out.push(Output::Open { group, term });
                    }
                }
            }
        }
    }

    /// Gives up all that is open.
    pub(crate) fn close_all(&mut self, out: &mut Vec<Output>) {
        let open: Vec<_> =
            self.0.iter().map(|(group, (term, state))| (*group, *term, *state)).collect();
        for (group, term, state) in open {
            if matches!(state, HeldState::Opening | HeldState::Serving) {
                self.close(group, term, false, out);
            }
        }
    }

    fn close(&mut self, group: PartitionGroup, term: Term, in_order: bool, out: &mut Vec<Output>) {
        self.0.insert(group, (term, HeldState::Closing));
        let how = if in_order { Closing::InOrder } else { Closing::AtOnce };
        out.push(Output::Close { group, term, how });
    }

    /// Takes note of how it is with a grant; `false` when that is not under way any more.
    pub(crate) fn became(&mut self, group: PartitionGroup, of: Term, state: HeldState) -> bool {
        match self.0.get_mut(&group) {
            // What opens while it is to be closed ends after that.
            Some((_, HeldState::Closing)) if state == HeldState::Serving => false,
            Some((term, known)) if *term == of && is_open(*known) => {
                *known = state;
                true
            }
            _ => false,
        }
    }
}

fn is_open(state: HeldState) -> bool {
    matches!(state, HeldState::Opening | HeldState::Serving | HeldState::Closing)
}
