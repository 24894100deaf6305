//! Every disk that a crash at one moment may leave, as long as they can be counted.
//!
//! What was not durable falls into choices that do not depend on each other: which changes of names
//! are there, and for each file that then has a name, each sector that was written at which moment of
//! its history, and how far the file had grown. A state is one pick of each choice.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rand::RngExt;
use rand::rngs::StdRng;

use super::FakeDisk;
use super::crash::{Explorer, SECTOR_BYTES};
use super::image::{Content, Dirty, Image, Inode, Names, PAGE_BYTES};

/// What a disk may do with what was not durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// As ext4 mounted with `data=ordered`: changes of names reach the disk in the order that they
    /// were made in, and a file grows page by page over bytes that are there. What was written over
    /// older bytes may be there in any part of 512 bytes.
    Ordered,
    /// Any of the changes of names, any of the sectors at any moment of their history, and any file
    /// as long as it had become without the bytes.
    Anything,
}

/// Names that a crash may leave one by one up to this number of changes: beyond, in order only.
const NAME_CHANGES_MAX: usize = 6;

/// A disk that a crash left.
#[derive(Clone, Debug)]
pub struct Left {
    /// The disk.
    pub disk: FakeDisk,
    /// Whether a page of it is neither as it was nor as it was written last.
    pub torn: bool,
}

/// One page that was written since it was durable.
struct Page {
    file: Inode,
    number: u64,
    before: Option<Bytes>,
    last: Bytes,
    /// Sectors that differ, and their contents, the durable one first.
    sectors: Vec<(usize, Vec<Bytes>)>,
}

/// What is picked apart from the rest.
enum Choice {
    /// The first of a page is followed by its others.
    Sector { page: usize },
    /// Whether the file is as long as it had become.
    Length { file: Inode },
    /// How many of its new pages a file has.
    Growth { file: Inode, pages: Vec<u64> },
}

/// The disks that one set of names allows.
struct Variant {
    names: Names,
    pages: Vec<Page>,
    /// With how many ways to pick each.
    choices: Vec<(Choice, usize)>,
}

impl Explorer {
    /// Calls `look` with every disk that a crash at this moment may leave under a model, until it
    /// fails. Where one set of names allows more than `most`, with none, all, and `most` drawn ones;
    /// answers whether there was no such.
    ///
    /// # Errors
    /// What `look` answered.
    pub fn each_left<E>(
        &self,
        model: Model,
        (most, rng): (usize, &mut StdRng),
        mut look: impl FnMut(Left) -> Result<(), E>,
    ) -> Result<bool, E> {
        let (durable, mut whole) = (self.image.durable(), true);
        for variant in self.image.variants(model) {
            let count =
                variant.choices.iter().try_fold(1usize, |n, (_, ways)| n.checked_mul(*ways));
            match count.filter(|count| *count <= most) {
                Some(count) => {
                    for number in 0..count {
                        look(self.left(&variant, &durable, &variant.numbered(number)))?;
                    }
                }
                None => {
                    whole = false;
                    for number in 0..most {
                        let picks = variant.drawn(number, rng);
                        look(self.left(&variant, &durable, &picks))?;
                    }
                }
            }
        }
        Ok(whole)
    }

    fn left(&self, variant: &Variant, durable: &Image, picks: &[usize]) -> Left {
        let (image, torn) = variant.image(&self.image, durable, picks);
        Left { disk: FakeDisk::with(image, self.capacity), torn }
    }
}

impl Image {
    /// What is left when nothing of the rest is.
    fn durable(&self) -> Self {
        let files = self.files.iter().map(|file| {
            if file.dirty.is_empty() && file.len == file.durable_len {
                return Arc::clone(file);
            }
            let (len, pages) = (file.durable_len, file.pages.clone());
            Arc::new(Content { len, durable_len: len, pages, dirty: BTreeMap::new() })
        });
        Self {
            files: files.collect(),
            names: Arc::clone(&self.durable_names),
            durable_names: Arc::clone(&self.durable_names),
            changes: Vec::new(),
            dirs: Arc::clone(&self.dirs),
        }
    }

    fn variants(&self, model: Model) -> Vec<Variant> {
        let changes = self.changes.len();
        let kept: Vec<Vec<bool>> = if model == Model::Ordered || changes > NAME_CHANGES_MAX {
            (0..=changes).map(|kept| (0..changes).map(|n| n < kept).collect()).collect()
        } else {
            (0..1usize << changes)
                .map(|set| (0..changes).map(|n| set >> n & 1 == 1).collect())
                .collect()
        };
        let mut seen: Vec<Names> = Vec::new();
        for kept in kept {
            let mut names = Arc::clone(&self.durable_names);
            let kept = self.changes.iter().zip(kept).filter(|(_, kept)| *kept);
            kept.for_each(|(change, _)| change.apply(&mut names));
            if !seen.contains(&names) {
                seen.push(names);
            }
        }
        seen.into_iter().map(|names| self.variant(model, names)).collect()
    }

    fn variant(&self, model: Model, names: Names) -> Variant {
        let (mut pages, mut choices) = (Vec::new(), Vec::new());
        let mut files: Vec<Inode> = names.values().copied().collect();
        files.sort_unstable();
        files.dedup();
        for inode in files {
            let file = &self.files[inode];
            let mut grown = Vec::new();
            for (&number, dirty) in &file.dirty {
                let is_new = number * PAGE_BYTES as u64 >= file.durable_len;
                let page = page(inode, number, file, dirty);
                if model == Model::Ordered && is_new {
                    grown.push(number);
                } else {
                    let each = page.sectors.iter().map(|(_, ways)| ways.len());
                    let at = pages.len();
                    choices.extend(each.map(|ways| (Choice::Sector { page: at }, ways)));
                }
                pages.push(page);
            }
            if !grown.is_empty() {
                let ways = grown.len() + 1;
                choices.push((Choice::Growth { file: inode, pages: grown }, ways));
            }
            if model == Model::Anything && file.len > file.durable_len {
                choices.push((Choice::Length { file: inode }, 2));
            }
        }
        Variant { names, pages, choices }
    }
}

fn page(file: Inode, number: u64, content: &Content, dirty: &Dirty) -> Page {
    let before = content.pages.get(&number).cloned();
    let durable = before.clone().unwrap_or_else(|| Bytes::from_static(&[0; PAGE_BYTES]));
    let last = dirty.images.last().unwrap_or(&durable).clone();
    let mut sectors = Vec::new();
    for sector in 0..PAGE_BYTES / SECTOR_BYTES {
        let range = sector * SECTOR_BYTES..(sector + 1) * SECTOR_BYTES;
        let mut ways = vec![durable.slice(range.clone())];
        for image in &dirty.images {
            let now = image.slice(range.clone());
            if !ways.contains(&now) {
                ways.push(now);
            }
        }
        if ways.len() > 1 {
            sectors.push((sector, ways));
        }
    }
    Page { file, number, before, last, sectors }
}

impl Variant {
    /// The picks with a number, below the product of all ways.
    fn numbered(&self, mut number: usize) -> Vec<usize> {
        let mut digit = |ways: usize| {
            let pick = number % ways;
            number /= ways;
            pick
        };
        self.choices.iter().map(|(_, ways)| digit(*ways)).collect()
    }

    /// None of it, all of it, then any of it.
    fn drawn(&self, number: usize, rng: &mut StdRng) -> Vec<usize> {
        let pick = |ways: usize| match number {
            0 => 0,
            1 => ways - 1,
            _ => rng.random_range(0..ways),
        };
        let mut pick = pick;
        self.choices.iter().map(|(_, ways)| pick(*ways)).collect()
    }

    /// The disk of some picks, and whether a page is torn.
    fn image(&self, now: &Image, durable: &Image, picks: &[usize]) -> (Image, bool) {
        let mut image = durable.clone();
        (image.names, image.durable_names) = (Arc::clone(&self.names), Arc::clone(&self.names));
        let mut torn = false;
        let mut at = 0;
        let mut grown: BTreeMap<Inode, u64> = BTreeMap::new();
        while let Some((choice, _)) = self.choices.get(at) {
            match choice {
                Choice::Sector { page } => {
                    let count = self.pages[*page].sectors.len();
                    torn |= self.put(&mut image, now, *page, &picks[at..at + count]);
                    at += count;
                    continue;
                }
                Choice::Growth { file, pages } => {
                    for number in &pages[..picks[at]] {
                        if let Some(page) = self.find(*file, *number) {
                            put(&mut image, now, page, page.last.clone());
                        }
                    }
                }
                Choice::Length { file } if picks[at] == 1 => {
                    grown.insert(*file, now.files[*file].len);
                }
                Choice::Length { .. } => {}
            }
            at += 1;
        }
        for (file, len) in grown {
            let content = image.file_mut(file);
            (content.len, content.durable_len) = (len, len);
        }
        (image, torn)
    }

    fn find(&self, file: Inode, number: u64) -> Option<&Page> {
        self.pages.iter().find(|page| (page.file, page.number) == (file, number))
    }

    /// Puts the picked sectors of a page in place; whether it is torn by that.
    fn put(&self, image: &mut Image, now: &Image, page: usize, picks: &[usize]) -> bool {
        let page = &self.pages[page];
        if picks.iter().all(|pick| *pick == 0) {
            return false;
        }
        let mut bytes = match &page.before {
            Some(before) => BytesMut::from(&before[..]),
            None => BytesMut::zeroed(PAGE_BYTES),
        };
        for ((sector, ways), pick) in page.sectors.iter().zip(picks) {
            let at = sector * SECTOR_BYTES;
            bytes[at..at + SECTOR_BYTES].copy_from_slice(&ways[*pick]);
        }
        let torn = bytes[..] != page.last[..];
        put(image, now, page, bytes.freeze());
        torn
    }
}

fn put(image: &mut Image, now: &Image, page: &Page, bytes: Bytes) {
    let content = image.file_mut(page.file);
    content.pages.insert(page.number, bytes);
    let len = now.files[page.file].len.min((page.number + 1) * PAGE_BYTES as u64);
    content.len = content.len.max(len);
    content.durable_len = content.len;
}
