//! What the records of the members' topic come to, one after the other. Everybody who reads them makes the same of
//! them, but for how long others have been silent: that each counts in beats of its own.

use std::collections::BTreeMap;

use tidings_event::Term;

use crate::assignment::{Assignment, CoordinatorTerm, Gone};
use crate::node_id::{Address, CallKey, Life, NodeId, NodeName};
use crate::pace::Pace;
use crate::partition_group::{PartitionGroup, PartitionGroups};
use crate::record::{Beat, Held, HeldState};

/// Most members: a further node is not heard until one of them is gone.
pub const MEMBERS_MAX: usize = 64;
/// Records after which a member makes room for another: as many as all of them write in some seconds.
const ROOM_AFTER: u64 = 16 * MEMBERS_MAX as u64;

/// A node, as its last beat says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Which life of it.
    pub life: Life,
    /// Of its last beat.
    pub number: u64,
    /// Where it is reached.
    pub address: Address,
    /// What calls to it are signed with.
    pub call_key: CallKey,
    /// Whether it wants to give back what it holds.
    pub is_leaving: bool,
    /// How it is with its grants.
    pub held: Vec<Held>,
    /// Beats of the reader since its last one.
    pub silent: u32,
    /// Beats of the reader since it is there without a longer silence.
    pub steady: u32,
    /// Whether it has beaten since the reader's own first beat: what it said before may be from long ago.
    pub is_heard: bool,
    pace: u64,
    /// The reader saw it join: only who joins later can replace it.
    has_joined: bool,
    heard_at: u64,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct View {
    groups: PartitionGroups,
    silent_max: u32,
    members: BTreeMap<NodeName, Member>,
    coordinator: Option<NodeId>,
    term: CoordinatorTerm,
    /// The highest that was claimed, counted or not.
    claimed: CoordinatorTerm,
    assignment: Option<Assignment>,
    /// Whether claims can be judged: none that may have come before is unknown.
    judges_claims: bool,
    /// The reader's own paced beats.
    time: u32,
    forgotten_after: u32,
    /// All that were read, whether they counted or not.
    records: u64,
}

/// What a beat that was read meant to its reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// It was not of a life that is over, or read before.
    pub(crate) counts: bool,
    /// It was the reader's own, and counts as time.
    pub(crate) is_time: bool,
    /// What it had of an assignment is in force.
    pub(crate) is_assigned: bool,
}

impl View {
    /// Before the first record; `reads_all` says whether that is the first one of the topic.
    #[must_use]
    pub fn new(groups: PartitionGroups, pace: &Pace, reads_all: bool) -> Self {
        Self {
            groups,
            silent_max: pace.silent_max,
            members: BTreeMap::new(),
            coordinator: None,
            term: CoordinatorTerm::default(),
            claimed: CoordinatorTerm::default(),
            assignment: None,
            judges_claims: reads_all,
            time: 0,
            forgotten_after: pace.forgotten_after,
            records: 0,
        }
    }

    /// The partition groups of the log.
    #[must_use]
    pub const fn groups(&self) -> PartitionGroups {
        self.groups
    }

    /// All that were heard of lately and have not been replaced, dead ones included, in order of their names.
    pub fn members(&self) -> impl Iterator<Item = (&NodeName, &Member)> {
        self.members.iter()
    }

    /// A node in the life that it was heard in last.
    #[must_use]
    pub fn member(&self, name: &NodeName) -> Option<&Member> {
        self.members.get(name)
    }

    /// Who is the coordinator, dead or alive, and its term.
    #[must_use]
    pub const fn coordinator(&self) -> Option<(&NodeId, CoordinatorTerm)> {
        match &self.coordinator {
            Some(node) => Some((node, self.term)),
            None => None,
        }
    }

    /// The newest term of a coordinator.
    #[must_use]
    pub const fn term(&self) -> CoordinatorTerm {
        self.term
    }

    /// The term for who claims now.
    pub(crate) fn next_term(&self) -> CoordinatorTerm {
        CoordinatorTerm(self.term.max(self.claimed).0.saturating_add(1))
    }

    /// The assignment in force.
    #[must_use]
    pub const fn assignment(&self) -> Option<&Assignment> {
        self.assignment.as_ref()
    }

    /// The life of a node, when it goes on.
    #[must_use]
    pub fn living(&self, node: &NodeId) -> Option<&Member> {
        self.members.get(&node.name).filter(|member| member.life == node.life)
    }

    /// Whether a life goes on, and was not silent for too long.
    #[must_use]
    pub fn is_alive(&self, node: &NodeId) -> bool {
        self.living(node).is_some_and(|member| member.silent < self.silent_max)
    }

    /// Lives that go on, in order of their names.
    pub(crate) fn alive(&self) -> impl Iterator<Item = (NodeId, &Member)> {
        let alive = self.members.iter().filter(|(_, member)| member.silent < self.silent_max);
        alive.map(|(name, member)| (NodeId { name: name.clone(), life: member.life }, member))
    }

    /// How a node is with the grant of a term.
    pub(crate) fn report(
        &self,
        node: &NodeId,
        group: PartitionGroup,
        term: Term,
    ) -> Option<HeldState> {
        let held = self.living(node)?.held.iter().find(|held| held.group == group)?;
        (held.term == term).then_some(held.state)
    }

    /// The newest term that anybody says of a partition group.
    pub(crate) fn newest_term(&self, group: PartitionGroup) -> Term {
        let held = self.members.values().flat_map(|member| &member.held);
        let terms = held.filter(|held| held.group == group).map(|held| match held.state {
            HeldState::Outdated { newest } => newest.max(held.term),
            _ => held.term,
        });
        terms.max().unwrap_or_default()
    }

    /// Takes in the next record, as one who is no member: nobody ever becomes silent for it.
    pub fn watch(&mut self, beat: &Beat) {
        // A life that beats is never this one: its own beats are what would count as time.
        let nobody = NodeId { life: Life(!beat.node.life.0), name: beat.node.name.clone() };
        let _meaning = self.take(beat, &nobody);
    }

    /// Takes in the next record, as `reader` reads it.
    pub(crate) fn take(&mut self, beat: &Beat, reader: &NodeId) -> Taken {
        self.records += 1;
        self.forget();
        if !self.is_of_a_life_that_goes_on(beat) {
            return Taken::default();
        }
        let before = self.members.get(&beat.node.name);
        let paced = before.filter(|member| member.life == beat.node.life);
        let is_first = beat.node == *reader && paced.is_none();
        let is_time = beat.node == *reader && beat.pace > paced.map_or(0, |member| member.pace);
        self.note(beat);
        if is_first {
            let others = self.members.iter_mut().filter(|(name, _)| **name != reader.name);
            others.for_each(|(_, member)| member.is_heard = false);
        }
        if is_time {
            self.pass_time(reader);
        }
        if let Some(claim) = beat.claim {
            self.claim(&beat.node, claim);
        }
        let is_assigned = beat.assignment.as_ref().is_some_and(|new| self.assign(&beat.node, new));
        Taken { counts: true, is_time, is_assigned }
    }

    fn is_of_a_life_that_goes_on(&mut self, beat: &Beat) -> bool {
        let NodeId { name, life } = &beat.node;
        match self.members.get(name) {
            // The topic may hold one message twice.
            Some(known) if known.life == *life => beat.number > known.number,
            // A life that began long ago may be heard of late: it knows of none that came meanwhile.
            Some(known) => beat.is_joining && beat.after == Some(known.life),
            None => {
                let listed = self.listed(name).filter(|_| !beat.is_joining);
                listed.is_none_or(|listed| listed == *life) && self.has_room()
            }
        }
    }

    /// The life of a node that the coordinator takes for alive.
    fn listed(&self, name: &NodeName) -> Option<Life> {
        let mut members = self.assignment.iter().flat_map(|assignment| &assignment.members);
        members.find(|member| member.name == *name).map(|member| member.life)
    }

    /// Makes room for one more member, at the cost of the one that was not heard of for longest. Who is silent each
    /// reader counts for itself; this all have to see alike.
    fn has_room(&mut self) -> bool {
        if self.members.len() < MEMBERS_MAX {
            return true;
        }
        let Some((name, member)) = self.members.iter().min_by_key(|(_, member)| member.heard_at)
        else {
            return true;
        };
        if self.records - member.heard_at < ROOM_AFTER {
            return false;
        }
        let name = name.clone();
        self.members.remove(&name);
        true
    }

    /// Forgets lives of which nobody who begins to read now could know.
    fn forget(&mut self) {
        let (records, after) = (self.records, u64::from(self.forgotten_after));
        self.members.retain(|_, member| records - member.heard_at <= after);
    }

    fn note(&mut self, beat: &Beat) {
        let known = self.members.get(&beat.node.name).filter(|known| known.life == beat.node.life);
        let goes_on = known.filter(|known| known.silent < self.silent_max);
        let goes_on = goes_on.map_or(0, |known| known.steady);
        let has_joined = beat.is_joining || known.is_some_and(|known| known.has_joined);
        let member = Member {
            life: beat.node.life,
            number: beat.number,
            address: beat.address.clone(),
            call_key: beat.call_key,
            is_leaving: beat.is_leaving,
            held: beat.held.clone(),
            silent: 0,
            steady: goes_on,
            is_heard: true,
            pace: beat.pace,
            has_joined,
            heard_at: self.records,
        };
        self.members.insert(beat.node.name.clone(), member);
    }

    /// The reader has beaten once more.
    fn pass_time(&mut self, reader: &NodeId) {
        self.time = self.time.saturating_add(1);
        // Whoever claimed before would have been heard of.
        self.judges_claims |= self.time >= self.silent_max;
        for (name, member) in &mut self.members {
            member.steady = member.steady.saturating_add(1);
            if *name != reader.name {
                member.silent = member.silent.saturating_add(1);
            }
        }
    }

    /// Of two that claim one term the first one has it: who may not have seen the first cannot judge the second.
    fn claim(&mut self, sender: &NodeId, term: CoordinatorTerm) {
        self.claimed = self.claimed.max(term);
        if self.judges_claims && term > self.term {
            (self.term, self.coordinator) = (term, Some(sender.clone()));
        }
    }

    /// Whether an assignment is in force from here on.
    fn assign(&mut self, sender: &NodeId, new: &Assignment) -> bool {
        if new.entries.len() != self.groups.count() {
            return false;
        }
        // Who reads from the middle on may have missed the claim; nobody assigns before its own has counted.
        let is_late = new.by > self.term;
        let is_coordinator = new.by == self.term && self.coordinator.as_ref() == Some(sender);
        if !is_late && !is_coordinator {
            return false;
        }
        let known = self.assignment.as_ref().map(|known| (known.by, known.version));
        match known.cmp(&Some((new.by, new.version))) {
            std::cmp::Ordering::Greater => return false,
            // Repeated, so that whoever comes later reads it, too.
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => {}
        }
        if !is_late && new.gone.iter().any(|gone| self.has_said_more(gone)) {
            return false;
        }
        if is_late {
            // Lives that were over before the reader began are told by who is listed.
            self.members.retain(|name, member| {
                let listed = new.members.iter().find(|listed| listed.name == *name);
                member.has_joined || listed.is_none_or(|listed| listed.life == member.life)
            });
            (self.term, self.coordinator) = (new.by, Some(sender.clone()));
        }
        self.judges_claims = true;
        self.assignment = Some(new.clone());
        true
    }

    fn has_said_more(&self, gone: &Gone) -> bool {
        self.living(&gone.node).is_some_and(|member| member.number > gone.number)
    }
}
