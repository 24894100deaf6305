//! One damage to the files of a log, and all the damages there are.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use rand::RngExt;
use rand::rngs::StdRng;

use super::stored::{Place, Stored};
use super::{Effort, Tally};
use crate::fake_disk::FakeDisk;

const PAGE: u64 = 4096;
/// Most neighbouring pages that are zeroed.
const ZEROS_MAX: u64 = 16;

/// What is done to a log. Files are numbered by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A bit is another.
    Flip {
        /// In which file.
        file: usize,
        /// Which, from its start.
        bit: u64,
    },
    /// A file ends early.
    Cut {
        /// Which.
        file: usize,
        /// Bytes that are left.
        len: u64,
    },
    /// Neighbouring pages are zero.
    Zero {
        /// In which file.
        file: usize,
        /// The first.
        page: u64,
        /// How many.
        pages: u64,
    },
    /// A page or a whole file is as it once was.
    Stale {
        /// Which file.
        file: usize,
        /// How many openings back.
        back: usize,
        /// Which page; all of the file when absent.
        page: Option<u64>,
    },
    /// A page holds another page of the log; swapped: that one holds it.
    Misdirected {
        /// The file that is written to.
        file: usize,
        /// The page that is written to.
        page: u64,
        /// The file that it was meant for.
        of: usize,
        /// The page that it was meant for.
        of_page: u64,
        /// Whether the other has this one's.
        swapped: bool,
    },
    /// A file is not there.
    Missing {
        /// Which.
        file: usize,
    },
    /// A file is there under another's name.
    Copied {
        /// The name.
        file: usize,
        /// The bytes.
        of: usize,
        /// Whether the other has this one's.
        swapped: bool,
    },
    /// A file is another log's of the same name.
    Foreign {
        /// Which.
        file: usize,
    },
}

/// The files of a log and of another.
pub(crate) struct Files {
    /// Name and content.
    all: Vec<(PathBuf, Bytes)>,
    /// Earlier contents of each, the newest first.
    before: Vec<Vec<Bytes>>,
    /// Another log's of the same name.
    foreign: Vec<Option<Bytes>>,
}

impl Files {
    pub(crate) fn of(stored: &Stored, foreign: &Stored) -> Self {
        let names = stored.disk.files().into_iter().filter(|(_, len)| *len > 0);
        let read = |disk: &FakeDisk, path: &Path| disk.content(path).ok();
        let all: Vec<(PathBuf, Bytes)> = names
            .filter_map(|(path, _)| Some((path.clone(), read(&stored.disk, &path)?)))
            .collect();
        let earlier = |path: &Path| {
            stored.before.iter().rev().filter_map(|disk| read(disk, path)).collect::<Vec<_>>()
        };
        Self {
            before: all.iter().map(|(path, _)| earlier(path)).collect(),
            foreign: all.iter().map(|(path, _)| read(&foreign.disk, path)).collect(),
            all,
        }
    }

    fn pages(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let each = self.all.iter().enumerate();
        each.flat_map(|(file, (_, bytes))| {
            (0..(bytes.len() as u64).div_ceil(PAGE)).map(move |page| (file, page))
        })
    }

    /// Every damage but drawn bits, which come last.
    pub(crate) fn all(&self, effort: Effort, rng: &mut StdRng) -> Vec<Damage> {
        let mut all = self.whole_files();
        let pages: Vec<(usize, u64)> = self.pages().collect();
        for &(file, page) in &pages {
            let zero = |pages| Damage::Zero { file, page, pages };
            all.extend([zero(1), zero(rng.random_range(2..=ZEROS_MAX))]);
            let stale = |back| Damage::Stale { file, back, page: Some(page) };
            all.extend((0..self.before[file].len()).map(stale));
            for swapped in [false, true] {
                let (of, of_page) = pages[rng.random_range(0..pages.len())];
                all.push(Damage::Misdirected { file, page, of, of_page, swapped });
            }
        }
        for (file, (_, bytes)) in self.all.iter().enumerate() {
            let (len, first) = (bytes.len() as u64, rng.random_range(0..effort.stride));
            let offsets = (first..len).step_by(usize::try_from(effort.stride).unwrap_or(1));
            all.extend(offsets.map(|len| Damage::Cut { file, len }));
            if len <= effort.small {
                all.extend((0..len * 8).map(|bit| Damage::Flip { file, bit }));
            }
        }
        let sum: usize = self.all.iter().map(|(_, bytes)| bytes.len()).sum();
        all.extend((0..effort.flips).map(|_| {
            let mut at = rng.random_range(0..sum);
            let mut file = 0;
            while at >= self.all[file].1.len() {
                at -= self.all[file].1.len();
                file += 1;
            }
            Damage::Flip { file, bit: at as u64 * 8 + rng.random_range(0..8) }
        }));
        all
    }

    fn whole_files(&self) -> Vec<Damage> {
        let mut all = Vec::new();
        for (file, (path, _)) in self.all.iter().enumerate() {
            all.push(Damage::Missing { file });
            let stale = |back| Damage::Stale { file, back, page: None };
            all.extend((0..self.before[file].len()).map(stale));
            all.extend(self.foreign[file].is_some().then_some(Damage::Foreign { file }));
            for (of, (other, _)) in self.all.iter().enumerate() {
                if file != of && path.extension() == other.extension() {
                    all.push(Damage::Copied { file, of, swapped: false });
                    all.push(Damage::Copied { file, of, swapped: true });
                }
            }
        }
        all
    }

    fn page(&self, file: usize, page: u64) -> Bytes {
        let bytes = &self.all[file].1;
        let from = usize::try_from(page * PAGE).unwrap_or(usize::MAX).min(bytes.len());
        bytes.slice(from..bytes.len().min(from + PAGE as usize))
    }
}

impl Damage {
    /// Does it.
    pub(crate) fn apply(&self, disk: &FakeDisk, files: &Files) {
        let path = |file: usize| files.all[file].0.as_path();
        let done = match *self {
            Self::Flip { file, bit } => disk.flip_bit(path(file), bit),
            Self::Cut { file, len } => disk.cut(path(file), len),
            Self::Zero { file, page, pages } => {
                (page..page + pages).try_for_each(|page| disk.zero_page(path(file), page))
            }
            Self::Stale { file, back, page: None } => {
                disk.replace(path(file), Some(&files.before[file][back]));
                Ok(())
            }
            Self::Stale { file, back, page: Some(page) } => {
                let before = &files.before[file][back];
                let from = usize::try_from(page * PAGE).unwrap_or(usize::MAX).min(before.len());
                let mut bytes = before[from..before.len().min(from + PAGE as usize)].to_vec();
                bytes.resize(PAGE as usize, 0);
                disk.put(path(file), page * PAGE, &bytes.into())
            }
            Self::Misdirected { file, page, of, of_page, swapped } => {
                let put = |to: (usize, u64), from: (usize, u64)| {
                    disk.put(path(to.0), to.1 * PAGE, &files.page(from.0, from.1))
                };
                let back = if swapped { put((of, of_page), (file, page)) } else { Ok(()) };
                back.and_then(|()| put((file, page), (of, of_page)))
            }
            Self::Missing { file } => {
                disk.replace(path(file), None);
                Ok(())
            }
            Self::Copied { file, of, swapped } => {
                disk.replace(path(file), Some(&files.all[of].1));
                if swapped {
                    disk.replace(path(of), Some(&files.all[file].1));
                }
                Ok(())
            }
            Self::Foreign { file } => {
                disk.replace(path(file), files.foreign[file].as_ref());
                Ok(())
            }
        };
        debug_assert!(done.is_ok(), "{self:?}: {done:?}");
    }

    /// Whether a group's bytes were touched.
    pub(crate) fn hits(&self, place: &Place, files: &Files) -> bool {
        let is = |file: usize| files.all[file].0 == place.file;
        let on = |file: usize, page: u64| {
            is(file) && page * PAGE < place.to && place.from < (page + 1) * PAGE
        };
        match *self {
            Self::Flip { file, bit } => is(file) && (place.from..place.to).contains(&(bit / 8)),
            Self::Cut { file, len } => is(file) && len < place.to,
            Self::Zero { file, page, pages } => (page..page + pages).any(|page| on(file, page)),
            Self::Stale { file, page: Some(page), .. } => on(file, page),
            Self::Misdirected { file, page, of, of_page, swapped } => {
                on(file, page) || swapped && on(of, of_page)
            }
            Self::Stale { file, page: None, .. } | Self::Missing { file } => is(file),
            Self::Copied { file, of, swapped } => is(file) || swapped && is(of),
            Self::Foreign { file } => is(file),
        }
    }

    /// Whether any byte of a file was touched.
    pub(crate) fn touches(&self, path: &Path, files: &Files) -> bool {
        self.hits(&Place { file: path.to_owned(), from: 0, to: u64::MAX }, files)
    }

    /// Counts itself.
    pub(crate) fn tally(&self) -> Tally {
        let one = Tally { harms: 1, ..Tally::default() };
        match self {
            Self::Flip { .. } => Tally { flips: 1, ..one },
            Self::Cut { .. } => Tally { cuts: 1, ..one },
            Self::Zero { .. } | Self::Misdirected { .. } | Self::Stale { page: Some(_), .. } => {
                Tally { blocks: 1, ..one }
            }
            _ => Tally { files: 1, ..one },
        }
    }
}
