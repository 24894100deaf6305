//! `Publisher.PublishStream`: blocks are taken in order and pipelined, each is answered when it is
//! durable or refused.
//!
//! The stream is a state machine driven by whoever polls the response: a client that does not read
//! its answers is not read from either. Answers that are ready together leave in one write.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, Stream, StreamExt, unfold};
use tidings_admit::{Batch, Producer, SequencedBlock};
use tidings_event::block::{crc32c, events};
use tidings_event::{Code, Refusal};
use tidings_telemetry::Counter;
use tidings_wire::v1::{self, publish_stream_request, publish_stream_response};
use tokio::sync::OwnedSemaphorePermit;
use tonic::{Status, Streaming};

use crate::connection::PublishCredit;
use crate::doors::Doors;
use crate::grpc::publish_messages::{batch_ack, block_ack, refused_ack};
use crate::grpc::{Ask, out_of_turn, unreadable};
use crate::refusals;

/// How long a stream with nothing unanswered waits before it looks at the queues again.
const PRESSURE_PAUSE: std::time::Duration = std::time::Duration::from_millis(5);

/// A stream whose first message has not been read.
pub(crate) struct Opening {
    pub(crate) doors: Arc<Doors>,
    pub(crate) ask: Ask,
    pub(crate) credit: PublishCredit,
    pub(crate) inbound: Streaming<v1::PublishStreamRequest>,
}

type Answered = Result<v1::PublishStreamResponse, Status>;

/// A block's answer; its bytes count as unanswered until then.
type Unanswered = BoxFuture<'static, (v1::PublishAck, OwnedSemaphorePermit)>;

/// The answers of a stream, from `opened` on.
pub(crate) fn answers(opening: Opening) -> impl Stream<Item = Answered> + Send {
    unfold(State::Opening(Box::new(opening)), |state| async move {
        match state {
            State::Opening(opening) => Some(opening.open().await),
            State::Open(mut open) => match open.next().await {
                Some(Ok(ack)) => Some((Ok(ack_message(ack)), State::Open(open))),
                Some(Err(refusal)) => {
                    open.taker.doors.parts.recorder.count(Counter::ServeErrors, 1);
                    Some((Err(open.taker.ask.status(&refusal)), State::Ended))
                }
                None => None,
            },
            State::Ended => None,
        }
    })
}

enum State {
    Opening(Box<Opening>),
    Open(Box<Open>),
    Ended,
}

impl Opening {
    async fn open(mut self) -> (Answered, State) {
        match self.opened().await {
            Ok((producer, opened)) => {
                let open = Open {
                    taker: Taker { doors: self.doors, ask: self.ask, producer },
                    intake: Intake { inbound: self.inbound, held: None, credit: self.credit },
                    unanswered: FuturesUnordered::new(),
                    ending: None,
                };
                let message = publish_stream_response::Message::Opened(opened);
                let response = v1::PublishStreamResponse { message: Some(message) };
                (Ok(response), State::Open(Box::new(open)))
            }
            Err(refusal) => {
                self.doors.parts.recorder.count(Counter::ServeErrors, 1);
                (Err(self.ask.status(&refusal)), State::Ended)
            }
        }
    }

    async fn opened(&mut self) -> Result<(Option<Producer>, v1::PublishOpened), Refusal> {
        let limits = self.doors.parts.limits.now();
        let first = tokio::select! {
            first = self.doors.timer.limit(limits.header_read, self.inbound.message()) => first,
            () = self.doors.stop.cancelled() => return Err(refusals::shutting_down()),
        };
        let first = first
            .map_err(|_| Refusal::new(Code::RequestTimeout, "no first message came"))?
            .map_err(|status| unreadable(&status))?;
        let Some(publish_stream_request::Message::Open(open)) = first.and_then(|f| f.message)
        else {
            return Err(out_of_turn("the first message of a publish stream is `open`"));
        };
        let mut opened = v1::PublishOpened {
            credit_bytes: u64::from(self.credit.most),
            ..v1::PublishOpened::default()
        };
        if open.producer_id.is_empty() {
            return Ok((None, opened));
        }
        let admission = &self.doors.parts.admission;
        let epoch = open.producer_epoch;
        let producer = admission.open_producer(self.ask.tenant(), &open.producer_id, epoch).await?;
        let grant = producer.grant();
        opened.producer_epoch = grant.epoch;
        let next = grant.sequences.iter().map(|(topic, partition, next)| v1::ProducerSequence {
            topic: topic.name.path().to_owned(),
            partition: partition.0,
            next_sequence: *next,
        });
        opened.sequences = next.collect();
        Ok((Some(producer), opened))
    }
}

/// An open stream.
struct Open {
    taker: Taker,
    intake: Intake,
    unanswered: FuturesUnordered<Unanswered>,
    /// Nothing more is taken; set to how the stream ends once everything is answered.
    ending: Option<Result<(), Refusal>>,
}

impl Open {
    /// The next answer, or the refusal that ends the stream; `None` when it ends well.
    async fn next(&mut self) -> Option<Result<v1::PublishAck, Refusal>> {
        loop {
            if self.unanswered.is_empty()
                && let Some(ending) = self.ending.take()
            {
                self.ending = Some(Ok(()));
                return ending.err().map(Err);
            }
            let idle = self.unanswered.is_empty();
            tokio::select! {
                biased;
                Some((ack, _credit)) = self.unanswered.next() => return Some(Ok(ack)),
                () = self.taker.doors.stop.cancelled(), if self.ending.is_none() => {
                    self.ending = Some(Err(refusals::shutting_down()));
                }
                taken = self.intake.next(&self.taker.doors, idle),
                    if self.ending.is_none() => match taken {
                    Ok(Some((block, credit))) => self.submit(block, credit).await,
                    Ok(None) => self.ending = Some(Ok(())),
                    Err(refusal) => self.ending = Some(Err(refusal)),
                },
            }
        }
    }

    async fn submit(&mut self, block: v1::PublishBlock, credit: OwnedSemaphorePermit) {
        let answer = self.taker.take(block).await;
        self.unanswered.push(Box::pin(async move { (answer.await, credit) }));
    }
}

/// Hands blocks to admission, for one caller and perhaps one producer.
struct Taker {
    doors: Arc<Doors>,
    ask: Ask,
    producer: Option<Producer>,
}

impl Taker {
    async fn take(&self, block: v1::PublishBlock) -> BoxFuture<'static, v1::PublishAck> {
        let request_id = block.request_id;
        let submitted = match &self.producer {
            Some(producer) => self.submit_sequenced(producer, block).await,
            None => self.submit_placed(block).await,
        };
        submitted.unwrap_or_else(|refusal| {
            let ack = refused_ack(request_id, &refusal, &self.ask);
            Box::pin(std::future::ready(ack))
        })
    }

    async fn submit_sequenced(
        &self,
        producer: &Producer,
        block: v1::PublishBlock,
    ) -> Result<BoxFuture<'static, v1::PublishAck>, Refusal> {
        let (request_id, ask) = (block.request_id, self.ask.clone());
        let block = SequencedBlock {
            body: block.body,
            body_crc: block.body_crc,
            count: block.count,
            topic: refusals::topic_name(self.ask.tenant(), &block.topic, "topic")?,
            partition: block.partition,
            partitions: block.partitions,
            first_sequence: block.first_sequence,
        };
        let submitted = self.doors.parts.admission.submit_block(producer, block).await?;
        Ok(Box::pin(async move {
            match submitted.settled().await {
                Ok(placed) => block_ack(request_id, &placed),
                Err(refusal) => refused_ack(request_id, &refusal, &ask),
            }
        }))
    }

    async fn submit_placed(
        &self,
        block: v1::PublishBlock,
    ) -> Result<BoxFuture<'static, v1::PublishAck>, Refusal> {
        let (request_id, ask) = (block.request_id, self.ask.clone());
        check_bytes(&block)?;
        let topic = match block.topic.as_str() {
            "" => None,
            name => Some(refusals::topic_name(ask.tenant(), name, "topic")?),
        };
        let batch = Batch { body: block.body, topic, ..Batch::default() };
        let submitted = self.doors.parts.admission.submit(ask.tenant(), batch).await?;
        Ok(Box::pin(async move { batch_ack(request_id, &submitted.settled().await, &ask) }))
    }
}

/// Whether a block's bytes are those its sender counted and summed.
fn check_bytes(block: &v1::PublishBlock) -> Result<(), Refusal> {
    let corrupt = |detail: String| Err(Refusal::new(Code::BlockCorrupt, detail));
    if crc32c(&block.body) != block.body_crc {
        return corrupt("the body does not fit its checksum".to_owned());
    }
    let count = events(&block.body).take_while(Result::is_ok).count();
    if count == block.count as usize {
        return Ok(());
    }
    corrupt(format!("the body holds {count} events, not {}", block.count))
}

/// The way in of one stream, held back while too much is unanswered or a journal is pressed.
struct Intake {
    inbound: Streaming<v1::PublishStreamRequest>,
    /// Read, and waiting for credit.
    held: Option<v1::PublishBlock>,
    credit: PublishCredit,
}

impl Intake {
    /// The next block with the credit it takes; `None` when the client has sent its last. Losing
    /// the future loses nothing.
    async fn next(
        &mut self,
        doors: &Doors,
        idle: bool,
    ) -> Result<Option<(v1::PublishBlock, OwnedSemaphorePermit)>, Refusal> {
        eased(doors, idle, Doors::is_pressed).await;
        if self.held.is_none() {
            let message = self.inbound.message().await.map_err(|status| unreadable(&status))?;
            let Some(message) = message else { return Ok(None) };
            let Some(publish_stream_request::Message::Block(block)) = message.message else {
                return Err(out_of_turn("after `open`, every message is a `block`"));
            };
            self.held = Some(block);
        }
        // What was waited for may have come while memory is short.
        eased(doors, idle, |doors| doors.parts.memory.is_refusing()).await;
        let bytes = self.held.as_ref().map_or(1, |block| block.body.len().max(1));
        // A block above the whole credit takes all of it; admission refuses it for its size.
        let most = self.credit.most;
        let permits = u32::try_from(bytes).unwrap_or(most).min(most);
        let taken = Arc::clone(&self.credit.free).acquire_many_owned(permits).await;
        let permit = taken.map_err(|_| refusals::shutting_down())?;
        Ok(self.held.take().map(|block| (block, permit)))
    }
}

/// Ends once nothing presses any more; losing the future loses nothing.
async fn eased(doors: &Doors, idle: bool, is_pressed: impl Fn(&Doors) -> bool) {
    while is_pressed(doors) {
        if !idle {
            // The next answer comes first, and then this is asked again.
            std::future::pending::<()>().await;
        }
        doors.timer.after(PRESSURE_PAUSE).await;
    }
}

fn ack_message(ack: v1::PublishAck) -> v1::PublishStreamResponse {
    v1::PublishStreamResponse { message: Some(publish_stream_response::Message::Ack(ack)) }
}
