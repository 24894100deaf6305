//! Everything a publisher holds: its lanes, whose turn it is, credit, and what became of blocks.
//! No I/O and no waiting here.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_event::block::events;
use tidings_event::{Code, Envelope, Refusal};
use tidings_wire::v1;

use super::lane::{Lane, Place, Sealed};
use super::outcome::{BlockPlaced, BlockReceipt, Receipt, Settled, ticket};
use super::routes::Routes;
use crate::ClientError;

/// What an answer means for the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answered {
    /// Bytes of the buffer that are free again.
    pub(super) freed: usize,
    /// Nothing more is to be sent for this long.
    pub(super) pause: Option<Pause>,
    /// What Describe said is out of date.
    pub(super) stale_routes: bool,
}

/// The service asked for patience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pause {
    pub(super) asked: Option<Duration>,
    pub(super) error: ClientError,
}

#[derive(Debug)]
pub(super) struct Queue {
    sequenced: bool,
    block_bytes: usize,
    routes: Routes,
    lanes: Vec<Lane>,
    by_place: HashMap<Arc<str>, HashMap<u32, usize>>,
    /// Topics whose partition count is not the one their lanes were grouped by.
    stale: Vec<Arc<str>>,
    turns: VecDeque<usize>,
    lane_of: HashMap<u64, usize>,
    next_request: u64,
    credit: usize,
    unanswered_bytes: usize,
    pending_events: u64,
    resume: HashMap<(String, u32), u64>,
    topic: String,
}

impl Queue {
    pub(super) fn new(sequenced: bool, block_bytes: usize, routes: Routes) -> Self {
        Self {
            sequenced,
            block_bytes,
            routes,
            lanes: if sequenced { Vec::new() } else { vec![Lane::new(None, 0)] },
            by_place: HashMap::new(),
            stale: Vec::new(),
            turns: VecDeque::new(),
            lane_of: HashMap::new(),
            next_request: 1,
            credit: 0,
            unanswered_bytes: 0,
            pending_events: 0,
            resume: HashMap::new(),
            topic: String::new(),
        }
    }

    /// Whether it waits for what Describe says: nothing of the topics to be grouped anew is under
    /// way any more.
    pub(super) fn needs_routes(&self) -> bool {
        !self.stale.is_empty() && self.stale.iter().all(|topic| self.is_answered(topic))
    }

    fn is_answered(&self, topic: &str) -> bool {
        let mut lanes = self.by_place.get(topic).into_iter().flat_map(HashMap::values);
        lanes.all(|&lane| self.lanes[lane].is_answered())
    }

    /// Places events by what Describe says now, those that wait to be grouped anew first; returns
    /// the bytes that are free again.
    pub(super) fn set_routes(&mut self, routes: Routes) -> usize {
        if !self.stale.is_empty() && !self.needs_routes() {
            // New events would overtake those under way. It is asked again when they are answered.
            return 0;
        }
        self.routes = routes;
        let stale = std::mem::take(&mut self.stale);
        stale.iter().map(|topic| self.regroup(topic)).sum()
    }

    /// Moves every event of a topic to the lane it belongs to now. Events of one key come from one
    /// lane and are moved in its order; a topic with another partition count is another topic, so
    /// its sequences start over.
    fn regroup(&mut self, topic: &Arc<str>) -> usize {
        let mut lanes: Vec<usize> =
            self.by_place.remove(topic).into_iter().flat_map(HashMap::into_values).collect();
        lanes.sort_unstable();
        self.resume.retain(|(name, _), _| **name != **topic);
        let mut freed = 0;
        for lane in lanes {
            for block in self.lanes[lane].drain() {
                freed += self.move_events(block);
            }
        }
        freed
    }

    fn move_events(&mut self, block: Sealed) -> usize {
        if block.whole {
            let detail = "the body was grouped for another number of partitions";
            return self.resolve(block, Err(Refusal::new(Code::PartitionsChanged, detail).into()));
        }
        let mut freed = 0;
        let moved = events(&block.body).flatten().map(|event| {
            self.place_again(event).unwrap_or_else(|error| {
                freed += event.len();
                self.pending_events -= 1;
                let (outcome, receipt) = ticket();
                // The receipt is below.
                let _heard = outcome.send(Settled::Answered(Arc::new(Err(error))));
                Receipt::new(&receipt, 0)
            })
        });
        let moved: Arc<[Receipt]> = moved.collect();
        // Nobody may be waiting for it any more.
        let _unheard = block.outcome.send(Settled::Moved(moved));
        freed
    }

    fn place_again(&mut self, event: &[u8]) -> Result<Receipt, ClientError> {
        let lane = self.place(&tidings_event::scan(event)?)?;
        let receipt = self.lanes[lane].push(event, self.block_bytes, event.len());
        self.enqueue(lane);
        Ok(receipt)
    }

    /// A stream is open: `credit` bytes may be unanswered.
    pub(super) fn opened(&mut self, opened: &v1::PublishOpened, limit: usize) {
        self.credit = usize::try_from(opened.credit_bytes).unwrap_or(limit).min(limit);
        let next = opened.sequences.iter();
        self.resume = next.map(|s| ((s.topic.clone(), s.partition), s.next_sequence)).collect();
    }

    /// Adds one event where its envelope says; unsequenced events need none.
    pub(super) fn push(
        &mut self,
        event: &[u8],
        envelope: Option<&Envelope<'_>>,
        reserved: usize,
    ) -> Result<Receipt, ClientError> {
        let lane = envelope.map_or(Ok(0), |envelope| self.place(envelope))?;
        let receipt = self.lanes[lane].push(event, self.block_bytes, reserved);
        self.pending_events += 1;
        self.enqueue(lane);
        Ok(receipt)
    }

    /// The lane that an event belongs to.
    fn place(&mut self, envelope: &Envelope<'_>) -> Result<usize, Refusal> {
        let mut topic = std::mem::take(&mut self.topic);
        let placed = self.routes.place(envelope, &mut topic);
        let lane = placed.map(|(partition, count)| self.lane(&topic, partition, count));
        self.topic = topic;
        lane
    }

    /// Adds a whole body, to one place when sequenced.
    pub(super) fn push_body(
        &mut self,
        place: Option<(&str, u32, u32)>,
        body: Bytes,
        count: u32,
        reserved: usize,
    ) -> BlockReceipt {
        let lane = place.map_or(0, |(topic, partition, of)| self.lane(topic, partition, of));
        let receipt = self.lanes[lane].push_body(body, count, reserved);
        self.pending_events += u64::from(count);
        self.enqueue(lane);
        receipt
    }

    fn lane(&mut self, topic: &str, partition: u32, partitions: u32) -> usize {
        let known = self.by_place.get(topic).and_then(|lanes| lanes.get(&partition));
        if let Some(&lane) = known {
            if let Some(place) = &mut self.lanes[lane].place {
                place.partitions = partitions;
            }
            return lane;
        }
        let name: Arc<str> = topic.into();
        let next = self.resume.get(&(topic.to_owned(), partition)).copied().unwrap_or(0);
        let lane = self.lanes.len();
        let place = Place { topic: Arc::clone(&name), partition, partitions };
        // A lane of a topic that is to be grouped anew waits with the others.
        let mut added = Lane::new(Some(place), next);
        added.stale = self.stale.contains(&name);
        self.lanes.push(added);
        self.by_place.entry(name).or_default().insert(partition, lane);
        lane
    }

    fn enqueue(&mut self, lane: usize) {
        let state = &mut self.lanes[lane];
        if !state.queued && state.is_sendable() {
            state.queued = true;
            self.turns.push_back(lane);
        }
    }

    /// Whether [`Self::take`] would give a block.
    pub(super) fn is_sendable(&self) -> bool {
        self.turns.front().is_some_and(|&lane| self.has_credit(self.lanes[lane].next_bytes()))
    }

    fn has_credit(&self, bytes: usize) -> bool {
        self.unanswered_bytes == 0 || self.unanswered_bytes + bytes <= self.credit
    }

    /// The next block to send, without its checksum.
    pub(super) fn take(&mut self) -> Option<v1::PublishBlock> {
        if !self.is_sendable() {
            return None;
        }
        let lane = self.turns.pop_front()?;
        let request_id = self.next_request;
        let state = &mut self.lanes[lane];
        state.queued = false;
        let place = if self.sequenced { state.place.clone() } else { None };
        let block = state.take(request_id)?;
        let mut message = v1::PublishBlock {
            request_id,
            body: block.body.clone(),
            count: block.count,
            ..v1::PublishBlock::default()
        };
        if let Some(place) = place {
            message.topic = place.topic.as_ref().to_owned();
            message.partition = place.partition;
            message.partitions = place.partitions;
            message.first_sequence = block.first_sequence;
        } else if let Some(topic) = self.routes.pinned() {
            topic.clone_into(&mut message.topic);
        }
        self.next_request += 1;
        self.unanswered_bytes += message.body.len();
        self.lane_of.insert(request_id, lane);
        self.enqueue(lane);
        Some(message)
    }

    /// Takes an answer; `None` when it answers nothing that was asked.
    pub(super) fn answered(&mut self, ack: v1::PublishAck) -> Option<Answered> {
        let request_id = ack.request_id;
        let lane = self.lane_of.remove(&request_id)?;
        let block = self.lanes[lane].answered(request_id)?;
        self.unanswered_bytes -= block.body.len();
        let outcome = BlockPlaced::read(ack, block.count);
        let answered = self.judge(lane, block, outcome);
        self.lanes[lane].settle();
        self.enqueue(lane);
        Some(answered)
    }

    fn judge(
        &mut self,
        lane: usize,
        block: Sealed,
        outcome: Result<BlockPlaced, ClientError>,
    ) -> Answered {
        let state = &mut self.lanes[lane];
        let mut answered = Answered::default();
        let problem = match &outcome {
            Ok(placed) => placed.retryable(),
            Err(error) => error.problem(),
        };
        if let Some(problem) = problem {
            let retryable = problem.is_retryable();
            let explained = problem.is(Code::SequenceGap) && state.is_rewinding();
            if retryable || explained {
                answered.pause = retryable.then(|| Pause {
                    asked: problem.retry_after_ms.map(Duration::from_millis),
                    error: problem.clone().into(),
                });
                state.give_back(block);
                return answered;
            }
            if problem.is(Code::PartitionsChanged) && self.sequenced && !block.whole {
                state.give_back(block);
                self.go_stale(lane);
                return answered;
            }
            answered.stale_routes =
                problem.is(Code::PartitionsChanged) || problem.is(Code::TopicMismatch);
            if self.sequenced && outcome.is_err() && !problem.is(Code::SequenceGap) {
                state.skip(block.first_sequence);
            }
        }
        answered.freed = self.resolve(block, outcome);
        answered
    }

    /// Holds every lane of a lane's topic back until their events are grouped anew.
    fn go_stale(&mut self, lane: usize) {
        let Some(place) = &self.lanes[lane].place else { return };
        let topic = Arc::clone(&place.topic);
        let of_topic = self.by_place.get(&topic).into_iter().flat_map(HashMap::values);
        for &lane in of_topic {
            self.lanes[lane].stale = true;
            self.lanes[lane].queued = false;
        }
        self.turns.retain(|&lane| !self.lanes[lane].stale);
        if !self.stale.contains(&topic) {
            self.stale.push(topic);
        }
    }

    fn resolve(&mut self, block: Sealed, outcome: Result<BlockPlaced, ClientError>) -> usize {
        self.pending_events -= u64::from(block.count);
        // Nobody may be waiting for it any more.
        let _unheard = block.outcome.send(Settled::Answered(Arc::new(outcome)));
        block.reserved
    }

    /// The connection is gone: everything unanswered goes again.
    pub(super) fn lost(&mut self) {
        self.lane_of.clear();
        self.unanswered_bytes = 0;
        self.credit = 0;
        for lane in 0..self.lanes.len() {
            self.lanes[lane].lost();
            self.enqueue(lane);
        }
    }

    /// Fails everything that is held; returns the bytes that are free again.
    pub(super) fn fail(&mut self, error: &ClientError) -> usize {
        self.lost();
        self.turns.clear();
        let mut freed = 0;
        for lane in 0..self.lanes.len() {
            self.lanes[lane].queued = false;
            for block in self.lanes[lane].drain() {
                freed += self.resolve(block, Err(error.clone()));
            }
        }
        freed
    }

    /// Whether every event has its outcome.
    pub(super) fn is_empty(&self) -> bool {
        self.pending_events == 0
    }
}

#[cfg(test)]
mod tests;
