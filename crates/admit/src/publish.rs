//! Batches without a producer: surveyed, then stored partition by partition, repeats left out.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

use futures::FutureExt;
use tidings_catalog::{Durability, Topic};
use tidings_event::block::{BODY_BYTES_MAX, Block, BodyBuilder, Flags, HEADER_BYTES_MAX, crc32c};
use tidings_event::{Code, Offset, PartitionId, Refusal, Timestamp, TopicPartition};
use tidings_log::Journal;
use tidings_telemetry::Counter;

use crate::admit::{Admission, seconds};
use crate::batch::{Batch, Outcome, Placed, Rejected};
use crate::cells::{Cell, Durable};
use crate::key_notes::{self, Noted};
use crate::limits::{self, BLOCK_BYTES_TARGET};
use crate::refuse;
use crate::settle::Submitted;
use crate::survey::{Failed, Group, Item, Seen, Survey};

/// What is to become of one event that fits.
#[derive(Clone, Copy)]
enum Fate {
    /// Stored at this offset of its group's partition.
    Store(Offset),
    /// It is there already.
    Repeat(TopicPartition, Offset),
}

/// A group while its partition is locked.
struct Open<'a> {
    group: &'a Group,
    cell: Option<MutexGuard<'a, Cell>>,
    location: u32,
    next: Offset,
    refusal: Option<Refusal>,
    /// What its events' numbers did to their keys' sequences.
    noted: Vec<Noted>,
    /// Place of its append in the answer's list.
    append: Option<u32>,
}

impl Open<'_> {
    fn place(&self) -> TopicPartition {
        TopicPartition { topic: self.group.route.topic.id, partition: self.group.partition }
    }
}

impl Admission {
    /// Takes a batch in and waits until it is durable; one outcome per event, in input order.
    ///
    /// # Errors
    /// The batch as a whole is unreadable, empty or too large: nothing was stored.
    pub async fn publish(&self, tenant: &str, batch: Batch) -> Result<Vec<Outcome>, Refusal> {
        Ok(self.submit(tenant, batch).await?.settled().await)
    }

    /// Takes a batch in, in call order; [`Submitted::settled`] waits until it is durable.
    ///
    /// # Errors
    /// The batch as a whole is unreadable, empty or too large: nothing was stored.
    pub async fn submit(&self, tenant: &str, batch: Batch) -> Result<Submitted, Refusal> {
        self.check_open()?;
        limits::check_batch(batch.body.len())?;
        let taken_in = self.take_in(tenant, &batch);
        self.turns.take(batch.body.len(), taken_in).await
    }

    async fn take_in(&self, tenant: &str, batch: &Batch) -> Result<Submitted, Refusal> {
        let mut failed = Failed::default();
        loop {
            let survey = Survey::of(self, tenant, batch, &failed)?;
            if survey.missing.is_empty() {
                // A batch that is refused as a whole defines nothing.
                if survey.definitions.is_complete() || survey.is_aborted(batch) {
                    return self.store(survey, batch);
                }
                if batch.atomic {
                    check_atomic(&survey.groups)?;
                }
                failed.definitions = self.define(tenant, survey.definitions).await;
                continue;
            }
            for name in survey.missing {
                if let Err(refusal) = self.catalog.topic_or_template(&name).await {
                    failed.topics.insert(name, refusal);
                }
            }
        }
    }

    fn store(&self, survey: Survey, batch: &Batch) -> Result<Submitted, Refusal> {
        self.tell_conflicts(survey.definitions.conflicts, survey.definitions.first.as_ref());
        if batch.atomic {
            if survey.is_aborted(batch) {
                return Ok(self.aborted(survey));
            }
            check_atomic(&survey.groups)?;
        }
        let mut open = self.open_groups(&survey.groups);
        let fates = self.judge(&survey, &mut open, batch);
        let mut appends = Vec::new();
        for journal in Journal::TOPICS {
            self.append_groups(journal, &survey, &fates, batch, (&mut open, &mut appends));
        }
        self.take_back(&survey, &fates, &open);
        let refusals: Vec<_> =
            open.iter_mut().map(|open| (open.refusal.take(), open.append)).collect();
        // Partitions are free from here on.
        drop(open);
        Ok(self.answer(survey, &fates, &refusals, (batch, appends)))
    }

    /// Locks every group's partition, always in the same order.
    fn open_groups<'a>(&self, groups: &'a [Group]) -> Vec<Open<'a>> {
        let mut order: Vec<usize> = (0..groups.len()).collect();
        order.sort_unstable_by_key(|&at| (groups[at].route.topic.id, groups[at].partition));
        let mut open: Vec<Open<'a>> = groups
            .iter()
            .map(|group| Open {
                group,
                cell: None,
                location: 0,
                next: Offset(0),
                refusal: None,
                noted: Vec::new(),
                append: None,
            })
            .collect();
        for at in order {
            let Group { route, partition, .. } = open[at].group;
            match route.cells.lock(&route.topic, *partition, &*self.log, &self.seeds) {
                Ok(cell) => {
                    open[at].next = cell.tail;
                    open[at].cell = Some(cell);
                }
                Err(refusal) => open[at].refusal = Some(refusal),
            }
        }
        open
    }

    /// Gives every event its offset, or finds it in the window.
    fn judge(&self, survey: &Survey, open: &mut [Open<'_>], batch: &Batch) -> Vec<Option<Fate>> {
        let now = seconds(self.clock.monotonic());
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.expire(now);
        for group in open.iter_mut() {
            group.location = window.locate(group.place());
        }
        let mut counts = survey.counts.iter().peekable();
        let mut keys = (!survey.counts.is_empty()).then(|| self.keys());
        let fates = (0u32..).zip(&survey.seen).map(|(index, seen)| {
            let count = counts.next_if(|(at, _)| *at == index).map(|(_, count)| *count);
            let Seen::Fit(item) = seen else { return None };
            let group = open.get_mut(item.group as usize)?;
            group.cell.as_ref()?;
            if !batch.assigned_ids {
                let known = window.get(item.hash);
                // A deleted topic's events are gone: their ids are new again.
                match known {
                    Some((place, at)) if self.routes.by_id(place.topic).is_some() => {
                        return Some(Fate::Repeat(place, at));
                    }
                    Some(_) => window.remove(item.hash),
                    None => {}
                }
                window.insert(item.hash, group.location, group.next, now);
            }
            let offset = group.next;
            group.next = offset.plus(1);
            let step = count.and_then(|count| keys.as_mut()?.step(count));
            group.noted.extend(step.map(|step| Noted { offset, step }));
            Some(Fate::Store(offset))
        });
        fates.collect()
    }

    /// Appends what goes to one journal, in one call.
    fn append_groups(
        &self,
        journal: Journal,
        survey: &Survey,
        fates: &[Option<Fate>],
        batch: &Batch,
        (open, appends): (&mut [Open<'_>], &mut Vec<Durable>),
    ) {
        let ingested_at = self.ingest_time();
        let (mut blocks, mut bytes) = (Vec::new(), 0);
        for (at, group) in open.iter().enumerate() {
            let of_journal = group.group.route.topic.retention.journal() == journal;
            if let (true, Some(cell)) = (of_journal, &group.cell)
                && group.next > cell.tail
            {
                let time = ingested_at.max(cell.last_ingest);
                self.blocks(survey, fates, batch, (at as u32, group, time), &mut blocks);
            }
        }
        if blocks.is_empty() {
            return;
        }
        bytes += blocks.iter().map(|block: &Block| block.body.len() as u64).sum::<u64>();
        let events: u64 = blocks.iter().map(|block| u64::from(block.header.count)).sum();
        let result = self.append(blocks);
        let durable = result.map(FutureExt::shared).map_err(|error| self.refused(&error, events));
        for group in open.iter_mut() {
            let next = group.next;
            let of_journal = group.group.route.topic.retention.journal() == journal;
            let Some(cell) = group.cell.as_mut().filter(|c| of_journal && next > c.tail) else {
                continue;
            };
            match &durable {
                Ok(durable) => {
                    let time = ingested_at.max(cell.last_ingest);
                    cell.appended(next, time, durable);
                    group.append = Some(appends.len() as u32);
                    self.tell_keys(group.place(), &group.noted);
                }
                Err(refusal) => group.refusal = Some(refusal.clone()),
            }
        }
        if let Ok(durable) = durable {
            appends.push(durable);
            self.recorder.count(Counter::AdmitEvents, events);
            self.appended_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// The blocks of one group: the batch's own body where all of it goes there.
    fn blocks(
        &self,
        survey: &Survey,
        fates: &[Option<Fate>],
        batch: &Batch,
        (at, group, time): (u32, &Open<'_>, Timestamp),
        blocks: &mut Vec<Block>,
    ) {
        let Some(cell) = &group.cell else { return };
        let (place, mut base) = (group.place(), cell.tail);
        let memory = self.level(batch, &group.group.route.topic) == Durability::Memory;
        let mut push = |body: bytes::Bytes, count: u64| {
            let crc = crc32c(&body);
            let mut block = self.block(place, base, (body, count, crc), time, None);
            if memory {
                block.header.flags = block.header.flags.with(Flags::MEMORY);
            }
            if survey.expires {
                block.header.flags = block.header.flags.with(Flags::EXPIRES);
            }
            key_notes::note(&mut block.header, &group.noted);
            base = base.plus(count);
            blocks.push(block);
        };
        let stored = group.next.0 - cell.tail.0;
        if stored == survey.seen.len() as u64 && batch.body.len() <= BODY_BYTES_MAX {
            push(batch.body.clone(), stored);
            return;
        }
        let mut body = BodyBuilder::with_capacity(group.group.bytes.min(BLOCK_BYTES_TARGET * 2));
        for (seen, fate) in survey.seen.iter().zip(fates) {
            let (Seen::Fit(item), Some(Fate::Store(_))) = (seen, fate) else { continue };
            if item.group != at {
                continue;
            }
            let event = &batch.body[item.start as usize..item.end as usize];
            let full = !body.is_empty() && body.len() + event.len() > BLOCK_BYTES_TARGET;
            if full {
                let (bytes, count) = body.take();
                push(bytes, u64::from(count));
            }
            // An empty body takes any event that a batch can hold.
            let _fits = body.push(event);
        }
        let (bytes, count) = body.take();
        push(bytes, u64::from(count));
    }

    /// Forgets the ids of what the log refused.
    fn take_back(&self, survey: &Survey, fates: &[Option<Fate>], open: &[Open<'_>]) {
        if open.iter().all(|group| group.refusal.is_none()) {
            return;
        }
        open.iter().filter(|g| g.refusal.is_some()).for_each(|g| self.undo_keys(&g.noted));
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        for (seen, fate) in survey.seen.iter().zip(fates) {
            if let (Seen::Fit(item), Some(Fate::Store(_))) = (seen, fate)
                && open.get(item.group as usize).is_some_and(|group| group.refusal.is_some())
            {
                window.remove(item.hash);
            }
        }
    }

    fn level(&self, batch: &Batch, topic: &Topic) -> Durability {
        match (batch.durability, topic.durability) {
            (Some(Durability::Memory), Durability::Memory) => Durability::Memory,
            _ => Durability::Durable,
        }
    }

    fn answer(
        &self,
        survey: Survey,
        fates: &[Option<Fate>],
        groups: &[(Option<Refusal>, Option<u32>)],
        (batch, mut appends): (&Batch, Vec<Durable>),
    ) -> Submitted {
        let mut outcomes = Vec::with_capacity(survey.seen.len());
        let mut waits = Vec::with_capacity(survey.seen.len());
        let (mut refused, mut repeats) = (0, 0);
        for (seen, fate) in survey.seen.into_iter().zip(fates) {
            let (outcome, wait) = match (seen, fate) {
                (Seen::Refused(id, refusal), _) => (Err(Rejected { id, refusal }), None),
                (Seen::Fit(item), Some(Fate::Repeat(place, at))) => {
                    self.repeat(&survey.groups, groups, (&item, *place, *at), batch, &mut appends)
                }
                (Seen::Fit(item), fate) => {
                    let (refusal, append) = &groups[item.group as usize];
                    let group = &survey.groups[item.group as usize];
                    let offset = match fate {
                        Some(Fate::Store(offset)) => Some(*offset),
                        _ => None,
                    };
                    match refusal {
                        Some(refusal) => {
                            let refusal = refusal.clone();
                            (Err(Rejected { id: Some(item.id), refusal }), None)
                        }
                        None => {
                            let at = (&group.route.topic, group.partition, offset);
                            self.placed(batch, item.id, at, (false, *append))
                        }
                    }
                }
            };
            match &outcome {
                Err(_) => refused += 1,
                Ok(placed) => repeats += u64::from(placed.duplicate),
            }
            outcomes.push(outcome);
            waits.push(wait);
        }
        self.recorder.count(Counter::AdmitRefused, refused);
        self.recorder.count(Counter::AdmitDuplicates, repeats);
        if waits.iter().all(Option::is_none) {
            appends.clear();
        }
        Submitted { outcomes, waits, appends, watch: self.watch() }
    }

    /// Where an event is, and which append its answer waits for.
    fn placed(
        &self,
        batch: &Batch,
        id: [u8; 16],
        (topic, partition, offset): (&Arc<Topic>, PartitionId, Option<Offset>),
        (duplicate, append): (bool, Option<u32>),
    ) -> (Outcome, Option<u32>) {
        let durability = self.level(batch, topic);
        let wait = append.filter(|_| durability == Durability::Durable);
        let (topic, epoch) = (Arc::clone(topic), self.log.epoch());
        (Ok(Placed { id, topic, partition, offset, epoch, duplicate, durability }), wait)
    }

    /// The answer to a repeat: where the first one is, once that is durable.
    fn repeat(
        &self,
        of: &[Group],
        groups: &[(Option<Refusal>, Option<u32>)],
        (item, place, at): (&Item, TopicPartition, Offset),
        batch: &Batch,
        appends: &mut Vec<Durable>,
    ) -> (Outcome, Option<u32>) {
        let id = item.id;
        // The first one may be in this very batch, and may have been refused with its group.
        let same = |group: &Group| {
            group.route.topic.id == place.topic && group.partition == place.partition
        };
        let own = of.iter().position(same).and_then(|at| groups.get(at));
        let route = self.routes.by_id(place.topic);
        let cell = route.as_ref().and_then(|route| {
            route.cells.lock(&route.topic, place.partition, &*self.log, &self.seeds).ok()
        });
        let (Some(route), Some(cell)) = (&route, cell) else {
            let refusal = Refusal::new(Code::TopicUnknown, "its topic was just deleted");
            return (Err(Rejected { id: Some(id), refusal }), None);
        };
        if at >= cell.tail {
            let refusal = own.and_then(|(refusal, _)| refusal.clone());
            let refusal = refusal.unwrap_or_else(refuse::unknown_outcome);
            return (Err(Rejected { id: Some(id), refusal }), None);
        }
        let append = cell.durable_below(at.plus(1)).map(|durable| {
            let known = appends.iter().position(|append| append.ptr_eq(&durable));
            known.unwrap_or_else(|| {
                appends.push(durable);
                appends.len() - 1
            }) as u32
        });
        self.placed(batch, id, (&route.topic, place.partition, Some(at)), (true, append))
    }

    /// Refuses a whole atomic batch for the sake of some of its events.
    fn aborted(&self, survey: Survey) -> Submitted {
        self.recorder.count(Counter::AdmitRefused, survey.seen.len() as u64);
        let rejected = survey.seen.into_iter().map(|seen| match seen {
            Seen::Refused(id, refusal) => Rejected { id, refusal },
            Seen::Fit(item) => Rejected {
                id: Some(item.id),
                refusal: Refusal::new(Code::BatchAborted, "another event was refused"),
            },
        });
        let outcomes: Vec<Outcome> = rejected.map(Err).collect();
        let waits = vec![None; outcomes.len()];
        Submitted { outcomes, waits, appends: Vec::new(), watch: self.watch() }
    }
}

/// What the log stores atomically: one journal, one group.
fn check_atomic(groups: &[Group]) -> Result<(), Refusal> {
    let mut journals = groups.iter().map(|group| group.route.topic.retention.journal());
    let first = journals.next();
    if journals.any(|journal| Some(journal) != first) {
        let detail = "an atomic batch goes to topics of one retention class";
        return Err(Refusal::new(Code::FieldInvalid, detail).at_field("atomic"));
    }
    let headers = |group: &Group| (group.bytes / BLOCK_BYTES_TARGET + 1) * HEADER_BYTES_MAX;
    let bytes: usize = groups.iter().map(|group| group.bytes + headers(group)).sum();
    if bytes > BODY_BYTES_MAX {
        let detail =
            format!("an atomic batch may take {BODY_BYTES_MAX} bytes, this one takes {bytes}");
        return Err(Refusal::new(Code::BatchTooLarge, detail).at_field("atomic"));
    }
    Ok(())
}
