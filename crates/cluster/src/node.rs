//! One node's part in its cluster: what it sends, opens and closes, out of what it reads and the time.

mod exchange;

use std::collections::VecDeque;
use std::time::Duration;

use tidings_event::Term;

use crate::assignment::CoordinatorTerm;
use crate::coordinator::Coordinator;
use crate::holdings::Holdings;
use crate::node_id::NodeId;
use crate::pace::Pace;
use crate::partition_group::{PartitionGroup, PartitionGroups};
use crate::record::{Beat, HeldState};
use crate::routes::Routes;
use crate::view::View;

pub use exchange::{Closing, Identity, Input, Output};

/// Own beats that were sent and not read back, of which is known when that was.
const UNREAD_MAX: usize = 64;

/// Why a beat was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    /// Its time had come: it counts as time.
    InPace,
    /// The one before may not have been stored. That may still happen, so that this one is no time of its own.
    Again,
    /// There was something to say.
    WithNews,
}

/// A beat that was sent and not read back.
#[derive(Clone, Copy, Debug)]
struct Unread {
    number: u64,
    sent_at: Duration,
}

/// See the module.
#[derive(Debug)]
pub struct Node {
    identity: Identity,
    pace: Pace,
    /// Whether the topic is read from its first record on.
    reads_all: bool,
    view: View,
    holdings: Holdings,
    coordinator: Option<Coordinator>,
    /// Number of the next beat, and how many were paced.
    beats: (u64, u64),
    /// The beat under way.
    under_way: Option<Sent>,
    /// The last one may not have been stored.
    is_unsent: bool,
    unread: VecDeque<Unread>,
    /// When the next paced beat may be sent.
    next_at: Duration,
    has_news: bool,
    /// Own time for which there was no coordinator that does its work.
    vacant: u32,
    /// The beat that claims, until it is read back.
    claiming: Option<u64>,
    lease_until: Duration,
    is_suspended: bool,
    is_leaving: bool,
    /// A beat of its own was read back, and counted.
    is_in: bool,
    is_over: bool,
    has_left: bool,
}

impl Node {
    /// A node that starts now. `reads_all` says that it is told every record that the topic ever had: then it need not
    /// wait for a coordinator to be heard of before it claims to be one.
    #[must_use]
    pub fn new(
        identity: Identity,
        groups: PartitionGroups,
        pace: Pace,
        reads_all: bool,
        now: Duration,
    ) -> Self {
        Self {
            identity,
            pace,
            reads_all,
            view: View::new(groups, &pace, reads_all),
            holdings: Holdings::default(),
            coordinator: None,
            beats: (0, 0),
            under_way: None,
            is_unsent: false,
            unread: VecDeque::new(),
            next_at: now,
            has_news: false,
            vacant: 0,
            claiming: None,
            lease_until: now,
            is_suspended: true,
            is_leaving: false,
            is_in: false,
            is_over: false,
            has_left: false,
        }
    }

    /// Who it is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What was read comes to.
    #[must_use]
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// The term under which it is the coordinator.
    #[must_use]
    pub fn coordinates(&self) -> Option<CoordinatorTerm> {
        self.coordinator.as_ref().map(Coordinator::term)
    }

    /// When it has to be told of the time at the latest.
    #[must_use]
    pub fn due(&self) -> Duration {
        let beat =
            if self.under_way.is_some() || self.is_over { Duration::MAX } else { self.next_at };
        let lease = if self.is_suspended { Duration::MAX } else { self.lease_until };
        beat.min(lease)
    }

    /// Whether it may answer for what it holds: a beat of its own came back lately.
    #[must_use]
    pub fn has_lease(&self, now: Duration) -> bool {
        !self.is_over && now < self.lease_until
    }

    /// Until when it may answer for what it holds.
    #[must_use]
    pub const fn lease_until(&self) -> Duration {
        self.lease_until
    }

    /// Takes in a record that was there before this node began: nothing follows from it alone. All of these are told
    /// before the first step.
    pub fn catch_up(&mut self, beat: &Beat) {
        self.read(beat, &mut Vec::new());
    }

    /// Where partitions are served, as far as is known now.
    #[must_use]
    pub fn routes(&self, now: Duration) -> Routes {
        let serving = |group| self.holdings.serving(group).filter(|_| self.has_lease(now));
        Routes::new(&self.view, &self.identity.node, serving)
    }

    /// Takes in what happened; says what is to be done, in this order.
    pub fn step(&mut self, input: Input, now: Duration) -> Vec<Output> {
        let mut out = Vec::new();
        match input {
            Input::Tick => {}
            Input::Read(beat) => self.read(&beat, &mut out),
            Input::Stored => {
                self.is_unsent = false;
                if self.under_way.take().is_some_and(|sent| sent != Sent::WithNews) {
                    self.next_at = now.saturating_add(self.pace.beat);
                }
            }
            Input::Unsent => {
                (self.under_way, self.claiming, self.is_unsent) = (None, None, true);
                self.next_at = now.saturating_add(self.pace.beat);
            }
            Input::Opened { group, term } => self.became(group, term, HeldState::Serving, &mut out),
            Input::Failed { group, term } => self.became(group, term, HeldState::Failed, &mut out),
            Input::Outdated { group, term, newest } => {
                self.became(group, term, HeldState::Outdated { newest }, &mut out);
            }
            Input::Ended { group, term } => self.became(group, term, HeldState::Ended, &mut out),
            Input::Leave => (self.is_leaving, self.has_news) = (true, true),
        }
        self.go_on(now, &mut out);
        out
    }

    fn became(
        &mut self,
        group: PartitionGroup,
        term: Term,
        state: HeldState,
        out: &mut Vec<Output>,
    ) {
        if self.holdings.became(group, term, state) {
            self.has_news = true;
            out.push(Output::Rerouted);
        }
    }

    fn read(&mut self, beat: &Beat, out: &mut Vec<Output>) {
        let me = &self.identity.node;
        let taken = self.view.take(beat, me);
        if beat.node == *me && taken.counts {
            self.is_in = true;
            self.came_back(beat, taken.is_time);
            if let Some(assignment) = beat.assignment.as_ref().filter(|_| !taken.is_assigned)
                && let Some(coordinator) = &mut self.coordinator
                && coordinator.term() == assignment.by
            {
                coordinator.refused(assignment.version);
            }
        }
        let NodeId { name, life } = &self.identity.node;
        let is_replaced =
            self.is_in && self.view.member(name).is_some_and(|member| member.life != *life);
        if is_replaced && !self.is_over {
            self.is_over = true;
            self.holdings.close_all(out);
            out.push(Output::Replaced);
        }
        if taken.counts {
            out.push(Output::Rerouted);
        }
    }

    /// An own beat was read.
    fn came_back(&mut self, beat: &Beat, is_time: bool) {
        while let Some(first) = self.unread.pop_front_if(|first| first.number <= beat.number) {
            if first.number == beat.number {
                let until = first.sent_at.saturating_add(self.pace.lease);
                self.lease_until = self.lease_until.max(until);
            }
        }
        if self.claiming.is_some_and(|number| number <= beat.number) {
            self.claiming = None;
        }
        if is_time {
            self.vacant = if self.is_vacant() { self.vacant.saturating_add(1) } else { 0 };
            if let Some(coordinator) = &mut self.coordinator {
                coordinator.pass_time();
            }
        }
    }

    /// Whether nobody does the work of the coordinator, or will not for long.
    fn is_vacant(&self) -> bool {
        let Some((node, _)) = self.view.coordinator() else { return true };
        let leaves = || self.view.living(node).is_some_and(|member| member.is_leaving);
        !self.view.is_alive(node) || leaves()
    }

    /// The term to claim, when it is this node's turn. Who leaves does so only when everybody does: somebody has to
    /// take back what they hold.
    fn claim(&self) -> Option<CoordinatorTerm> {
        let me = &self.identity.node;
        if !self.is_in || self.claiming.is_some() || !self.is_vacant() {
            return None;
        }
        let heard = || self.view.alive().filter(|(_, member)| member.is_heard);
        let is_led = self.view.coordinator().is_some_and(|(node, _)| self.view.is_alive(node));
        if self.is_leaving && (is_led || heard().any(|(_, member)| !member.is_leaving)) {
            return None;
        }
        let mut turns = heard().filter(|(_, member)| member.is_leaving == self.is_leaving);
        let turn = u32::try_from(turns.position(|(node, _)| node == *me)?).unwrap_or(u32::MAX);
        let knows_none = self.view.coordinator().is_none() && !self.reads_all;
        let patience = if knows_none { self.pace.silent_max } else { 0 };
        let is_due = self.vacant > turn.saturating_add(patience);
        is_due.then(|| self.view.next_term())
    }

    /// What follows from where it is.
    fn go_on(&mut self, now: Duration, out: &mut Vec<Output>) {
        let has_lease = self.has_lease(now);
        if has_lease == self.is_suspended {
            self.is_suspended = !has_lease;
            out.push(if has_lease { Output::Resume } else { Output::Suspend });
        }
        if !self.is_over {
            self.coordinate();
            if let Some(assignment) = self.view.assignment() {
                let before = out.len();
                self.holdings.follow(assignment, &self.identity.node, has_lease, out);
                self.has_news |= out.len() > before;
            }
            self.beat(now, out);
        }
        let is_done = self.is_over || self.is_leaving && self.is_left();
        if is_done && self.holdings.is_empty() && !std::mem::replace(&mut self.has_left, true) {
            out.push(Output::Left);
        }
    }

    /// Whether an assignment in force says that it is there.
    fn is_listed(&self) -> bool {
        let assignment = self.view.assignment();
        assignment.is_some_and(|known| known.members.contains(&self.identity.node))
    }

    /// Whether nothing is granted to it any more, as far as it was told.
    fn is_left(&self) -> bool {
        let entries = self.view.assignment().into_iter().flat_map(|known| &known.entries);
        !entries.filter_map(|entry| entry.holder.as_ref()).any(|h| h.node == self.identity.node)
    }

    fn coordinate(&mut self) {
        let is_mine = self.view.coordinator().is_some_and(|(node, _)| *node == self.identity.node);
        if !is_mine {
            self.coordinator = None;
            return;
        }
        let (view, pace) = (&self.view, self.pace);
        let known = self.coordinator.take().filter(|known| known.term() == view.term());
        let mut coordinator = known.unwrap_or_else(|| Coordinator::new(view, pace));
        self.has_news |= coordinator.decide(view);
        self.coordinator = Some(coordinator);
    }

    /// Sends a beat when one is due, or when there is news and none under way.
    fn beat(&mut self, now: Duration, out: &mut Vec<Output>) {
        let sent = match (now >= self.next_at, self.is_unsent) {
            (true, false) => Sent::InPace,
            (true, true) => Sent::Again,
            (false, false) if self.has_news => Sent::WithNews,
            (false, _) => return,
        };
        if self.under_way.is_some() {
            return;
        }
        let claim = self.claim();
        let is_joining = !self.is_in || !self.is_listed();
        let after = self.view.member(&self.identity.node.name).map(|member| member.life);
        let after = after.filter(|life| *life != self.identity.node.life);
        let (number, paced) = self.beats;
        let paced = paced + u64::from(sent == Sent::InPace);
        self.beats = (number + 1, paced);
        (self.under_way, self.has_news) = (Some(sent), false);
        self.claiming = claim.map(|_| number).or(self.claiming);
        if self.unread.len() == UNREAD_MAX {
            self.unread.pop_front();
        }
        self.unread.push_back(Unread { number, sent_at: now });
        out.push(Output::Send(Box::new(Beat {
            node: self.identity.node.clone(),
            number,
            pace: paced,
            address: self.identity.address.clone(),
            call_key: self.identity.call_key,
            is_joining,
            after: after.filter(|_| is_joining),
            is_leaving: self.is_leaving,
            claim,
            held: self.holdings.held(),
            assignment: self.coordinator.as_ref().and_then(Coordinator::assignment).cloned(),
        })));
    }
}
