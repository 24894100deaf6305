//! Many attachments on one stream, served by one task: it waits for all of them at once, and each
//! message carries what is ready of any of them.
//!
//! Attachments take turns, one delivery each. Credit, errors and the end are an attachment's own; what
//! breaks the rules of the stream itself ends all of them.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use tidings_deliver::{Outgoing, Reading, Turn, Watch};
use tidings_event::{Code, Refusal};
use tidings_wire::v1;
use tidings_wire::v1::consume_request::Message as Wanted;
use tidings_wire::v1::consume_response::Message;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::attachment::Attachment;
use super::silence::Silence;
use super::{Asked, Consuming, proto};
use crate::doors::Doors;
use crate::grpc::{Ask, out_of_turn};
use crate::refusals;

/// Bytes after which a message leaves, whatever else is ready.
const MESSAGE_BYTES: usize = 64 << 10;

/// About what a response takes beside its events.
const RESPONSE_BYTES: usize = 64;

/// Most reads of the log at a time.
const READS_MAX: usize = 16;

type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// See the module.
pub(crate) struct Many {
    doors: Arc<Doors>,
    ask: Ask,
    attached: HashMap<u32, Box<Attached>>,
    /// The highest number that was opened.
    newest: u32,
    watch: Arc<Watch>,
    /// Whose turn it is, in order.
    turns: VecDeque<u32>,
    /// When those that wait for a time have their turns.
    due: BTreeSet<(Duration, u32)>,
    /// Ends at the first of these times.
    alarm: Option<(Duration, Waiting<()>)>,
    reads: FuturesUnordered<Waiting<u32>>,
    /// Who reads when one of `reads` has ended, unless something else came first.
    unread: VecDeque<u32>,
    /// What was answered, and not said yet.
    answers: Vec<v1::ConsumeResponse>,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
    silence: Silence,
}

/// One of them.
struct Attached {
    attachment: Attachment,
    stand: Stand,
    /// What it reads when it comes to that.
    unread: Option<Reading>,
    /// Whether it is listed among those that read when it comes to that.
    is_listed: bool,
}

/// What an attachment waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stand {
    /// A change.
    Idle,
    /// A change, or a time.
    Until(Duration),
    /// Its turn.
    InTurn,
    /// The log.
    Reading,
}

impl Many {
    pub(crate) fn new(doors: &Arc<Doors>, ask: Ask) -> Self {
        Self {
            ask,
            attached: HashMap::new(),
            newest: 0,
            watch: Arc::new(Watch::default()),
            turns: VecDeque::new(),
            due: BTreeSet::new(),
            alarm: None,
            reads: FuturesUnordered::new(),
            unread: VecDeque::new(),
            answers: Vec::new(),
            stopped: Box::pin(doors.stop.child_token().cancelled_owned()),
            silence: Silence::new(doors),
            doors: Arc::clone(doors),
        }
    }

    /// Takes what a client asks. A refusal ends the stream; what is wrong of one attachment ends that
    /// one, and is said to it.
    pub(crate) fn take(&mut self, requests: v1::ConsumeRequests) -> Result<(), Refusal> {
        for (at, request) in requests.requests.into_iter().enumerate() {
            let field = || format!("requests[{at}].attachment");
            self.ask(request).map_err(|refusal| refusal.at_field(field()))?;
        }
        Ok(())
    }

    fn ask(&mut self, request: v1::ConsumeRequest) -> Result<(), Refusal> {
        let number = request.attachment;
        if number == 0 {
            return Err(out_of_turn("attachments are numbered from 1 on"));
        }
        let is_open = matches!(request.message, Some(Wanted::Open(_)));
        if is_open && number <= self.newest {
            let detail = format!("attachment {number} is opened after {}", self.newest);
            return Err(out_of_turn(&detail).with_hint("give each a number above the last one"));
        }
        if !is_open && number > self.newest {
            return Err(out_of_turn(&format!("attachment {number} was never opened")));
        }
        if is_open {
            self.newest = number;
        }
        if let Some(Wanted::Close(_)) = request.message {
            if self.detach(number) {
                self.answer(number, Message::Closed(v1::Closed {}));
            }
            return Ok(());
        }
        let taken = proto::wanted(request.message).and_then(|asked| self.take_one(number, asked));
        if let Err(refusal) = taken {
            self.end(number, &refusal);
        }
        Ok(())
    }

    fn take_one(&mut self, number: u32, asked: Asked) -> Result<(), Refusal> {
        let opening = match asked {
            Asked::Open(opening) => opening,
            // What was on its way to one that has ended is passed over.
            asked => {
                return self.attached.get(&number).map_or(Ok(()), |at| at.attachment.take(asked));
            }
        };
        let most = self.doors.parts.limits.now().attachments;
        if self.attached.len() >= most {
            let detail = format!("a stream has at most {most} attachments");
            return Err(Refusal::new(Code::ResourceExhausted, detail).with_hint("open another"));
        }
        let mut attachment = Attachment::open(&self.doors, self.ask.tenant(), opening)?;
        attachment.session_mut().watch(&self.watch, number);
        if let Some(opened) = proto::said(attachment.opened(), &attachment)? {
            self.answers.push(v1::ConsumeResponse { attachment: number, ..opened });
        }
        let attached = Attached { attachment, stand: Stand::Idle, unread: None, is_listed: false };
        self.attached.insert(number, Box::new(attached));
        Ok(())
    }

    /// What is said next. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<v1::ConsumeResponses, Refusal> {
        loop {
            let responses = self.gather();
            if !responses.is_empty() {
                self.silence.broken(&self.doors);
                return Ok(v1::ConsumeResponses { responses });
            }
            self.set_alarm();
            tokio::select! {
                () = self.watch.changed() => {}
                Some(number) = self.reads.next(), if !self.reads.is_empty() => self.has_read(number),
                () = ring(&mut self.alarm) => self.ring_out(),
                () = &mut self.stopped => return Err(refusals::shutting_down()),
                () = self.silence.passed() => if self.silence.is_over(&self.doors) {
                    self.answer(0, Message::Heartbeat(v1::Heartbeat::default()));
                },
            }
        }
    }

    /// What is ready, up to a message's size.
    fn gather(&mut self) -> Vec<v1::ConsumeResponse> {
        let mut listed = Vec::new();
        self.watch.take(&mut listed);
        listed.into_iter().for_each(|number| self.has_news(number));
        let mut said = std::mem::take(&mut self.answers);
        let mut bytes = said.len() * RESPONSE_BYTES;
        while bytes < MESSAGE_BYTES {
            let Some(number) = self.turns.pop_front() else { break };
            let before = said.len();
            self.turn(number, &mut said);
            bytes += said[before..].iter().map(size).sum::<usize>();
        }
        said
    }

    /// Gives one its turn.
    fn turn(&mut self, number: u32, said: &mut Vec<v1::ConsumeResponse>) {
        let Some(attached) = self.attached.get_mut(&number) else { return };
        match attached.attachment.session_mut().turn() {
            Turn::Out(outgoing) => match attached.say(number, outgoing, said) {
                Ok(()) => self.turns.push_back(number),
                Err(refusal) => {
                    self.end(number, &refusal);
                    said.append(&mut self.answers);
                }
            },
            Turn::Read(reading) => {
                attached.stand = Stand::Reading;
                attached.unread = Some(reading);
                if !std::mem::replace(&mut attached.is_listed, true) {
                    self.unread.push_back(number);
                }
                self.read_on();
            }
            Turn::Wait(until) => {
                attached.stand = until.map_or(Stand::Idle, Stand::Until);
                self.due.extend(until.map(|until| (until, number)));
            }
            Turn::Over => {
                self.detach(number);
            }
        }
    }

    /// Something changed for one, or its time has come.
    fn has_news(&mut self, number: u32) {
        let Some(attached) = self.attached.get_mut(&number) else { return };
        match attached.stand {
            Stand::InTurn => return,
            // Before it reads it may have something else to say.
            Stand::Reading => {
                if attached.unread.take().is_none() {
                    return;
                }
            }
            Stand::Until(until) => {
                self.due.remove(&(until, number));
            }
            Stand::Idle => {}
        }
        attached.stand = Stand::InTurn;
        self.turns.push_back(number);
    }

    fn has_read(&mut self, number: u32) {
        if let Some(attached) = self.attached.get_mut(&number) {
            attached.stand = Stand::InTurn;
            self.turns.push_back(number);
        }
        self.read_on();
    }

    fn read_on(&mut self) {
        while self.reads.len() < READS_MAX {
            let Some(number) = self.unread.pop_front() else { return };
            let Some(attached) = self.attached.get_mut(&number) else { continue };
            attached.is_listed = false;
            if let Some(reading) = attached.unread.take() {
                self.reads.push(Box::pin(async move {
                    reading.run().await;
                    number
                }));
            }
        }
    }

    fn set_alarm(&mut self) {
        let first = self.due.first().map(|&(until, _)| until);
        if self.alarm.as_ref().map(|(until, _)| *until) == first {
            return;
        }
        let now = self.doors.parts.clock.monotonic();
        self.alarm = first.map(|until| {
            let left = until.saturating_sub(now).max(Duration::from_millis(1));
            (until, Box::pin(self.doors.timer.after(left)) as Waiting<()>)
        });
    }

    /// Those whose time has come have their turns.
    fn ring_out(&mut self) {
        self.alarm = None;
        let now = self.doors.parts.clock.monotonic();
        while let Some(&(_, number)) = self.due.first().filter(|&&(until, _)| until <= now) {
            self.has_news(number);
        }
    }

    /// Ends one with a problem.
    fn end(&mut self, number: u32, refusal: &Refusal) {
        self.detach(number);
        Consuming::count_error(&self.doors);
        let error = proto::error(refusal, &self.ask.id.0);
        self.answers.push(v1::ConsumeResponse { attachment: number, ..error });
    }

    /// Gives back what one has in flight. Whether it was there.
    fn detach(&mut self, number: u32) -> bool {
        let Entry::Occupied(attached) = self.attached.entry(number) else { return false };
        if let Stand::Until(until) = attached.get().stand {
            self.due.remove(&(until, number));
        }
        attached.remove();
        true
    }

    fn answer(&mut self, number: u32, message: Message) {
        self.answers.push(v1::ConsumeResponse { attachment: number, ..proto::response(message) });
    }
}

impl Attached {
    fn say(
        &mut self,
        number: u32,
        outgoing: Outgoing,
        said: &mut Vec<v1::ConsumeResponse>,
    ) -> Result<(), Refusal> {
        let (named, told) = self.attachment.say(outgoing)?;
        for told in named.into_iter().chain([told]) {
            let response = proto::said(told, &self.attachment)?;
            said.extend(response.map(|said| v1::ConsumeResponse { attachment: number, ..said }));
        }
        Ok(())
    }
}

/// Ends when the alarm does; never where there is none.
async fn ring(alarm: &mut Option<(Duration, Waiting<()>)>) {
    match alarm {
        Some((_, due)) => due.as_mut().await,
        None => std::future::pending().await,
    }
}

/// About its bytes.
fn size(response: &v1::ConsumeResponse) -> usize {
    let body = match &response.message {
        Some(Message::Delivery(delivery)) => delivery.body.len(),
        _ => 0,
    };
    RESPONSE_BYTES + body
}
