//! The subscriptions of a tenant in order of their names, in parts that snapshots share: a change copies one
//! part, whatever their number.

use std::collections::HashSet;
use std::ops::Deref;
use std::sync::Arc;

use crate::subscription::Subscription;

/// Most subscriptions of a part.
const PART_MAX: usize = 128;

type Part = Arc<[Arc<Subscription>]>;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    /// None is empty.
    parts: Vec<Part>,
    count: usize,
}

impl Shelf {
    pub(crate) const NONE: Self = Self { parts: Vec::new(), count: 0 };

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Subscription>> {
        self.parts.iter().flat_map(Deref::deref)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Subscription>> {
        let part = self.parts.get(self.part_of(name)?)?;
        part.get(place_in(part, name).ok()?)
    }

    /// The last before a name that is not here, or else the first.
    pub(crate) fn neighbour(&self, name: &str) -> Option<&Arc<Subscription>> {
        let part = self.parts.get(self.part_of(name)?)?;
        let (Ok(place) | Err(place)) = place_in(part, name);
        part.get(place.saturating_sub(1))
    }

    /// Puts a subscription in the place of its name.
    pub(crate) fn insert(&mut self, subscription: Arc<Subscription>) {
        let Some(number) = self.part_of(&subscription.spec.name) else {
            (self.parts, self.count) = (vec![Part::from([subscription])], 1);
            return;
        };
        self.change(number, |part| match place_in(part, &subscription.spec.name) {
            Ok(place) => {
                if let Some(there) = part.get_mut(place) {
                    *there = subscription;
                }
            }
            Err(place) => part.insert(place, subscription),
        });
    }

    /// Takes a subscription out.
    pub(crate) fn remove(&mut self, name: &str) {
        let Some(number) = self.part_of(name) else { return };
        self.change(number, |part| {
            if let Ok(place) = place_in(part, name) {
                part.remove(place);
            }
        });
    }

    /// What is here and was not there, or is another now. Parts that both share are passed over.
    pub(crate) fn since<'a>(
        &'a self,
        before: &'a Self,
    ) -> impl Iterator<Item = &'a Arc<Subscription>> {
        let known: HashSet<_> = before.parts.iter().map(|p| p.as_ptr()).collect();
        let parts = self.parts.iter().filter(move |part| !known.contains(&part.as_ptr()));
        parts
            .flat_map(Deref::deref)
            .filter(|now| before.get(&now.spec.name).is_none_or(|before| !Arc::ptr_eq(before, now)))
    }

    /// The part in which a name is, or would be; nothing while there is none.
    fn part_of(&self, name: &str) -> Option<usize> {
        let begins_by = |part: &Part| part.first().is_some_and(|one| *one.spec.name <= *name);
        let after = self.parts.partition_point(begins_by);
        (!self.parts.is_empty()).then(|| after.saturating_sub(1))
    }

    fn change(&mut self, number: usize, act: impl FnOnce(&mut Vec<Arc<Subscription>>)) {
        let Some(part) = self.parts.get(number) else { return };
        let mut part = part.to_vec();
        self.count -= part.len();
        act(&mut part);
        self.count += part.len();
        let half = part.len().div_ceil(if part.len() > PART_MAX { 2 } else { 1 });
        let parts = part.chunks(half.max(1)).map(Part::from);
        self.parts.splice(number..=number, parts);
    }
}

fn place_in(part: &[Arc<Subscription>], name: &str) -> Result<usize, usize> {
    part.binary_search_by(|one| one.spec.name.as_str().cmp(name))
}

#[cfg(test)]
mod tests;
