//! What was heard in the members' topic, and what is to be said of it.

use std::collections::{BTreeMap, BTreeSet};

use tidings_cluster::{
    Beat, HeldState, Holder, Life, NodeId, NodeName, Pace, PartitionGroup, PartitionGroups,
    RecordError, View,
};

use super::CHECK;
use crate::config::ClusterNode;
use crate::doctor::finding::Finding;

/// See the module.
pub(super) struct Heard {
    view: View,
    /// The lives of each node that said something while it was listened to.
    living: BTreeMap<NodeName, BTreeSet<Life>>,
    /// Records that are none of a node, and what is wrong with the last.
    unreadable: (u64, Option<RecordError>),
    /// Its end was not reached.
    pub(super) is_behind: bool,
}

impl Heard {
    /// Before the first record; `reads_all` says whether that is the first one of the topic.
    pub(super) fn new(reads_all: bool) -> Self {
        let view = View::new(PartitionGroups::ONE, &Pace::default(), reads_all);
        Self { view, living: BTreeMap::new(), unreadable: (0, None), is_behind: false }
    }

    /// A record that was there before.
    pub(super) fn before(&mut self, read: Result<Beat, RecordError>) {
        match read {
            Ok(beat) => self.view.watch(&beat),
            Err(error) => self.unreadable = (self.unreadable.0 + 1, Some(error)),
        }
    }

    /// A record that came while it was listened to.
    pub(super) fn now(&mut self, read: Result<Beat, RecordError>) {
        if let Ok(beat) = &read {
            self.living.entry(beat.node.name.clone()).or_default().insert(beat.node.life);
        }
        self.before(read);
    }

    /// What is to be said of it to whoever would start this node, or a service that is none.
    pub(super) fn judged(&self, own: Option<&ClusterNode>) -> Vec<Finding> {
        if self.is_behind {
            let why = "who owns the log cannot be told";
            let remedy = "look again when the broker has less to do";
            return vec![Finding::warn(CHECK, "its end was not reached in time", why, remedy)];
        }
        let mut findings = vec![self.nodes()];
        if !self.living.is_empty() {
            let groups = self.view.groups().all();
            findings.extend(groups.map(|group| self.owner(group)));
        }
        findings.extend(self.start(own));
        findings.extend(self.shared_names());
        findings.extend(self.foreign());
        findings
    }

    /// Who is there, and who was expected to be.
    fn nodes(&self) -> Finding {
        let places = self.view.members().map(|(name, member)| match self.living.get(name) {
            Some(_) if member.is_leaving => format!("{name} at {} leaves", member.address),
            Some(_) => format!("{name} at {}", member.address),
            None => format!("{name} was not heard"),
        });
        let places: Vec<String> = places.collect();
        if self.living.is_empty() {
            let before = if places.is_empty() { "none" } else { &places.join(", ") };
            return Finding::ok(CHECK, format!("no node runs; of the last hour: {before}"));
        }
        let told = places.join(", ");
        let listed = self.view.assignment().into_iter().flat_map(|known| &known.members);
        let silent = listed.filter(|node| !self.is_heard(node)).count();
        if silent == 0 {
            return Finding::ok(CHECK, told);
        }
        let why = "a node that the others do not hear is taken for dead: if it owned the log, another one takes over";
        let remedy = "look at that node, and at its way to the broker; look again in some seconds";
        Finding::warn(CHECK, told, why, remedy)
    }

    fn is_heard(&self, node: &NodeId) -> bool {
        self.living.get(&node.name).is_some_and(|lives| lives.contains(&node.life))
    }

    /// Who answers for a partition group.
    fn owner(&self, group: PartitionGroup) -> Finding {
        const CHECK: &str = "log's owner";
        let entry = self.view.assignment().and_then(|known| known.entry(group));
        let holder = entry.and_then(|entry| Some((entry.term, entry.holder.as_ref()?)));
        let Some((term, Holder { node, .. })) = holder else {
            let why = "nothing is published or delivered until a node is granted the log";
            let remedy =
                "look again in some seconds; then what the nodes log says why none opens it";
            return Finding::warn(CHECK, "no node owns it", why, remedy);
        };
        let held = self.view.living(node).into_iter().flat_map(|member| &member.held);
        let mut held = held.filter(|held| held.group == group && held.term == term);
        let state = held.next().map(|held| held.state);
        let (name, term) = (&node.name, term.0);
        if self.is_heard(node) && state == Some(HeldState::Serving) {
            return Finding::ok(CHECK, format!("{name}, by term {term}"));
        }
        let found = match state {
            _ if !self.is_heard(node) => format!("{name} by term {term}, which was not heard"),
            Some(HeldState::Failed) => format!("{name} by term {term}, which cannot open it"),
            _ => format!("{name} by term {term}, which does not serve it yet"),
        };
        let why = "nothing is published or delivered until a node serves the log";
        let remedy = "look again in some seconds; then what that node logs says why";
        Finding::warn(CHECK, found, why, remedy)
    }

    /// What a start by this configuration would do to those who are there.
    fn start(&self, own: Option<&ClusterNode>) -> Option<Finding> {
        const CHECK: &str = "cluster.node";
        let Some(ClusterNode { name, address }) = own else {
            let why = "a service that is no node takes the log by force when it starts";
            let remedy = "set `cluster.node` and `cluster.advertise`, or name another engine.pulsar.namespace";
            let found = "is empty, and nodes share this log";
            return (!self.living.is_empty()).then(|| Finding::warn(CHECK, found, why, remedy));
        };
        let lives = self.living.get(name)?;
        let known = self.view.member(name).filter(|known| lives.contains(&known.life))?;
        let why =
            "of two processes with one name the one that began later goes on, the other one ends";
        let remedy = "stop that process, or give this node a name of its own";
        let found = || format!("{name} runs already, at {}", known.address);
        (known.address != *address).then(|| Finding::warn(CHECK, found(), why, remedy))
    }

    fn shared_names(&self) -> Option<Finding> {
        let shared = self.living.iter().filter(|(_, lives)| lives.len() > 1);
        let shared: Vec<&str> = shared.map(|(name, _)| name.as_str()).collect();
        let why = "of two processes with one name the later one ends the other";
        let remedy = "give each node a `cluster.node` of its own; after a restart look again";
        (!shared.is_empty()).then(|| {
            let found = format!("two processes run as {}", shared.join(", "));
            Finding::warn("node names", found, why, remedy)
        })
    }

    fn foreign(&self) -> Option<Finding> {
        let (count, last) = &self.unreadable;
        let last = last.as_ref()?;
        let why = "nodes ignore them: they are damaged, or of somebody who is no node";
        let remedy = "give nobody else the right to write there; run one version on all nodes";
        let found = format!("{count} records of the topic cannot be read, the last one: {last}");
        Some(Finding::warn(CHECK, found, why, remedy))
    }
}
