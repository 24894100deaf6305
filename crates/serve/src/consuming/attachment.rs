//! One attachment of a client to a subscription: it takes what is asked after its `open`, and says
//! what its session gives out. Whoever serves it waits, for it alone or for many.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use bytes::Bytes;
use tidings_catalog::{Compression, Topic};
use tidings_deliver::{Attach, Delivery, Outgoing, Session};
use tidings_event::{Refusal, TopicId, packed};

use super::encoded::EventTexts;
use super::{Asked, Opening, Said};
use crate::doors::Doors;
use crate::grpc::out_of_turn;

/// See the module.
pub(crate) struct Attachment {
    doors: Arc<Doors>,
    session: Session,
    /// How it wants bodies packed, where it says so; otherwise its subscription does.
    compression: Option<Compression>,
    /// Topics that were named.
    topics: BTreeMap<TopicId, Arc<Topic>>,
}

impl Attachment {
    /// Attaches the consumer that an `open` names.
    pub(super) fn open(
        doors: &Arc<Doors>,
        tenant: &str,
        opening: Opening,
    ) -> Result<Self, Refusal> {
        let Opening { subscription, consumer, compression, ack_deadline } = opening;
        let attach = Attach { consumer, ack_deadline, ..Attach::default() };
        let session = doors.parts.deliver.attach_with(tenant, &subscription, attach)?;
        Ok(Self { compression, ..Self::over(doors, session) })
    }

    /// Goes on with a session that is attached.
    pub(super) fn over(doors: &Arc<Doors>, session: Session) -> Self {
        let topics = BTreeMap::new();
        Self { doors: Arc::clone(doors), session, compression: None, topics }
    }

    /// The first that it says.
    pub(super) fn opened(&self) -> Said {
        let (events, bytes) = self.session.max_in_flight();
        Said::Opened { session: self.session.number().to_string(), events, bytes }
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    pub(super) fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    /// The path of a topic that was named; empty for any other.
    pub(crate) fn topic(&self, id: TopicId) -> &str {
        self.topics.get(&id).map_or("", |topic| topic.name.path())
    }

    /// JSON of a delivery's events, shared with whoever else is sent them.
    pub(crate) fn texts(&self, delivery: &Delivery) -> Result<Arc<EventTexts>, Refusal> {
        self.doors.encoded.texts(delivery)
    }

    /// A delivery's body and its codec, as this client wants it: packed ones are shared, too.
    pub(crate) fn body(&self, delivery: &Delivery) -> Result<(Bytes, u32), Refusal> {
        match self.compression.unwrap_or_else(|| self.session.compression()) {
            Compression::None => Ok((delivery.body.clone(), packed::PLAIN)),
            Compression::Lz4 => self.doors.encoded.packed(delivery),
        }
    }

    /// Takes what a client asked after its `open`.
    pub(super) fn take(&self, asked: Asked) -> Result<(), Refusal> {
        match asked {
            Asked::Open(_) => {
                return Err(out_of_turn("`open` comes once, as the first message"));
            }
            Asked::Credit { events, bytes } => self.session.grant(events, bytes),
            Asked::Ack { up_to, runs } => self.session.ack(up_to, runs),
            Asked::AckIds { up_to, ack_ids } => self.session.ack_ids(&up_to, &ack_ids),
            Asked::Nack { runs, nack } => self.session.nack(runs, nack),
            Asked::Extend { runs, by } => self.session.extend(runs, by)?,
            Asked::ExtendIds { ack_ids, by } => self.session.extend_ids(&ack_ids, by)?,
        }
        Ok(())
    }

    /// What its session gives out, and the name of its topic where that is new.
    pub(super) fn say(&mut self, outgoing: Outgoing) -> Result<(Option<Said>, Said), Refusal> {
        let said = match outgoing {
            Outgoing::Delivery(delivery) => {
                let named = self.name(&delivery.topic);
                return Ok((named, Said::Delivery(delivery)));
            }
            Outgoing::Gap(gap) => return Ok((self.name(&gap.topic), Said::Gap(gap))),
            Outgoing::Confirmed { runs, stale } => Said::Confirmed { runs, stale },
            Outgoing::Extended { runs, stale } => Said::Extended { runs, stale },
            Outgoing::Paused { in_flight } => Said::Paused { in_flight },
            Outgoing::Resumed { in_flight } => Said::Resumed { in_flight },
            Outgoing::Closed(refusal) => return Err(refusal),
        };
        Ok((None, said))
    }

    fn name(&mut self, topic: &Arc<Topic>) -> Option<Said> {
        let Entry::Vacant(unnamed) = self.topics.entry(topic.id) else { return None };
        Some(Said::Topic(Arc::clone(unnamed.insert(Arc::clone(topic)))))
    }
}
