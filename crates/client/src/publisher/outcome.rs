//! What became of a block, and the receipts that share it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::Shared;
use tidings_wire::v1;
use tokio::sync::oneshot;

use crate::{ClientError, Problem};

/// Where one event is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: u32,
    /// Its offset; absent for a repeat older than the service remembers.
    pub offset: Option<u64>,
    /// The log's epoch.
    pub epoch: u32,
    /// It had been stored before.
    pub duplicate: bool,
    /// How safe it is.
    pub durability: v1::Durability,
}

/// What became of one block: one place for all its events, or an answer for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockPlaced {
    /// All events lie one after the other from `first` on.
    Run {
        /// Place of the first event.
        first: Placed,
        /// Number of events.
        count: u32,
    },
    /// One answer per event, in order.
    Each(Vec<Result<Placed, ClientError>>),
}

impl BlockPlaced {
    pub(super) fn read(ack: v1::PublishAck, count: u32) -> Result<Self, ClientError> {
        if let Some(problem) = ack.error {
            return Err(Problem::from(problem).into());
        }
        if ack.results.is_empty() {
            let first = Placed {
                durability: ack.durability(),
                topic: ack.topic.into(),
                partition: ack.partition,
                offset: ack.base_offset,
                epoch: ack.epoch,
                duplicate: ack.duplicate,
            };
            return Ok(Self::Run { first, count });
        }
        if ack.results.len() != count as usize {
            let got = ack.results.len();
            return Err(ClientError::Protocol(format!("{got} answers for {count} events")));
        }
        Ok(Self::Each(ack.results.into_iter().map(one_result).collect()))
    }

    /// The answer for one event, by its place in the block.
    ///
    /// # Errors
    /// Why it was refused.
    pub fn event(&self, index: u32) -> Result<Placed, ClientError> {
        match self {
            Self::Run { first, .. } => Ok(Placed {
                offset: first.offset.map(|offset| offset + u64::from(index)),
                ..first.clone()
            }),
            Self::Each(results) => {
                let missing = || Err(ClientError::Protocol(format!("no answer for event {index}")));
                results.get(index as usize).cloned().unwrap_or_else(missing)
            }
        }
    }

    /// The first problem that may go away by itself.
    pub(super) fn retryable(&self) -> Option<&Problem> {
        let Self::Each(results) = self else { return None };
        let problems = results.iter().filter_map(|r| r.as_ref().err()?.problem());
        problems.into_iter().find(|problem| problem.is_retryable())
    }
}

fn one_result(result: v1::PublishResult) -> Result<Placed, ClientError> {
    match result.error {
        Some(problem) => Err(Problem::from(problem).into()),
        None => Ok(Placed {
            durability: result.durability(),
            topic: result.topic.as_str().into(),
            partition: result.partition,
            offset: result.offset,
            epoch: result.epoch,
            duplicate: result.duplicate,
        }),
    }
}

pub(super) type Outcome = Arc<Result<BlockPlaced, ClientError>>;

/// How a block left the publisher.
#[derive(Clone, Debug)]
pub(super) enum Settled {
    /// With an answer for all of it.
    Answered(Outcome),
    /// Its events went to other blocks: one receipt for each.
    Moved(Arc<[Receipt]>),
}

type SharedOutcome = Shared<oneshot::Receiver<Settled>>;

/// A block's unresolved outcome: the sender goes with the block, the future to its receipts.
pub(super) fn ticket() -> (oneshot::Sender<Settled>, BlockReceipt) {
    let (sender, receiver) = oneshot::channel();
    (sender, BlockReceipt(receiver.shared()))
}

/// Resolves when the block's outcome is known. Dropping it does not withdraw the block.
#[derive(Clone, Debug)]
pub struct BlockReceipt(SharedOutcome);

impl Future for BlockReceipt {
    type Output = Result<BlockPlaced, ClientError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_unpin(context).map(|settled| match settled {
            Ok(Settled::Answered(outcome)) => (*outcome).clone(),
            // Bodies of the caller are never taken apart.
            Ok(Settled::Moved(_)) | Err(_) => Err(ClientError::Closed),
        })
    }
}

/// Resolves when the event's outcome is known. Dropping it does not withdraw the event.
#[derive(Clone, Debug)]
pub struct Receipt {
    block: SharedOutcome,
    index: u32,
}

impl Receipt {
    pub(super) fn new(block: &BlockReceipt, index: u32) -> Self {
        Self { block: block.0.clone(), index }
    }
}

impl Future for Receipt {
    type Output = Result<Placed, ClientError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let index = self.index;
            let settled = std::task::ready!(self.block.poll_unpin(context));
            let moved = match settled {
                Ok(Settled::Answered(outcome)) => {
                    let outcome = outcome.as_ref().as_ref().map_err(Clone::clone);
                    return Poll::Ready(outcome.and_then(|placed| placed.event(index)));
                }
                Ok(Settled::Moved(receipts)) => receipts.get(index as usize).cloned(),
                Err(_) => return Poll::Ready(Err(ClientError::Closed)),
            };
            let Some(moved) = moved else { return Poll::Ready(Err(ClientError::Closed)) };
            *self = moved;
        }
    }
}
