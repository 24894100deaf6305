//! What a crash leaves: everything durable, and any part of the rest.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rand::RngExt;
use rand::rngs::StdRng;

use super::FakeDisk;
use super::image::{Content, Image, Operation, PAGE_BYTES};

/// The unit that a torn page is torn at.
pub(super) const SECTOR_BYTES: usize = 512;

/// How much of what was not durable a crash leaves.
#[derive(Clone, Copy)]
enum Luck {
    None,
    All,
    Some,
}

impl Luck {
    fn draw(rng: &mut StdRng) -> Self {
        match rng.random_range(0..4) {
            0 => Self::None,
            1 => Self::All,
            _ => Self::Some,
        }
    }

    fn keeps(self, rng: &mut StdRng) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Some => rng.random(),
        }
    }
}

impl Image {
    /// One of the disks that a crash now may leave.
    pub(super) fn crashed(&self, rng: &mut StdRng) -> Self {
        let mut names = self.durable_names.clone();
        let luck = Luck::draw(rng);
        for change in &self.changes {
            if luck.keeps(rng) {
                change.apply(&mut names);
            }
        }
        let files = self.files.iter().map(|file| {
            if file.dirty.is_empty() && file.len == file.durable_len {
                Arc::clone(file)
            } else {
                Arc::new(crashed_file(file, rng))
            }
        });
        Self {
            files: files.collect(),
            durable_names: names.clone(),
            names,
            changes: Vec::new(),
            dirs: self.dirs.clone(),
        }
    }
}

fn crashed_file(file: &Content, rng: &mut StdRng) -> Content {
    let luck = Luck::draw(rng);
    let mut pages = file.pages.clone();
    let mut len = file.durable_len;
    for (&number, dirty) in &file.dirty {
        if !luck.keeps(rng) || dirty.images.is_empty() {
            continue;
        }
        // A page reaches the disk as it was at some moment.
        let moment = match luck {
            Luck::All => dirty.images.len() - 1,
            _ => rng.random_range(0..dirty.images.len()),
        };
        let image = dirty.images[moment].clone();
        let torn = matches!(luck, Luck::Some) && rng.random_range(0..4) == 0;
        let image = if torn { tear(pages.get(&number), &image, rng) } else { image };
        pages.insert(number, image);
        len = len.max(file.len.min((number + 1) * PAGE_BYTES as u64));
    }
    // The length may reach the disk without the bytes; they read as zeros.
    if rng.random_range(0..4) == 0 {
        len = len.max(file.len);
    }
    Content { len, durable_len: len, pages, dirty: BTreeMap::new() }
}

/// Each sector as it was before or as it was written.
fn tear(before: Option<&Bytes>, after: &Bytes, rng: &mut StdRng) -> Bytes {
    let mut page = BytesMut::from(&after[..]);
    for sector in (0..PAGE_BYTES).step_by(SECTOR_BYTES) {
        if rng.random() {
            let target = &mut page[sector..sector + SECTOR_BYTES];
            match before {
                Some(before) => target.copy_from_slice(&before[sector..sector + SECTOR_BYTES]),
                None => target.fill(0),
            }
        }
    }
    page.freeze()
}

/// Goes through everything that happened to a disk, to crash it after any operation.
#[derive(Clone, Debug)]
pub struct Explorer {
    pub(super) image: Image,
    pub(super) log: Arc<[Operation]>,
    pub(super) done: usize,
    pub(super) capacity: u64,
}

impl Explorer {
    /// How many operations have been done.
    #[must_use]
    pub fn done(&self) -> usize {
        self.done
    }

    /// How many operations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.log.len()
    }

    /// Whether nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    /// Does the next operation and returns it; `None` after the last.
    pub fn step(&mut self) -> Option<&Operation> {
        let operation = self.log.get(self.done)?;
        // It could be done when it was recorded.
        self.image.apply(operation).ok();
        self.done += 1;
        Some(operation)
    }

    /// Does operations until so many are done, or all.
    pub fn until(&mut self, done: usize) {
        while self.done < done && self.step().is_some() {}
    }

    /// One of the disks that a crash at this moment may leave.
    #[must_use]
    pub fn crash(&self, rng: &mut StdRng) -> FakeDisk {
        FakeDisk::with(self.image.crashed(rng), self.capacity)
    }
}
