//! Changes of a subscription that is there: what it asks for, and whether it is paused.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidings_event::{Code, PartitionId, Refusal, TopicPartition};

use crate::boundary::Boundary;
use crate::catalog::Applied;
use crate::ledger::{Ledger, TOO_LARGE};
use crate::precondition::Precondition;
use crate::records;
use crate::snapshot::Snapshot;
use crate::subscription::{Revision, Subscription, SubscriptionSpec};

/// Most revisions of a subscription.
pub(crate) const REVISIONS_MAX: usize = 64;

/// Most bytes of a subscription's record: what a commit takes, and room for what goes with it.
const RECORD_BYTES_MAX: usize = 880 << 10;

impl Ledger {
    /// Makes a subscription ask for what `change` makes of what it asks for.
    pub(crate) async fn update_subscription(
        &self,
        tenant: &str,
        name: &str,
        change: impl FnOnce(&SubscriptionSpec) -> Result<SubscriptionSpec, Refusal>,
        expected: Precondition,
    ) -> Result<Applied<Arc<Subscription>>, Refusal> {
        let _turn = self.counters.lock().await;
        let snapshot = self.snapshot();
        let found = self.expected_subscription(&snapshot, tenant, name, &expected)?;
        let spec = change(&found.spec)?;
        let mut next = found.as_it_would_be(spec)?;
        if found.spec == next.spec {
            return Ok(Applied::Same(Arc::clone(found)));
        }
        let (old, new) = (&found.spec, &next.spec);
        if old.topics == new.topics && old.filter == new.filter {
            return self.replace(next).await.map(Applied::Updated);
        }
        // What becomes durable until the change is in force is not judged by what was before.
        let held = self.hold(next.id);
        self.revise(&snapshot, &mut next)?;
        let replaced = self.replace(next).await;
        if replaced.as_ref().is_err_and(|refusal| refusal.code == Code::UnknownOutcome) {
            // After a restart it may be in force from its boundary on: nothing beyond goes out by what was before.
            held.stay();
        }
        replaced.map(Applied::Updated)
    }

    /// Stops a subscription from sending, or lets it send again.
    pub(crate) async fn set_paused(
        &self,
        tenant: &str,
        name: &str,
        is_paused: bool,
        expected: Precondition,
    ) -> Result<Applied<Arc<Subscription>>, Refusal> {
        let _turn = self.counters.lock().await;
        let snapshot = self.snapshot();
        let found = self.expected_subscription(&snapshot, tenant, name, &expected)?;
        if found.is_paused == is_paused {
            return Ok(Applied::Same(Arc::clone(found)));
        }
        let next = Subscription { is_paused, ..Subscription::clone(found) };
        self.replace(next).await.map(Applied::Updated)
    }

    pub(crate) fn expected_subscription<'a>(
        &self,
        snapshot: &'a Snapshot,
        tenant: &str,
        name: &str,
        expected: &Precondition,
    ) -> Result<&'a Arc<Subscription>, Refusal> {
        let found = snapshot.subscription(tenant, name).ok_or_else(|| {
            let detail = format!("subscription `{name}` does not exist");
            Refusal::new(Code::SubscriptionUnknown, detail)
        })?;
        expected.check(name, || Some(found.version()))?;
        Ok(found)
    }

    async fn replace(&self, next: Subscription) -> Result<Arc<Subscription>, Refusal> {
        let next = Arc::new(next);
        let changes = vec![records::put_subscription(&next)];
        self.commit(changes, |snapshot| snapshot.insert_subscription(Arc::clone(&next))).await?;
        Ok(next)
    }

    /// Adds the revision that is to be in force, from the durable tails on, and lets go of those that
    /// judge nothing any more, as far as room is needed.
    fn revise(&self, snapshot: &Snapshot, next: &mut Subscription) -> Result<(), Refusal> {
        let boundary = self.tails(snapshot, next)?;
        // What it did not select until now, it selects from here on.
        let tails = boundary.iter().filter(|(place, _)| next.boundary.get(*place).is_none());
        next.boundary = next.boundary.iter().chain(tails).collect();
        next.revisions.push(Revision {
            number: next.revision().map_or(0, |last| last.number) + 1,
            at: self.clock.wall(),
            boundary,
            topics: Arc::clone(&next.spec.topics),
            filter: next.spec.filter.clone(),
        });
        loop {
            let bytes = records::size(&records::put_subscription(next));
            if next.revisions.len() <= REVISIONS_MAX && bytes <= RECORD_BYTES_MAX {
                return Ok(());
            }
            if next.revisions.len() < 2 || self.judges(next, &next.revisions[1]) {
                let count = next.revisions.len() - 1;
                let detail = format!(
                    "{count} revisions are needed for events that are not settled, and there is \
                     no room for another: at most {REVISIONS_MAX} in {RECORD_BYTES_MAX} bytes"
                );
                return Err(Refusal::new(Code::ResourceExhausted, detail).with_hint(TOO_LARGE));
            }
            next.revisions.remove(0);
        }
    }

    /// The durable tails of every partition that the subscription selects from, or did: the revision
    /// before decides on what is below.
    fn tails(&self, snapshot: &Snapshot, next: &Subscription) -> Result<Boundary, Refusal> {
        let before = next.revision();
        let mut tails = BTreeMap::new();
        for topic in snapshot.topics(&next.tenant) {
            let concerns = next.spec.covers(topic.name.path())
                || before.is_some_and(|before| {
                    before.covers(topic.name.path()) || before.boundary.has(topic.id)
                });
            for partition in (0..topic.partitions).map(PartitionId).filter(|_| concerns) {
                let place = TopicPartition { topic: topic.id, partition };
                tails.insert(place, self.durable_tail(place)?);
            }
        }
        Ok(Boundary::from(&tails))
    }

    /// Whether an event below this revision's boundary may still be sent: it is kept, and not
    /// settled.
    fn judges(&self, of: &Subscription, after: &Revision) -> bool {
        after.boundary.iter().any(|(place, end)| {
            let kept = self.trim(place).unwrap_or(end);
            // Without a cursor nothing below its start is due.
            let settled = self.settled_below(of.id, place).or_else(|| of.boundary.get(place));
            kept < end && settled.is_none_or(|settled| settled < end)
        })
    }
}

impl Subscription {
    /// What it would be if it asked for this; nothing changes, and no revision is added.
    ///
    /// # Errors
    /// `FIELD_INVALID` naming what cannot be changed, or be so.
    pub fn as_it_would_be(&self, spec: SubscriptionSpec) -> Result<Self, Refusal> {
        check_fixed(&self.spec, &spec)?;
        spec.check()?;
        Ok(Self { spec, ..self.clone() })
    }
}

/// Refuses a change of what is decided when a subscription is made.
fn check_fixed(old: &SubscriptionSpec, new: &SubscriptionSpec) -> Result<(), Refusal> {
    let fixed = [
        ("name", old.name == new.name),
        ("start", old.start == new.start),
        ("delivery", old.delivery == new.delivery),
        ("sharing", old.sharing == new.sharing),
    ];
    match fixed.iter().find(|(_, same)| !same) {
        None => Ok(()),
        Some((field, _)) => {
            let detail = format!("`{field}` is decided when a subscription is made");
            Err(Refusal::new(Code::FieldInvalid, detail)
                .at_field(*field)
                .with_hint("make another subscription"))
        }
    }
}

#[cfg(test)]
mod tests;
