//! Consumers that take what is sent, acknowledge it, and check that it comes in order and once.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::stream::StreamExt;
use http::{Request, StatusCode};
use http_body_util::Empty;
use tidings_wire::v1::{self, consume_request, consume_response};

use crate::answer::{Pieces, pieces, subscribe};
use crate::call::{Call, framed};
use crate::error::GateError;
use crate::node::Node;

/// Lines of one event of an event stream: its id, its data, an empty one.
const EVENT_LINES: u64 = 3;

/// A consumer, by the door that it takes.
pub(crate) enum Consumer {
    /// `Consume`.
    Stream(Stream),
    /// The same, of what is there anyway: sent as much as it asks for.
    Reader(Stream),
    /// `ConsumeMany`, with an attachment for each subscription.
    Many(Stream),
    /// Server-sent events.
    Events(Events),
}

impl Consumer {
    /// Makes a subscription to everything, and consumes it over gRPC.
    pub(crate) async fn stream(node: &Node, name: &str) -> Result<Self, GateError> {
        let stream = Stream::one(node, name).await?;
        stream.grant(u64::MAX)?;
        Ok(Self::Stream(stream))
    }

    /// The same with credit for what is to be taken, and no more.
    pub(crate) async fn reader(node: &Node, name: &str) -> Result<Self, GateError> {
        Stream::one(node, name).await.map(Self::Reader)
    }

    /// Makes subscriptions, each with a filter, and consumes all of them over one stream.
    pub(crate) async fn many(node: &Node, filters: Vec<String>) -> Result<Self, GateError> {
        let mut call = Call::open(node, "/tidings.v1.Consumer/ConsumeMany").await?;
        let (mut requests, mut unopened) = (Vec::new(), filters.len());
        for (number, filter) in (1..).zip(filters) {
            let name = format!("narrow-{number}");
            subscribe(node, &name, Some(filter)).await?;
            requests.extend([opening(&name, number), credit(u64::MAX, number)]);
        }
        call.say(framed(&v1::ConsumeRequests { requests }))?;
        while unopened > 0 {
            for opened in call.hear::<v1::ConsumeResponses>().await?.responses {
                is_opened(&opened)?;
                unopened -= 1;
            }
        }
        Ok(Self::Many(Stream::over(call)))
    }

    /// Reads everything from here on as server-sent events, without a cursor.
    pub(crate) async fn events(node: &Node, subscription: &str) -> Result<Self, GateError> {
        Ok(Self::Events(Events::open(node, subscription).await?))
    }

    /// Takes so many events.
    pub(crate) async fn take(&mut self, events: u64) -> Result<(), GateError> {
        if let Self::Reader(stream) = self {
            stream.grant(events)?;
        }
        let mut taken = 0;
        while taken < events {
            taken += match self {
                Self::Stream(stream) | Self::Reader(stream) => stream.next().await?,
                Self::Many(stream) => stream.next_of_many().await?,
                Self::Events(stream) => stream.next().await?,
            };
        }
        if taken > events {
            return Err(GateError::check(format!("{taken} events came of {events}")));
        }
        Ok(())
    }

    /// Acknowledges all that was taken, in one go, so that cursors are saved as often whatever the machine.
    pub(crate) fn acknowledge(&mut self) -> Result<(), GateError> {
        match self {
            Self::Stream(stream) | Self::Reader(stream) => stream.acknowledge(),
            Self::Many(stream) => stream.acknowledge_many(),
            Self::Events(_) => Ok(()),
        }
    }

    /// Waits until what was acknowledged is durably so.
    pub(crate) async fn confirmed(&mut self) -> Result<(), GateError> {
        match self {
            Self::Stream(stream) | Self::Reader(stream) => {
                while stream.unconfirmed > 0 {
                    none_more(stream.next().await?)?;
                }
            }
            Self::Many(stream) => {
                while stream.unconfirmed > 0 {
                    none_more(stream.next_of_many().await?)?;
                }
            }
            Self::Events(_) => {}
        }
        Ok(())
    }
}

fn none_more(events: u64) -> Result<(), GateError> {
    match events {
        0 => Ok(()),
        more => Err(GateError::check(format!("{more} events more came than were sent"))),
    }
}

/// How a consumer begins.
fn opening(subscription: &str, attachment: u32) -> v1::ConsumeRequest {
    let open = v1::ConsumeOpen {
        subscription: subscription.to_owned(),
        consumer: "gate".to_owned(),
        ..v1::ConsumeOpen::default()
    };
    v1::ConsumeRequest { message: Some(consume_request::Message::Open(open)), attachment }
}

fn credit(events: u64, attachment: u32) -> v1::ConsumeRequest {
    let credit = v1::Credit { events, bytes: u64::MAX };
    v1::ConsumeRequest { message: Some(consume_request::Message::Credit(credit)), attachment }
}

fn is_opened(response: &v1::ConsumeResponse) -> Result<(), GateError> {
    match &response.message {
        Some(consume_response::Message::Opened(_)) => Ok(()),
        other => Err(GateError::answer("open of a consumer", format!("{other:?}"))),
    }
}

/// A stream of gRPC, with one subscription or many.
pub(crate) struct Stream {
    call: Call,
    /// The least offset that may come next: of an attachment, a topic and a partition.
    next: BTreeMap<(u32, u64, u32), u64>,
    /// How to acknowledge what was taken.
    acks: Vec<v1::ConsumeRequest>,
    /// Events of which it is not known yet that they are settled.
    unconfirmed: u64,
}

impl Stream {
    fn over(call: Call) -> Self {
        Self { call, next: BTreeMap::new(), acks: Vec::new(), unconfirmed: 0 }
    }

    async fn one(node: &Node, name: &str) -> Result<Self, GateError> {
        subscribe(node, name, None).await?;
        let mut call = Call::open(node, "/tidings.v1.Consumer/Consume").await?;
        call.say(framed(&opening(name, 0)))?;
        is_opened(&call.hear().await?)?;
        Ok(Self::over(call))
    }

    fn grant(&self, events: u64) -> Result<(), GateError> {
        self.call.say(framed(&credit(events, 0)))
    }

    fn acknowledge(&mut self) -> Result<(), GateError> {
        self.acks.drain(..).try_for_each(|ack| self.call.say(framed(&ack)))
    }

    fn acknowledge_many(&mut self) -> Result<(), GateError> {
        let requests = std::mem::take(&mut self.acks);
        self.call.say(framed(&v1::ConsumeRequests { requests }))
    }

    async fn next(&mut self) -> Result<u64, GateError> {
        let response = self.call.hear().await?;
        self.taken(response)
    }

    async fn next_of_many(&mut self) -> Result<u64, GateError> {
        let heard: v1::ConsumeResponses = self.call.hear().await?;
        heard.responses.into_iter().map(|response| self.taken(response)).sum()
    }

    /// How many events a response holds.
    fn taken(&mut self, response: v1::ConsumeResponse) -> Result<u64, GateError> {
        let attachment = response.attachment;
        let delivery = match response.message {
            Some(consume_response::Message::Delivery(delivery)) => delivery,
            Some(consume_response::Message::Topic(_)) => return Ok(0),
            Some(consume_response::Message::Confirmed(confirmed)) if confirmed.stale.is_empty() => {
                let events: u64 = confirmed.runs.iter().map(|run| run.last - run.first + 1).sum();
                self.unconfirmed = self.unconfirmed.saturating_sub(events);
                return Ok(0);
            }
            other => return Err(GateError::answer("a stream", format!("{other:?}"))),
        };
        let place = (attachment, delivery.topic_id, delivery.partition);
        let next = self.next.entry(place).or_default();
        let mut events = 0;
        for run in &delivery.offsets {
            if run.first < *next || run.count == 0 {
                let what = format!("offset {} came after {next}", run.first);
                return Err(GateError::check(what));
            }
            *next = run.first + u64::from(run.count);
            events += u64::from(run.count);
        }
        if delivery.body.is_empty() || !delivery.redelivered.is_empty() {
            return Err(GateError::check("a delivery is empty, or came again"));
        }
        let last = v1::Position {
            topic_id: delivery.topic_id,
            epoch: delivery.epoch,
            partition: delivery.partition,
            offset: next.saturating_sub(1),
        };
        self.unconfirmed += events;
        let ack = v1::Ack { up_to: vec![last], runs: Vec::new() };
        let message = Some(consume_request::Message::Ack(ack));
        self.acks.push(v1::ConsumeRequest { message, attachment });
        Ok(events)
    }
}

/// An event stream. Each event is three lines, and nothing else is said while it goes on.
pub(crate) struct Events {
    pieces: Pieces,
    /// Lines of an event whose rest is still to come.
    lines: u64,
}

impl Events {
    async fn open(node: &Node, subscription: &str) -> Result<Self, GateError> {
        let path = format!("/api/v1/subscriptions/{subscription}/stream?ephemeral=true");
        let request = Request::builder().uri(&path).body(Empty::<Bytes>::new());
        let request = request.map_err(|error| GateError::answer(&path, error))?;
        let response = node.inside.answer(request).await;
        if response.status() != StatusCode::OK {
            return Err(GateError::answer(path, response.status()));
        }
        let mut pieces = pieces(response.into_body(), path);
        let opened = pieces.next().await.transpose()?.unwrap_or_default();
        if !opened.windows(6).any(|part| part == b"opened") {
            return Err(GateError::answer("an event stream", "it did not open"));
        }
        Ok(Self { pieces, lines: 0 })
    }

    async fn next(&mut self) -> Result<u64, GateError> {
        let Some(piece) = self.pieces.next().await.transpose()? else {
            return Err(GateError::answer("an event stream", "it ended"));
        };
        self.lines += piece.iter().filter(|&&byte| byte == b'\n').count() as u64;
        let events = self.lines / EVENT_LINES;
        self.lines %= EVENT_LINES;
        Ok(events)
    }
}
