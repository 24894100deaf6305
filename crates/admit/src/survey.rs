//! The first look at a batch: every event scanned, placed and grouped by partition.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use tidings_event::block::{BodyError, events};
use tidings_event::{Code, Envelope, PartitionId, Refusal, TopicName};

use crate::admit::Admission;
use crate::batch::Batch;
use crate::defining::{Defining, Found as FoundDefinitions};
use crate::key_sequences::KeyCount;
use crate::limits;
use crate::place::{Found, Route, Routes, key};
use crate::window::{identity, tenant_seed};

/// An event that may be stored.
pub(crate) struct Item {
    /// Where its bytes are in the body.
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) id: [u8; 16],
    /// Its identity in the window.
    pub(crate) hash: u128,
    pub(crate) group: u32,
}

/// An event in input order.
pub(crate) enum Seen {
    Fit(Item),
    Refused(Option<[u8; 16]>, Refusal),
}

/// Events of one partition.
pub(crate) struct Group {
    pub(crate) route: Arc<Route>,
    pub(crate) partition: PartitionId,
    pub(crate) bytes: usize,
}

#[derive(Default)]
pub(crate) struct Survey {
    pub(crate) seen: Vec<Seen>,
    pub(crate) groups: Vec<Group>,
    pub(crate) refused: usize,
    /// Topics that templates have yet to make.
    pub(crate) missing: Vec<TopicName>,
    /// What the events say of definitions.
    pub(crate) definitions: FoundDefinitions,
    /// Of the events that have one, index and number in their key's sequence.
    pub(crate) counts: Vec<(u32, KeyCount)>,
    /// Whether one of the events expires.
    pub(crate) expires: bool,
    routes: Vec<(Option<u128>, Arc<Route>, Vec<u32>)>,
}

const NO_GROUP: u32 = u32::MAX;

/// What events needed and could not be made.
#[derive(Default)]
pub(crate) struct Failed {
    pub(crate) topics: HashMap<TopicName, Refusal>,
    pub(crate) definitions: Option<Refusal>,
}

impl Admission {
    /// Something when the window knows the event.
    fn has_stored(&self, batch: &Batch, hash: u128) -> Option<()> {
        let window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.get(hash).filter(|_| !batch.assigned_ids).map(drop)
    }
}

impl Survey {
    /// Looks at every event. `failed` are topics that could not be made, and why definitions could
    /// not be registered.
    pub(crate) fn of(
        admission: &Admission,
        tenant: &str,
        batch: &Batch,
        failed: &Failed,
    ) -> Result<Self, Refusal> {
        let mut defining = Defining::new(admission, tenant, failed.definitions.clone());
        let mut survey = Self::default();
        survey.seen.reserve(batch.body.len() / 160 + 1);
        let seed = tenant_seed(tenant);
        let mut walk = events(&batch.body);
        while let Some(event) = walk.next() {
            let bytes = event.map_err(|BodyError { at }| limits::broken_body(&batch.body, at))?;
            let seen = match tidings_event::scan(bytes) {
                Err(refusal) => Seen::Refused(None, refusal),
                Ok(envelope) => {
                    survey.expires |= envelope.expires_at.0 != 0;
                    let hash = identity(seed, envelope.source, &envelope.id);
                    let group = survey.group(&admission.routes, tenant, batch, &envelope, failed);
                    let judged = group.and_then(|group| {
                        let defined = defining.check(bytes, &envelope);
                        // What is stored already stays so, whatever is registered since.
                        defined.or_else(|r| admission.has_stored(batch, hash).ok_or(r))?;
                        Ok(group)
                    });
                    match judged {
                        Err(refusal) => Seen::Refused(Some(envelope.id), refusal),
                        Ok(group) => {
                            if let Some(count) = KeyCount::of(seed, &envelope) {
                                survey.counts.push((survey.seen.len() as u32, count));
                            }
                            // A batch has at most 16 MiB.
                            let end = walk.offset() as u32;
                            let start = end - bytes.len() as u32;
                            Seen::Fit(Item { start, end, id: envelope.id, hash, group })
                        }
                    }
                }
            };
            match &seen {
                Seen::Refused(..) => survey.refused += 1,
                Seen::Fit(item) => {
                    if let Some(group) = survey.groups.get_mut(item.group as usize) {
                        group.bytes += (item.end - item.start) as usize + 5;
                    }
                }
            }
            survey.seen.push(seen);
        }
        survey.definitions = defining.end();
        Ok(survey)
    }

    /// Whether the batch is refused as a whole.
    pub(crate) fn is_aborted(&self, batch: &Batch) -> bool {
        batch.atomic && self.refused > 0
    }

    fn group(
        &mut self,
        routes: &Routes,
        tenant: &str,
        batch: &Batch,
        event: &Envelope<'_>,
        failed: &Failed,
    ) -> Result<u32, Refusal> {
        let key = if batch.topic.is_some() { Some(0) } else { key(event) };
        let known = self.routes.iter().position(|(k, ..)| key.is_some() && *k == key);
        let at = match known {
            Some(at) => at,
            None => {
                let found = match &batch.topic {
                    Some(name) => routes.by_name(name),
                    None => routes.by_event(tenant, event),
                };
                match found? {
                    Found::Route(route) => {
                        // Keys that differ in what a template ignores lead to one topic.
                        let same = |r: &(_, Arc<Route>, _)| r.1.topic.id == route.topic.id;
                        let slots = vec![NO_GROUP; route.topic.partitions as usize];
                        match self.routes.iter().position(same) {
                            Some(at) if key.is_none() => at,
                            Some(at) => {
                                return self.group_in(at, event);
                            }
                            None => {
                                self.routes.push((key, route, slots));
                                self.routes.len() - 1
                            }
                        }
                    }
                    Found::Missing(name) => match failed.topics.get(&name) {
                        Some(refusal) => return Err(refusal.clone()),
                        None => {
                            if !self.missing.contains(&name) {
                                self.missing.push(name);
                            }
                            return Ok(NO_GROUP);
                        }
                    },
                }
            }
        };
        self.group_in(at, event)
    }

    fn group_in(&mut self, at: usize, event: &Envelope<'_>) -> Result<u32, Refusal> {
        let (_, route, slots) = &mut self.routes[at];
        if !route.takes(event) {
            return Err(mismatch(route));
        }
        let partition = event.key_hash().partition(route.topic.partitions);
        let slot = &mut slots[partition.0 as usize];
        if *slot == NO_GROUP {
            // At most one group an event.
            *slot = self.groups.len() as u32;
            self.groups.push(Group { route: Arc::clone(route), partition, bytes: 0 });
        }
        Ok(*slot)
    }
}

pub(crate) fn mismatch(route: &Route) -> Refusal {
    let detail = format!("the event's kind or values do not belong to `{}`", route.topic.name);
    Refusal::new(Code::TopicMismatch, detail)
        .with_hint("leave the topic out: templates place events")
}
