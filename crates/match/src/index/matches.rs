//! What an index found in one block.

/// Events that stand next to each other in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Index of the first, from 0.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// Who takes which events of a block. Its memory serves one block after the other.
#[derive(Clone, Debug)]
pub struct Matches<K> {
    /// By slot of the index; empty but for those touched.
    runs: Vec<Vec<Run>>,
    touched: Vec<usize>,
    /// Who takes something, and whose runs it shares; no slot for who takes everything.
    found: Vec<(K, Option<usize>)>,
    whole: [Run; 1],
}

impl<K> Default for Matches<K> {
    fn default() -> Self {
        Self {
            runs: Vec::new(),
            touched: Vec::new(),
            found: Vec::new(),
            whole: [Run { first: 0, count: 0 }],
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

    /// Every key that takes at least one event, each once, with its runs in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (K, &[Run])> {
        self.found.iter().map(|(key, slot)| {
            let runs = match slot {
                None => self.whole.as_slice(),
                Some(slot) => self.runs.get(*slot).map_or(&[][..], Vec::as_slice),
            };
            (*key, runs)
        })
    }

    pub(super) fn begin(&mut self, slots: usize) {
        for slot in self.touched.drain(..) {
            if let Some(runs) = self.runs.get_mut(slot) {
                runs.clear();
            }
        }
        self.found.clear();
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

    pub(super) fn end<'a>(&mut self, events: u32, everything: &[K], keys: impl Fn(usize) -> &'a [K])
    where
        K: 'a,
    {
        self.whole = [Run { first: 0, count: events }];
        if events > 0 {
            self.found.extend(everything.iter().map(|key| (*key, None)));
        }
        for slot in &self.touched {
            self.found.extend(keys(*slot).iter().map(|key| (*key, Some(*slot))));
        }
    }
}
