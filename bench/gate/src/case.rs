//! What is measured: each case is a road through the stages, made ready before anything is counted.

use std::path::Path;

use clap::ValueEnum;
use futures::future::try_join_all;
use tidings_market::LoadOptions;
use tidings_telemetry::Counter;

use crate::answer::subscribe;
use crate::consume::Consumer;
use crate::error::GateError;
use crate::node::Node;
use crate::publish::{Publisher, Window};
use crate::replay;
use crate::text::{Form, Texts};

/// Instruments of the narrow case, each with a subscription of its own.
const NARROW: usize = 1_000;
const NARROW_LOAD: LoadOptions = LoadOptions { seed: 1, instruments: NARROW, timeframes: 1 };

/// Consumers that each take everything.
const MANY: usize = 8;

/// Turns of all tasks, of which a reader of the log needs a few.
const TURNS: usize = 32;

/// A case by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Case {
    /// Blocks in over gRPC, of one timeframe
    IngestDense,
    /// The same of ten timeframes
    IngestSpread,
    /// Events in over HTTP as JSON, a line each
    IngestNdjson,
    /// The same in an array
    IngestJson,
    /// Blocks in, and one consumer over gRPC that takes everything
    OneToOne,
    /// The same with eight
    OneToEight,
    /// The same with eight that are sent JSON, which is made once
    OneToEightJson,
    /// Blocks in, and a thousand subscriptions of one instrument each over one stream
    Narrow,
    /// What is stored, from its beginning, off the disk
    Replay,
}

/// How much of a case is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Windows before anything is measured: caches, tables and buffers get the size that they keep.
    pub(crate) warm: usize,
    /// Windows of a round.
    pub(crate) round: usize,
}

impl Case {
    /// Its name.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    pub(crate) const fn size(self) -> Size {
        match self {
            // All of the 100,000 last values are there.
            Self::IngestSpread => Size { warm: 24, round: 10 },
            Self::IngestNdjson | Self::IngestJson => Size { warm: 6, round: 8 },
            Self::IngestDense => Size { warm: 8, round: 10 },
            Self::OneToEightJson => Size { warm: 4, round: 6 },
            Self::OneToOne | Self::OneToEight => Size { warm: 8, round: 12 },
            Self::Narrow => Size { warm: 3, round: 6 },
            Self::Replay => Size { warm: 2, round: 6 },
        }
    }

    /// Whether two runs under valgrind count about the same. What is handed to a thousand subscriptions comes in as
    /// many parts as the log made groups of it, which hangs on how threads take turns.
    pub(crate) const fn repeats_instructions(self) -> bool {
        !matches!(self, Self::Narrow)
    }

    /// Whether only its instructions say something. What is read off the disk is handed on in other parts when
    /// readers wait for the processor: beside three busy loops a replay asks for memory 1.4 times as often, and its
    /// fifth of a microsecond an event differs by a quarter from run to run. Under valgrind one thread runs at a time.
    pub(crate) const fn is_judged_by_instructions(self) -> bool {
        matches!(self, Self::Replay)
    }

    const fn window(self) -> Window {
        match self {
            Self::IngestDense | Self::IngestSpread => Window::Blocks(16),
            Self::Narrow => Window::Sets(4, NARROW as u64),
            Self::Replay => Window::Blocks(48),
            _ => Window::Blocks(8),
        }
    }

    /// Whether it reads what [`Self::store`] put into its directory.
    pub(crate) const fn is_of_stored(self) -> bool {
        matches!(self, Self::Replay)
    }

    /// Puts so many windows into a directory, for a case that reads them.
    pub(crate) async fn store(self, dir: &Path, windows: usize) -> Result<(), GateError> {
        if self.is_of_stored() { replay::store(dir, self.window(), windows).await } else { Ok(()) }
    }

    /// Makes so many windows of it ready, over a log in this directory.
    pub(crate) async fn open(self, dir: &Path, windows: usize) -> Result<Ready, GateError> {
        if self == Self::Replay {
            let (node, reader, each) = replay::open(dir, windows).await?;
            return Ok(Ready { node, work: Work::Replay(reader, each) });
        }
        let node = Node::open(dir).await?;
        let work = match self {
            Self::IngestNdjson => Work::Text(Texts::new(Form::Lines, windows)?),
            Self::IngestJson => Work::Text(Texts::new(Form::Array, windows)?),
            _ => {
                let consumers = self.consumers(&node).await?;
                let window = self.window();
                let publisher = Publisher::open(&node, self.load(), window, windows).await?;
                Work::Flow { publisher, consumers }
            }
        };
        Ok(Ready { node, work })
    }

    const fn load(self) -> LoadOptions {
        match self {
            Self::IngestSpread => LoadOptions::SPREAD,
            Self::Narrow => NARROW_LOAD,
            _ => LoadOptions::DENSE,
        }
    }

    async fn consumers(self, node: &Node) -> Result<Vec<Consumer>, GateError> {
        let mut consumers = Vec::new();
        match self {
            Self::OneToOne => consumers.push(Consumer::stream(node, "one").await?),
            Self::OneToEight => {
                for number in 0..MANY {
                    consumers.push(Consumer::stream(node, &format!("of-eight-{number}")).await?);
                }
            }
            Self::OneToEightJson => {
                subscribe(node, "events", None).await?;
                for _ in 0..MANY {
                    consumers.push(Consumer::events(node, "events").await?);
                }
            }
            Self::Narrow => {
                let filter = |number| format!("instrument == 'I{number:06}'");
                consumers.push(Consumer::many(node, (0..NARROW).map(filter).collect()).await?);
            }
            _ => {}
        }
        Ok(consumers)
    }
}

/// Lets all other tasks go on: what is durable is handed to those who take it before any of it is taken, so that
/// deliveries are cut the same way each time.
async fn hand_out() {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
}

/// A case that is ready to run.
pub(crate) struct Ready {
    node: Node,
    work: Work,
}

enum Work {
    Text(Texts),
    /// Blocks in, and whoever takes all of them.
    Flow {
        publisher: Publisher,
        consumers: Vec<Consumer>,
    },
    /// A reader of what is stored, and how many events stand for a window.
    Replay(Consumer, u64),
}

impl Ready {
    /// Runs so many windows; says how many events came in and were taken by all.
    pub(crate) async fn run(&mut self, windows: usize) -> Result<u64, GateError> {
        let mut events = 0;
        for _ in 0..windows {
            events += match &mut self.work {
                Work::Text(texts) => texts.window(&self.node).await?,
                Work::Flow { publisher, consumers } => {
                    let sent = publisher.window().await?;
                    hand_out().await;
                    for consumer in consumers.iter_mut() {
                        consumer.take(sent).await?;
                        consumer.acknowledge()?;
                    }
                    try_join_all(consumers.iter_mut().map(Consumer::confirmed)).await?;
                    sent
                }
                Work::Replay(reader, each) => {
                    reader.take(*each).await?;
                    reader.acknowledge()?;
                    reader.confirmed().await?;
                    *each
                }
            };
        }
        Ok(events)
    }

    /// Ends it, with `events` in since it was made ready, and checks what the service counted.
    pub(crate) async fn close(self, case: Case, events: u64) -> Result<(), GateError> {
        let counted = self.node.counted(Counter::AdmitEvents);
        let encodings = self.node.counted(Counter::ServeEncodings);
        let reads = self.node.counted(Counter::LogReads);
        drop(self.work);
        self.node.close().await;
        if case == Case::Replay {
            return match reads {
                0 => Err(GateError::check("nothing was read from disk")),
                _ => Ok(()),
            };
        }
        if counted != events {
            return Err(GateError::check(format!("{counted} events were stored of {events}")));
        }
        // Eight readers, one encoding: more would be as many as there are events of two blocks.
        if case == Case::OneToEightJson && encodings * 64 > events {
            return Err(GateError::check(format!("{encodings} encodings of {events} events")));
        }
        Ok(())
    }
}
