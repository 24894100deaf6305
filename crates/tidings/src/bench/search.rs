//! Finds the highest rate that a machine keeps up with, by halving what lies between one that it did and
//! one that it did not.

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Search {
    /// The highest that passed; 0 at first.
    passed: u64,
    /// The lowest that is not to be tried: it failed, or is known to be out of reach.
    ceiling: u64,
    looks: u32,
}

impl Search {
    /// Below a rate that is out of reach, with so many looks.
    pub(super) fn below(ceiling: u64, looks: u32) -> Self {
        Self { passed: 0, ceiling, looks }
    }

    /// What to try next; `None` when enough is known.
    pub(super) fn next(&self) -> Option<u64> {
        let middle = u64::midpoint(self.passed, self.ceiling);
        (self.looks > 0 && middle > self.passed).then_some(middle)
    }

    /// How that went.
    pub(super) fn tell(&mut self, rate: u64, kept_up: bool) {
        self.looks = self.looks.saturating_sub(1);
        if kept_up {
            self.passed = self.passed.max(rate);
        } else {
            self.ceiling = self.ceiling.min(rate);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found on a machine that keeps up with `limit`.
    fn check(ceiling: u64, looks: u32, limit: u64) -> (u64, u32) {
        let (mut search, mut found, mut looked) = (Search::below(ceiling, looks), 0, 0);
        while let Some(rate) = search.next() {
            search.tell(rate, rate <= limit);
            if rate <= limit {
                found = found.max(rate);
            }
            looked += 1;
        }
        assert_eq!(found, search.passed);
        (found, looked)
    }

    #[test]
    fn each_look_halves_what_is_unknown() {
        let (found, looked) = check(1_000_000, 6, 700_000);
        assert!((700_000 - 1_000_000 / 64..=700_000).contains(&found), "{found}");
        assert_eq!(looked, 6);
    }

    #[test]
    fn the_end_is_found_when_nothing_passes_and_when_all_does() {
        assert_eq!(check(1_000, 6, 0), (0, 6));
        assert_eq!(check(1_000, 3, 5_000), (875, 3));
        // Nothing lies between 3 and 4.
        assert_eq!(check(4, 10, 3), (3, 2));
        assert_eq!(check(1, 10, 3), (0, 0));
    }
}
