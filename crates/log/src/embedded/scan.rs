//! Walking the groups of a segment, and judging where it ends.
//!
//! A bad group at or below any durable sequence that a later group carries is a hole: what it held
//! was acknowledged and is lost. One above it is the torn end of an unacknowledged write: it and
//! all after it is discarded.

use std::io;

use super::group::{self, Group, PAGE};
use super::segment::{End, SegmentHeader};
use crate::disk::DiskFile;

/// A group that counts.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) page: u32,
    pub(crate) group: Group,
    /// Which of its blocks have damaged bodies.
    pub(crate) damaged: Vec<usize>,
    /// Whether acknowledged groups before it are lost.
    pub(crate) after_hole: bool,
}

/// A segment's groups and where it ends.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) groups: Vec<Found>,
    pub(crate) end: End,
    /// Groups that are lost, marks not counted.
    pub(crate) missing: u64,
    /// Bytes of what was written behind the end, as far as that shows, where the end was judged.
    pub(crate) torn_bytes: u64,
}

/// What is behind a bad group.
#[derive(Default)]
struct Ahead {
    /// The highest durable sequence that any group carries.
    durable: u64,
    /// The next undamaged group, and the last sequence that is missing before it.
    next: Option<(u64, u64)>,
    /// Where the last group ends.
    end: u64,
}

impl Scan {
    /// Whether nothing of it is lost.
    pub(crate) fn is_sound(&self) -> bool {
        let whole = |found: &Found| found.damaged.is_empty() && !found.after_hole;
        self.missing == 0 && self.groups.iter().all(whole)
    }
}

impl Scan {
    /// What an index says, with everything damaged that a walk did not find in its place. What a walk
    /// finds in another place cannot be read where it is looked for.
    pub(crate) fn held_against(mut self, walk: Self) -> Self {
        for found in &mut self.groups {
            let there = walk.groups.iter().find(|there| there.page == found.page);
            found.damaged = match there.filter(|there| there.group.seq == found.group.seq) {
                Some(there) => there.damaged.clone(),
                None => (0..found.group.headers.len()).collect(),
            };
        }
        let marks = walk.groups.into_iter().filter(|found| found.group.mark);
        self.groups.extend(marks.map(|mark| Found { after_hole: false, ..mark }));
        self.groups.sort_by_key(|found| found.page);
        self
    }

    /// Cuts off what comes after the sequence that is known to be its last.
    pub(crate) fn cut(&mut self, last: u64) {
        self.groups.retain(|found| found.group.seq <= last);
        self.missing += last.saturating_sub(self.end.seq);
        self.end.seq = last;
    }
}

/// How a segment is walked.
pub(crate) struct Scanner<'a> {
    pub(crate) file: &'a dyn DiskFile,
    pub(crate) header: SegmentHeader,
    /// Whether the header was rebuilt from the first group, so that what is before it is not known.
    pub(crate) salvaged: bool,
    /// Where a later segment says it ends; `None` asks for a judgment.
    pub(crate) accepted: Option<End>,
    /// Whether bodies are read too. A judgment always reads them.
    pub(crate) bodies: bool,
    /// The seeded bug of the same name.
    pub(crate) swallow_gaps: bool,
}

impl Scanner<'_> {
    pub(crate) fn run(&self) -> io::Result<Scan> {
        let bytes = self.file.len()?;
        let length = bytes / PAGE as u64 * PAGE as u64;
        let limit = self.accepted.map_or(length, |end| end.position.min(length));
        let (mut at, mut crc) = (PAGE as u64, self.header.crc);
        let mut last = self.header.first_seq - 1;
        let (mut groups, mut missing, mut after_hole) = (vec![], 0, self.salvaged);
        // What was there before says nothing of what was written.
        let mut written = if bytes > self.header.written_before { bytes } else { 0 };
        while at < limit {
            let next = self.group_at(at, limit)?.filter(|g| {
                after_hole || (g.previous_crc == crc && g.seq == last + u64::from(!g.mark))
            });
            let damaged = next.as_ref().map_or(Ok(vec![]), |g| self.damaged(at, g))?;
            let is_whole = damaged.is_empty() || self.accepted.is_some();
            let ahead = match &next {
                Some(_) if is_whole => Ahead::default(),
                _ => self.ahead(at, last, limit)?,
            };
            match next {
                Some(group) if is_whole || group.seq <= ahead.durable => {
                    let page = u32::try_from(at / PAGE as u64).map_err(io::Error::other)?;
                    (at, crc, last) = (at + group.total, group.crc, group.seq);
                    groups.push(Found { page, group, damaged, after_hole });
                    after_hole = false;
                }
                bad => {
                    let bound = last.max(ahead.durable);
                    let goes_on = ahead.next.filter(|(_, seq)| {
                        *seq <= bound || self.accepted.is_some() || self.swallow_gaps
                    });
                    let Some((to, seq)) = goes_on else {
                        written = written.max(ahead.end).max(bad.map_or(0, |g| at + g.total));
                        if self.accepted.is_none() {
                            (missing, last) = (missing + bound - last, bound);
                        }
                        break;
                    };
                    missing += seq - last;
                    (at, after_hole) = (to, true);
                }
            }
        }
        let position = self.accepted.map_or(at, |end| end.position);
        let seq = self.accepted.map_or(last, |end| end.seq.max(last));
        let end = End { segment: self.header.number, position, seq };
        let torn_bytes = written.saturating_sub(position);
        Ok(Scan { groups, missing: missing + (seq - last), end, torn_bytes })
    }

    fn group_at(&self, at: u64, limit: u64) -> io::Result<Option<Group>> {
        group::read_of(self.header.generation, self.file, at, limit)
    }

    fn damaged(&self, at: u64, group: &Group) -> io::Result<Vec<usize>> {
        let mut damaged = vec![];
        if self.bodies || self.accepted.is_none() {
            for block in 0..group.headers.len() {
                if group::read_body(self.file, at, group, block)?.is_none() {
                    damaged.push(block);
                }
            }
        }
        Ok(damaged)
    }

    /// Looks for groups on the pages after `at`.
    fn ahead(&self, at: u64, last: u64, limit: u64) -> io::Result<Ahead> {
        let mut ahead = Ahead::default();
        let mut at = at + PAGE as u64;
        while at < limit {
            let Some(group) = self.group_at(at, limit)? else {
                at += PAGE as u64;
                continue;
            };
            let missing = if group.mark { group.seq } else { group.seq.saturating_sub(1) };
            if ahead.next.is_none() && missing >= last {
                ahead.next = Some((at, missing));
            }
            at += group.total;
            ahead = Ahead { durable: ahead.durable.max(group.durable), end: at, ..ahead };
        }
        Ok(ahead)
    }
}

#[cfg(test)]
mod tests;
