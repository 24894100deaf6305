//! A cluster in one thread: a topic that keeps an order, logs that know their newest term, nodes that run, freeze, are
//! cut off and die. What must hold at every moment is checked at every moment.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tidings_cluster::{
    Address, Assignment, Beat, CallKey, Closing, Identity, Input, Life, Node, NodeId, NodeName,
    Output, Pace, PartitionGroup, PartitionGroups, Route, Routes, View,
};
use tidings_event::Term;

/// How far time goes on at once.
const STEP: Duration = Duration::from_millis(50);
/// Records that are read at least by who begins in the middle.
pub(crate) const BACK: u32 = 300;
/// Most from sending to being stored, and from there to the receipt.
const STORED_MAX: u64 = 90;
/// What an opening and a close take.
const OPENED: Duration = Duration::from_millis(400);
const CLOSED: Duration = Duration::from_millis(200);

/// What a log knows of its owners.
#[derive(Default)]
struct Log {
    newest: Term,
    by: Option<NodeId>,
}

/// Something that will have happened to a node.
struct Later {
    at: Duration,
    input: Input,
}

/// One process.
pub(crate) struct Process {
    pub(crate) node: Node,
    pub(crate) is_frozen: bool,
    pub(crate) is_cut: bool,
    pub(crate) is_leaving: bool,
    pub(crate) has_left: bool,
    pub(crate) was_replaced: bool,
    /// The next record of the topic to be read.
    next: usize,
    later: VecDeque<Later>,
    /// A beat that waits for the connection.
    unsent: Option<Box<Beat>>,
    /// Since when it does not answer for what it holds.
    pub(crate) is_suspended: bool,
}

impl Process {
    fn expect(&mut self, later: Later) {
        let at = self.later.partition_point(|known| known.at <= later.at);
        self.later.insert(at, later);
    }
}

/// See the module.
pub(crate) struct World {
    pub(crate) now: Duration,
    groups: PartitionGroups,
    pace: Pace,
    topic: Vec<(Duration, Beat)>,
    logs: BTreeMap<PartitionGroup, Log>,
    pub(crate) processes: BTreeMap<usize, Process>,
    lives: u64,
    /// Nobody reaches the topic.
    pub(crate) is_down: bool,
    /// Opening fails for these.
    pub(crate) failing: Vec<(usize, PartitionGroup)>,
    /// Of the assignments that came into force: how many grants each made of a holder into another.
    pub(crate) granted: usize,
    /// What came into force last, as whoever reads all sees it.
    witness: (View, usize),
    /// Where everybody finds everything now.
    routes: BTreeMap<usize, Routes>,
    /// Since when grants are not in force any more.
    superseded: BTreeMap<(PartitionGroup, Term), Duration>,
    /// What is by chance: how long things take, and how far who reads comes at once.
    chance: u64,
}

fn name(of: usize) -> NodeName {
    NodeName::new(&format!("node-{of}")).unwrap()
}

impl World {
    pub(crate) fn new(groups: u32, chance: u64) -> Self {
        let pace = Pace { forgotten_after: BACK, ..Pace::default() }.checked().unwrap();
        let groups = PartitionGroups::new(groups).unwrap();
        Self {
            now: Duration::from_secs(1),
            groups,
            pace,
            topic: vec![],
            logs: groups.all().map(|group| (group, Log::default())).collect(),
            processes: BTreeMap::new(),
            lives: 0,
            is_down: false,
            failing: vec![],
            granted: 0,
            witness: (View::new(groups, &pace, true), 0),
            routes: BTreeMap::new(),
            superseded: BTreeMap::new(),
            chance,
        }
    }

    /// Starts a process; one that runs under this name is killed before. `back` records are not read any more.
    pub(crate) fn start(&mut self, of: usize, back: Option<usize>) {
        self.kill(of);
        self.lives += 1;
        let node = NodeId { name: name(of), life: Life(self.lives) };
        let address = Address::new(&format!("node-{of}:8080")).unwrap();
        let identity = Identity { node, address, call_key: CallKey([of as u8; 32]) };
        let next = back.map_or(0, |back| self.topic.len().saturating_sub(back));
        let node = Node::new(identity, self.groups, self.pace, next == 0, self.now);
        let process = Process {
            node,
            is_frozen: false,
            is_cut: false,
            is_leaving: false,
            has_left: false,
            was_replaced: false,
            next,
            later: VecDeque::new(),
            unsent: None,
            is_suspended: true,
        };
        self.processes.insert(of, process);
    }

    pub(crate) fn kill(&mut self, of: usize) {
        self.processes.remove(&of);
    }

    pub(crate) fn freeze(&mut self, of: usize) {
        if let Some(process) = self.processes.get_mut(&of) {
            process.is_frozen = true;
        }
    }

    pub(crate) fn thaw(&mut self, of: usize) {
        if let Some(process) = self.processes.get_mut(&of) {
            process.is_frozen = false;
        }
    }

    pub(crate) fn leave(&mut self, of: usize) {
        if let Some(process) = self.processes.get_mut(&of).filter(|process| !process.is_frozen) {
            process.is_leaving = true;
            self.tell(of, Input::Leave);
        }
    }

    /// Loses what was open of a partition group, as when the broker ends it.
    pub(crate) fn lose(&mut self, group: PartitionGroup) {
        self.find();
        if let Some((of, term)) = self.owner(group) {
            self.tell(of, Input::Ended { group, term });
            self.find();
        }
    }

    /// Forgets the topic: as when it was kept for too short a time.
    pub(crate) fn forget_topic(&mut self) {
        self.topic.clear();
        self.processes.clear();
        self.superseded.clear();
        self.witness = (View::new(self.groups, &self.pace, true), 0);
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += STEP;
            let all: Vec<usize> = self.processes.keys().copied().collect();
            for of in all {
                self.turn(of);
            }
            self.look();
        }
    }

    /// Lets time pass until something holds; says how much that was.
    pub(crate) fn until(&mut self, most: Duration, holds: impl Fn(&Self) -> bool) -> Duration {
        let began = self.now;
        self.find();
        while !holds(self) {
            assert!(self.now - began <= most, "not within {most:?}: {}", self.shown());
            self.run(STEP);
        }
        self.now - began
    }

    fn turn(&mut self, of: usize) {
        if self.processes.get(&of).is_none_or(|process| process.is_frozen) {
            return;
        }
        let now = self.now;
        let due = |process: &mut Process| process.later.pop_front_if(|later| later.at <= now);
        while let Some(later) = self.processes.get_mut(&of).and_then(due) {
            self.tell(of, later.input);
        }
        loop {
            let Some(process) = self.processes.get_mut(&of) else { return };
            let is_cut = process.is_cut || self.is_down;
            let next = self.topic.get(process.next).filter(|(at, _)| !is_cut && *at <= now);
            let Some((_, beat)) = next.cloned() else { break };
            let left = self.topic.len() - process.next;
            if left < 12 && self.roll(6) == 0 {
                // The rest is read the next time.
                break;
            }
            let Some(process) = self.processes.get_mut(&of) else { return };
            process.next += 1;
            // Through its bytes, as it would come.
            let read = Beat::decode(&beat.encode()).unwrap();
            assert_eq!(read, beat);
            self.tell(of, Input::Read(Box::new(read)));
        }
        self.send(of);
        self.tell(of, Input::Tick);
    }

    fn tell(&mut self, of: usize, input: Input) {
        let now = self.now;
        let Some(process) = self.processes.get_mut(&of) else { return };
        let outputs = process.node.step(input, now);
        for output in outputs {
            self.obey(of, output);
        }
    }

    fn obey(&mut self, of: usize, output: Output) {
        let now = self.now;
        let Some(process) = self.processes.get_mut(&of) else { return };
        let after = |time: Duration, input| Later { at: now + time, input };
        match output {
            Output::Send(beat) => {
                assert!(process.unsent.replace(beat).is_none(), "one beat is under way at a time");
                self.send(of);
            }
            Output::Open { group, term } => {
                let input = self.open(of, group, term);
                let Some(process) = self.processes.get_mut(&of) else { return };
                process.expect(after(OPENED, input));
            }
            Output::Close { group, term, how } => {
                let time = if how == Closing::InOrder { CLOSED } else { STEP };
                process.expect(after(time, Input::Ended { group, term }));
            }
            Output::Suspend => process.is_suspended = true,
            Output::Resume => process.is_suspended = false,
            Output::Replaced => process.was_replaced = true,
            Output::Left => process.has_left = true,
            Output::Rerouted => {}
        }
    }

    /// Takes a log as an owner does: what its topic says decides, whoever granted what.
    fn open(&mut self, of: usize, group: PartitionGroup, term: Term) -> Input {
        let node = self.processes[&of].node.identity().node.clone();
        let log = self.logs.get_mut(&group).unwrap();
        let superseded = self.superseded.get(&(group, term)).map(|at| self.now - *at);
        assert!(
            superseded.is_none_or(|age| age <= self.pace.lease),
            "opened on an old word: {group}"
        );
        if self.failing.contains(&(of, group)) {
            return Input::Failed { group, term };
        }
        if log.newest >= term {
            let newest = log.newest;
            return Input::Outdated { group, term, newest };
        }
        (log.newest, log.by) = (term, Some(node));
        Input::Opened { group, term }
    }

    fn send(&mut self, of: usize) {
        let Some(process) = self.processes.get_mut(&of) else { return };
        if process.is_cut || self.is_down {
            return;
        }
        let Some(beat) = process.unsent.take() else { return };
        let (stored, told) = (1 + self.roll(STORED_MAX), self.roll(STORED_MAX));
        let at = self.now + Duration::from_millis(stored);
        if let Some(process) = self.processes.get_mut(&of) {
            process.expect(Later { at: at + Duration::from_millis(told), input: Input::Stored });
        }
        // Behind everything that may have been read.
        let place = self.topic.partition_point(|(known, _)| *known <= at);
        self.topic.insert(place, (at, *beat));
    }

    /// A number below another, by chance.
    fn roll(&mut self, below: u64) -> u64 {
        // Knuth's; the upper half is good enough.
        let (factor, step) = (6_364_136_223_846_793_005, 1_442_695_040_888_963_407);
        self.chance = self.chance.wrapping_mul(factor).wrapping_add(step);
        (self.chance >> 33) % below
    }

    /// As if the logs had been owned many times.
    pub(crate) fn age_logs(&mut self, term: u64) {
        self.logs.values_mut().for_each(|log| log.newest = Term(term));
    }

    /// Loses the beat that waits for a connection, stored or not.
    pub(crate) fn lose_connection(&mut self, of: usize) {
        let Some(process) = self.processes.get_mut(&of).filter(|p| !p.is_frozen) else { return };
        let waits = process.unsent.take().is_some();
        let stored = process.later.iter().position(|later| later.input == Input::Stored);
        if let Some(stored) = stored {
            process.later.remove(stored);
        }
        if waits || stored.is_some() {
            self.tell(of, Input::Unsent);
        }
    }

    fn find(&mut self) {
        let routes = |(of, process): (&usize, &Process)| (*of, process.node.routes(self.now));
        self.routes = self.processes.iter().map(routes).collect();
    }

    /// Who answers for a partition group, and under which term.
    pub(crate) fn owner(&self, group: PartitionGroup) -> Option<(usize, Term)> {
        let answering =
            self.routes.iter().filter_map(|(of, routes)| match routes.of_group(group) {
                Ok(Route::Here { term }) => Some((*of, *term)),
                _ => None,
            });
        answering.max_by_key(|(_, term)| *term)
    }

    /// Whether each partition group is answered for, by the newest owner of its log.
    pub(crate) fn is_served(&self) -> bool {
        self.groups.all().all(|group| {
            self.owner(group).is_some_and(|(of, term)| {
                let log = &self.logs[&group];
                let node = &self.processes[&of].node.identity().node;
                log.newest == term
                    && log.by.as_ref() == Some(node)
                    && !self.processes[&of].is_frozen
            })
        })
    }

    /// How many partition groups each process answers for.
    pub(crate) fn loads(&self) -> BTreeMap<usize, usize> {
        let owners: Vec<_> = self.groups.all().filter_map(|group| self.owner(group)).collect();
        let load = |of: &usize| owners.iter().filter(|(owner, _)| owner == of).count();
        self.processes.keys().map(|of| (*of, load(of))).collect()
    }

    pub(crate) fn is_balanced(&self) -> bool {
        let loads = self.loads();
        let (least, most) = (loads.values().min(), loads.values().max());
        least.zip(most).is_none_or(|(least, most)| most - least <= 1)
    }

    /// Every process that runs routes every partition group to the same owner.
    pub(crate) fn is_agreed(&self) -> bool {
        self.groups.all().all(|group| {
            let Some((owner, owned)) = self.owner(group) else { return false };
            let owner = &self.processes[&owner].node.identity().node;
            self.routes.values().all(|routes| match routes.of_group(group) {
                Ok(Route::Here { term }) => *term == owned,
                Ok(Route::There { node, term, .. }) => *term == owned && node == owner,
                Err(_) => false,
            })
        })
    }

    pub(crate) fn coordinators(&self) -> Vec<usize> {
        let is_one = |(of, process): (&usize, &Process)| process.node.coordinates().map(|_| *of);
        self.processes.iter().filter_map(is_one).collect()
    }

    pub(crate) fn coordinator_terms(&self) -> Vec<u64> {
        self.processes
            .values()
            .filter_map(|process| process.node.coordinates())
            .map(|t| t.0)
            .collect()
    }

    pub(crate) fn shown(&self) -> String {
        let owners: Vec<_> = self.groups.all().map(|group| self.owner(group)).collect();
        let nodes = self.processes.iter().map(|(of, p)| {
            let (term, frozen) = (p.node.coordinates(), p.is_frozen);
            format!("{of}: coordinates {term:?}, frozen {frozen}, cut {}", p.is_cut)
        });
        let assignment = self.witness.0.assignment();
        let wrong = self.routes.iter().flat_map(|(of, routes)| {
            routes
                .iter()
                .filter_map(move |(_, route)| Some((of, route.as_ref().err()?.to_string())))
        });
        let (nodes, wrong) = (nodes.collect::<Vec<_>>(), wrong.collect::<Vec<_>>());
        format!("{owners:?}; {nodes:?}; {wrong:?}; in force: {assignment:?}")
    }

    /// What must hold at every moment.
    fn look(&mut self) {
        self.find();
        for group in self.groups.all() {
            let answers = |(of, routes): &(&usize, &Routes)| {
                let is_here = matches!(routes.of_group(group), Ok(Route::Here { .. }));
                is_here && !self.processes[of].was_replaced
            };
            let answering = self.routes.iter().filter(answers).count();
            assert!(answering <= 1, "{answering} answer for {group}: {}", self.shown());
        }
        self.follow();
        let view = &self.witness.0;
        for process in self.processes.values() {
            let own = process.node.view();
            // Who began in the middle may not have heard of anybody yet.
            if process.next == self.witness.1 && own.coordinator().is_some() {
                assert_eq!(own.coordinator(), view.coordinator(), "{}", self.shown());
                assert_eq!(own.assignment(), view.assignment(), "{}", self.shown());
            }
        }
    }

    /// Reads the topic as a bystander, and looks at what comes into force.
    fn follow(&mut self) {
        while let Some((_, beat)) = self.topic.get(self.witness.1).filter(|(at, _)| *at <= self.now)
        {
            let view = &mut self.witness.0;
            let term = view.term();
            let before = beat.assignment.as_ref().map(|_| view.assignment().cloned());
            view.watch(beat);
            self.witness.1 += 1;
            assert!(term <= view.term(), "terms of coordinators grow");
            if let (Some(before), Some(after)) = (before, view.assignment())
                && before.as_ref() != Some(after)
            {
                let (after, sender) = (after.clone(), beat.node.clone());
                self.judge(before.as_ref(), &after, &sender);
            }
        }
    }

    /// Paced beats of one life since the last beat of another, as far as the topic was followed.
    fn silence(&self, of: &NodeId, to: &NodeId) -> Option<u64> {
        let read = &self.topic[..self.witness.1];
        let last = read.iter().rposition(|(_, beat)| beat.node == *of)?;
        let pace = |beats: &[(Duration, Beat)]| {
            beats.iter().rfind(|(_, beat)| beat.node == *to).map_or(0, |(_, beat)| beat.pace)
        };
        Some(pace(read) - pace(&read[..=last]))
    }

    fn judge(&mut self, before: Option<&Assignment>, after: &Assignment, sender: &NodeId) {
        for (group, entry) in after.by_group() {
            let was = before.and_then(|before| before.entry(group).cloned()).unwrap_or_default();
            let is_over =
                was.holder.is_some() && (was.term != entry.term || entry.holder.is_none());
            if is_over {
                self.superseded.entry((group, was.term)).or_insert(self.now);
            }
            assert!(was.term <= entry.term, "terms of grants grow: {group}");
            let Some(holder) = &entry.holder else { continue };
            if was.term == entry.term {
                let same = was.holder.is_none_or(|was| was.node == holder.node);
                assert!(same, "one term, two holders: {group} {entry:?}");
                continue;
            }
            self.granted += 1;
            let silence = self.silence(&holder.node, sender);
            let heard = silence.is_some_and(|silence| silence <= u64::from(self.pace.silent_max));
            assert!(heard, "granted to the dead: {group} {holder:?} after {silence:?}");
        }
    }
}
