//! A producer of blocks over `PublishStream`: what it sends is made before anything is measured.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use tidings_event::block::crc32c;
use tidings_event::{Clock, SystemClock};
use tidings_market::{Blocks, Load, LoadBlock, LoadOptions};
use tidings_wire::v1::{self, publish_stream_request, publish_stream_response};

use crate::call::{Call, framed};
use crate::error::GateError;
use crate::node::Node;

/// Partitions of every topic, the service's default.
const PARTITIONS: u32 = 16;

const PRODUCER: &str = "gate";

/// What is sent at once: all of it is acknowledged before more is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Window {
    /// So many full blocks.
    Blocks(usize),
    /// So many rounds of so many events each, in as many blocks as a round falls into.
    Sets(usize, u64),
}

/// Frames of one window.
struct Ready {
    frames: Vec<Bytes>,
    events: u64,
}

/// See the module.
pub(crate) struct Publisher {
    call: Call,
    ready: VecDeque<Ready>,
}

impl Publisher {
    /// Opens a producer with so many windows of a load.
    pub(crate) async fn open(
        node: &Node,
        load: LoadOptions,
        window: Window,
        windows: usize,
    ) -> Result<Self, GateError> {
        let mut source = Source::new(load);
        let ready = (0..windows).map(|_| source.next(window)).collect();
        let mut call = Call::open(node, "/tidings.v1.Publisher/PublishStream").await?;
        let open = v1::PublishOpen { producer_id: PRODUCER.to_owned(), producer_epoch: None };
        let open = publish_stream_request::Message::Open(open);
        call.say(framed(&v1::PublishStreamRequest { message: Some(open) }))?;
        match call.hear::<v1::PublishStreamResponse>().await?.message {
            Some(publish_stream_response::Message::Opened(_)) => Ok(Self { call, ready }),
            other => Err(GateError::answer("open of a producer", format!("{other:?}"))),
        }
    }

    /// Sends a window; once all of it is durable, says how many events it held.
    pub(crate) async fn window(&mut self) -> Result<u64, GateError> {
        let Some(Ready { frames, events }) = self.ready.pop_front() else {
            return Err(GateError::check("more windows were asked for than were made"));
        };
        let count = frames.len();
        for frame in frames {
            self.call.say(frame)?;
        }
        for _ in 0..count {
            match self.call.hear::<v1::PublishStreamResponse>().await?.message {
                Some(publish_stream_response::Message::Ack(ack))
                    if ack.error.is_none() && !ack.duplicate => {}
                other => return Err(GateError::answer("a block", format!("{other:?}"))),
            }
        }
        Ok(events)
    }
}

/// Makes blocks as an SDK does, with the sequences of a producer that is new.
struct Source {
    blocks: Blocks,
    clock: SystemClock,
    next: BTreeMap<(&'static str, u32), u64>,
    requests: u64,
}

impl Source {
    fn new(load: LoadOptions) -> Self {
        let blocks = Blocks::new(Load::new(load), PARTITIONS);
        Self { blocks, clock: SystemClock::new(), next: BTreeMap::new(), requests: 0 }
    }

    fn next(&mut self, window: Window) -> Ready {
        let now = self.clock.wall();
        let blocks: Vec<LoadBlock> = match window {
            Window::Blocks(count) => (0..count).map(|_| self.blocks.next_full(now)).collect(),
            Window::Sets(sets, events) => {
                (0..sets).flat_map(|_| self.blocks.next_events(events, now, |_| {})).collect()
            }
        };
        let events = blocks.iter().map(|block| u64::from(block.count)).sum();
        Ready { frames: blocks.into_iter().map(|block| self.frame(block)).collect(), events }
    }

    fn frame(&mut self, block: LoadBlock) -> Bytes {
        let next = self.next.entry((block.timeframe, block.partition)).or_default();
        let first_sequence = *next;
        *next += u64::from(block.count);
        self.requests += 1;
        let block = v1::PublishBlock {
            request_id: self.requests,
            body_crc: crc32c(&block.body),
            body: block.body,
            count: block.count,
            topic: format!("analysis/indicators/{}", block.timeframe),
            partition: block.partition,
            partitions: PARTITIONS,
            first_sequence,
        };
        let message = Some(publish_stream_request::Message::Block(block));
        framed(&v1::PublishStreamRequest { message })
    }
}
