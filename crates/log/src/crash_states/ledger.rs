//! What was asked of a log, and what a recovered log must therefore hold.

use std::collections::{BTreeMap, BTreeSet};

use tidings_event::block::Block;
use tidings_event::{Term, TopicId, TopicPartition};

use super::found::{Found, Keys};
use crate::partition_log::{Journal, TableChange, TopicSpec};

/// When something was asked for and when its confirmation was seen, in operations of the disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) asked: usize,
    pub(crate) confirmed: Option<usize>,
}

impl Span {
    /// Of what was there from the start.
    pub(crate) const BEFORE: Self = Self { asked: 0, confirmed: Some(0) };

    /// Whether a crash after so many operations must leave it.
    fn must(self, crash: usize) -> bool {
        self.confirmed.is_some_and(|at| at <= crash)
    }

    /// Whether such a crash may leave it.
    fn may(self, crash: usize) -> bool {
        self.must(crash) || self.asked < crash
    }
}

/// Which line of a ledger.
#[derive(Clone, Copy)]
pub(crate) enum Line {
    Append(usize),
    Commit(usize),
}

/// Everything asked of a log since its disk was started or recovered.
#[derive(Clone, Default)]
pub(crate) struct Ledger {
    pub(crate) terms: Vec<(Term, usize)>,
    pub(crate) ensured: BTreeMap<TopicId, (TopicSpec, Span)>,
    pub(crate) dropped: BTreeMap<TopicId, Span>,
    pub(crate) appends: Vec<(Vec<Block>, Span)>,
    pub(crate) trims: Vec<(TopicPartition, u64, Span)>,
    /// The tables after each commit; the first is how they were.
    commits: Vec<(Keys, Span)>,
}

impl Ledger {
    /// Takes what a recovery of a term found as confirmed.
    pub(crate) fn after(&self, term: Term, found: &Found) -> Self {
        let mut ledger = Self { terms: vec![(term, 0)], ..Self::default() };
        for (id, (spec, _)) in &self.ensured {
            if found.partitions.contains_key(&TopicPartition::new(id.0, 0)) {
                ledger.ensured.insert(*id, (*spec, Span::BEFORE));
            } else if self.dropped.contains_key(id) {
                ledger.ensured.insert(*id, (*spec, Span::BEFORE));
                ledger.dropped.insert(*id, Span::BEFORE);
            }
        }
        for (id, (trim, blocks)) in &found.partitions {
            ledger.trims.push((*id, *trim, Span::BEFORE));
            let each = blocks.iter().map(|block| (vec![block.clone()], Span::BEFORE));
            ledger.appends.extend(each);
        }
        ledger.commits.push((found.keys.clone(), Span::BEFORE));
        ledger
    }

    pub(crate) fn committed(&mut self, changes: &[TableChange], span: Span) {
        let mut keys = self.commits.last().map(|(keys, _)| keys.clone()).unwrap_or_default();
        for change in changes {
            let key = (change.table, change.key.clone());
            match &change.value {
                Some(value) => keys.insert(key, value.clone()),
                None => keys.remove(&key),
            };
        }
        self.commits.push((keys, span));
    }

    /// Puts down when something was confirmed.
    pub(crate) fn confirm(&mut self, line: Line, at: usize) {
        let span = match line {
            Line::Append(number) => self.appends.get_mut(number).map(|(_, span)| span),
            Line::Commit(number) => self.commits.get_mut(number).map(|(_, span)| span),
        };
        if let Some(span) = span {
            span.confirmed = Some(at);
        }
    }

    /// Takes back the last line of its kind.
    pub(crate) fn strike(&mut self, line: Line) {
        match line {
            Line::Append(number) => self.appends.truncate(number),
            Line::Commit(number) => self.commits.truncate(number),
        }
    }

    pub(crate) fn commits(&self) -> usize {
        self.commits.len()
    }

    pub(crate) fn topics(&self) -> impl Iterator<Item = &TopicSpec> {
        self.ensured.values().map(|(spec, _)| spec)
    }

    /// Checks what a recovery after a crash found. The crash came after so many operations.
    pub(crate) fn check(&self, crash: usize, term: Term, found: &Found) -> Result<(), String> {
        if let Some((before, _)) = self.terms.iter().find(|(t, at)| *at <= crash && *t >= term) {
            return Err(format!("term {term} after term {before}"));
        }
        self.check_topics(crash, found)?;
        self.check_trims(crash, found)?;
        self.check_blocks(crash, found)?;
        self.check_tables(crash, found)
    }

    /// How many unconfirmed appends a crash left, and how many it took.
    pub(crate) fn unconfirmed(&self, crash: usize, found: &Found) -> (u64, u64) {
        let open = self.appends.iter().filter(|(_, span)| span.may(crash) && !span.must(crash));
        let (kept, gone): (Vec<_>, Vec<_>) = open.partition(|(blocks, _)| {
            let id = blocks[0].header.topic_partition;
            blocks[0].header.end_offset().0 <= found.end(id)
        });
        (kept.len() as u64, gone.len() as u64)
    }

    fn check_topics(&self, crash: usize, found: &Found) -> Result<(), String> {
        for (id, (spec, ensured)) in &self.ensured {
            let there = (0..spec.partitions)
                .filter(|p| found.partitions.contains_key(&TopicPartition::new(id.0, *p)))
                .count();
            let dropped = self.dropped.get(id);
            let may_go = dropped.is_some_and(|span| span.may(crash));
            let must_go = dropped.is_some_and(|span| span.must(crash));
            let (must, may) = (ensured.must(crash) && !may_go, ensured.may(crash) && !must_go);
            if (must && there == 0) || (!may && there > 0) {
                return Err(format!("topic {id}: {there} partitions, must {must}, may {may}"));
            }
            if there != 0 && there != spec.partitions as usize {
                return Err(format!("topic {id} has {there} of {} partitions", spec.partitions));
            }
        }
        Ok(())
    }

    fn check_trims(&self, crash: usize, found: &Found) -> Result<(), String> {
        for (id, (trim, _)) in &found.partitions {
            let of = |filter: &dyn Fn(Span) -> bool| {
                let mine = self.trims.iter().filter(|(p, _, span)| p == id && filter(*span));
                mine.map(|(_, to, _)| *to).max().unwrap_or(0)
            };
            let (low, high) = (of(&|span| span.must(crash)), of(&|span| span.may(crash)));
            if !(low..=high).contains(trim) {
                return Err(format!("{id}: trim point {trim}, expected {low}..={high}"));
            }
        }
        Ok(())
    }

    fn check_blocks(&self, crash: usize, found: &Found) -> Result<(), String> {
        let mut asked: BTreeMap<(TopicPartition, u64), &Block> = BTreeMap::new();
        for (blocks, span) in self.appends.iter().filter(|(_, span)| span.may(crash)) {
            let mut kept: BTreeMap<Journal, BTreeSet<bool>> = BTreeMap::new();
            for block in blocks {
                let header = &block.header;
                let id = header.topic_partition;
                asked.insert((id, header.base_offset.0), block);
                // Of a topic that went nothing is there, and nothing to be said.
                let Some((spec, _)) = self.ensured.get(&id.topic) else { continue };
                if !found.partitions.contains_key(&id) {
                    continue;
                }
                let is_kept = header.end_offset().0 <= found.end(id);
                if span.must(crash) && !is_kept {
                    let (base, end) = (header.base_offset, found.end(id));
                    return Err(format!("{id}: lost the confirmed block at {base}, end is {end}"));
                }
                kept.entry(spec.retention.journal()).or_default().insert(is_kept);
            }
            if let Some((journal, _)) = kept.iter().find(|(_, kept)| kept.len() > 1) {
                return Err(format!("half an append in journal {}: {span:?}", journal.name()));
            }
        }
        for (id, (_, blocks)) in &found.partitions {
            for block in blocks {
                let base = block.header.base_offset.0;
                if asked.get(&(*id, base)) != Some(&block) {
                    return Err(format!("{id}: the block at {base} was never appended"));
                }
            }
        }
        Ok(())
    }

    fn check_tables(&self, crash: usize, found: &Found) -> Result<(), String> {
        let first = self.commits.iter().rposition(|(_, span)| span.must(crash)).unwrap_or(0);
        let possible = self.commits[first..].iter().filter(|(_, span)| span.may(crash));
        if self.commits.is_empty() || possible.clone().any(|(keys, _)| *keys == found.keys) {
            return Ok(());
        }
        let count = possible.count();
        let all = self.commits.iter().position(|(keys, _)| *keys == found.keys);
        Err(format!("tables are not as any of {count} possible commits left them, but as {all:?}"))
    }
}
