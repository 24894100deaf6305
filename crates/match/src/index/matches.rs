//! What an index found in one block.

use std::ops::Range;

/// Events that stand next to each other in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Index of the first, from 0.
    pub first: u32,
    /// How many.
    pub count: u32,
}

impl Run {
    /// The bytes that it has in a body, of which is said where each event ends.
    #[must_use]
    pub fn span(self, ends: &[usize]) -> Range<usize> {
        let end_of = |count: u32| match count {
            0 => 0,
            count => ends.get(count as usize - 1).copied().unwrap_or(0),
        };
        end_of(self.first)..end_of(self.first + self.count)
    }
}

/// Who takes which events of a block. Its memory serves one block after the other.
#[derive(Clone, Debug)]
pub struct Matches<K> {
    /// By slot of the index; empty but for those touched.
    runs: Vec<Vec<Run>>,
    touched: Vec<usize>,
    /// Who takes something, those together who take the same.
    found: Vec<K>,
    /// How far in `found` those are who take the same, and the slot of what they take; no slot for
    /// who takes everything.
    parts: Vec<(usize, Option<usize>)>,
    whole: [Run; 1],
    /// Where in the body each event ends.
    ends: Vec<usize>,
}

impl<K> Default for Matches<K> {
    fn default() -> Self {
        Self {
            runs: Vec::new(),
            touched: Vec::new(),
            found: Vec::new(),
            parts: Vec::new(),
            whole: [Run { first: 0, count: 0 }],
            ends: Vec::new(),
        }
    }
}

impl<K: Copy> Matches<K> {
    /// Nothing found yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many events the block has.
    #[must_use]
    pub fn events(&self) -> u32 {
        let [whole] = self.whole;
        whole.count
    }

    /// Every key that takes at least one event, each once: those together that take the same, with
    /// its runs in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (&[K], &[Run])> {
        let mut from = 0;
        self.parts.iter().map(move |&(to, slot)| {
            let keys = self.found.get(from..to).unwrap_or_default();
            from = to;
            let runs = match slot {
                None => self.whole.as_slice(),
                Some(slot) => self.runs.get(slot).map_or(&[][..], Vec::as_slice),
            };
            (keys, runs)
        })
    }

    /// Where in the body each event ends.
    #[must_use]
    pub fn ends(&self) -> &[usize] {
        &self.ends
    }

    pub(super) fn begin(&mut self, slots: usize) {
        for slot in self.touched.drain(..) {
            if let Some(runs) = self.runs.get_mut(slot) {
                runs.clear();
            }
        }
        self.found.clear();
        self.parts.clear();
        self.ends.clear();
        self.whole = [Run { first: 0, count: 0 }];
        if self.runs.len() < slots {
            self.runs.resize_with(slots, Vec::new);
        }
    }

    /// The filter of this slot takes the event at `index`, which is above those before.
    #[inline]
    pub(super) fn hit(&mut self, slot: usize, index: u32) {
        let Some(runs) = self.runs.get_mut(slot) else { return };
        match runs.last_mut() {
            Some(last) if last.first + last.count == index => last.count += 1,
            last => {
                if last.is_none() {
                    self.touched.push(slot);
                }
                runs.push(Run { first: index, count: 1 });
            }
        }
    }

    /// The event that was asked about last ends there.
    #[inline]
    pub(super) fn ends_at(&mut self, byte: usize) {
        self.ends.push(byte);
    }

    pub(super) fn end<'a>(&mut self, events: u32, everything: &[K], keys: impl Fn(usize) -> &'a [K])
    where
        K: 'a,
    {
        self.whole = [Run { first: 0, count: events }];
        if events > 0 && !everything.is_empty() {
            self.found.extend_from_slice(everything);
            self.parts.push((self.found.len(), None));
        }
        for slot in &self.touched {
            self.found.extend_from_slice(keys(*slot));
            self.parts.push((self.found.len(), Some(*slot)));
        }
    }
}
