//! A set of small numbers, one bit each.

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    /// Adds a number; says whether it was not there.
    pub(crate) fn insert(&mut self, number: u32) -> bool {
        let (word, bit) = place(number);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }

    pub(crate) fn contains(&self, number: u32) -> bool {
        let (word, bit) = place(number);
        self.0.get(word).is_some_and(|w| w & bit != 0)
    }

    pub(crate) fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// How many numbers are in both.
    pub(crate) fn shared(&self, other: &Self) -> u32 {
        self.0.iter().zip(&other.0).map(|(a, b)| (a & b).count_ones()).sum()
    }

    /// The numbers, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        (0u32..).zip(&self.0).flat_map(|(at, &word)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * 64 + bit)
        })
    }

    /// The numbers that at least `least` of the sets have.
    pub(crate) fn in_at_least(least: usize, sets: &[&Self]) -> Self {
        let words = sets.iter().map(|set| set.0.len()).max().unwrap_or(0);
        // have[n]: what more than n of the sets so far have.
        let mut have = vec![0u64; least.max(1)];
        let combined = (0..words).map(|at| {
            have.fill(0);
            for set in sets {
                let word = set.0.get(at).copied().unwrap_or(0);
                for n in (1..have.len()).rev() {
                    have[n] |= have[n - 1] & word;
                }
                have[0] |= word;
            }
            have[have.len() - 1]
        });
        Self(combined.collect())
    }
}

impl FromIterator<u32> for Bits {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        let mut bits = Self::default();
        for number in numbers {
            bits.insert(number);
        }
        bits
    }
}

/// Word and bit of a number.
fn place(number: u32) -> (usize, u64) {
    ((number / 64) as usize, 1 << (number % 64))
}

#[cfg(test)]
mod tests;
