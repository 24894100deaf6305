//! Changes of subscriptions.

use std::sync::Arc;

use tidings_event::{Code, Refusal};

use crate::boundary::Boundary;
use crate::catalog::Applied;
use crate::ledger::Ledger;
use crate::past;
use crate::precondition::Precondition;
use crate::records;
use crate::subscription::{Revision, Start, Subscription, SubscriptionId, SubscriptionSpec};

impl Ledger {
    pub(crate) async fn create_subscription(
        &self,
        tenant: String,
        spec: SubscriptionSpec,
    ) -> Result<Applied<Arc<Subscription>>, Refusal> {
        spec.check()?;
        let mut counters = self.counters.lock().await;
        let snapshot = self.snapshot();
        if let Some(existing) = snapshot.subscription(&tenant, &spec.name) {
            let difference = existing.spec.difference(&spec);
            if difference.is_empty() {
                return Ok(Applied::Same(Arc::clone(existing)));
            }
            let refusal = Refusal::new(Code::SubscriptionExists, difference);
            return Err(refusal.with_hint("delete the subscription first, or use another name"));
        }
        let count = snapshot.subscription_count(&tenant);
        let most = self.settings().subscriptions_max;
        if count >= most {
            let detail = format!("{count} subscriptions, at most {most}");
            return Err(Refusal::new(Code::ResourceExhausted, detail).with_hint("delete one first"));
        }
        let id = SubscriptionId(counters.next_subscription);
        let boundary = if spec.start == Start::LastPerKey {
            // Durable before anything lies under it: a number is not given twice.
            counters.next_subscription += 1;
            self.commit(vec![records::put_counters(&counters)], |_| {}).await?;
            self.begin(&snapshot, id, &tenant, &spec).await?
        } else {
            let boundary = self.boundary(&snapshot, &tenant, &spec).await?;
            counters.next_subscription += 1;
            boundary
        };
        let (created_at, boundary) = (self.clock.wall(), Boundary::from(&boundary));
        let revisions = vec![Revision::first(&spec, created_at, &boundary)];
        let is_paused = false;
        let tenant = tenant.into();
        let mut made =
            Subscription { id, tenant, spec, created_at, boundary, is_paused, revisions };
        if let Some(neighbour) = snapshot.neighbour(&made.tenant, &made.spec.name) {
            made.share(neighbour);
        }
        let made = Arc::new(made);
        let changes = vec![records::put_subscription(&made), records::put_counters(&counters)];
        self.commit(changes, |next| next.insert_subscription(Arc::clone(&made))).await?;
        Ok(Applied::Created(made))
    }

    pub(crate) async fn delete_subscription(
        &self,
        tenant: &str,
        name: &str,
        expected: Precondition,
    ) -> Result<(), Refusal> {
        let _turn = self.counters.lock().await;
        let snapshot = self.snapshot();
        let Some(found) = snapshot.subscription(tenant, name) else {
            let detail = format!("subscription `{name}` does not exist");
            return Err(Refusal::new(Code::SubscriptionUnknown, detail));
        };
        expected.check(name, || Some(found.version()))?;
        let mut changes = vec![records::delete(records::subscription_key(tenant, name))];
        changes.extend(past::keep(&*self.log, found, self.clock.wall()));
        self.commit(changes, |next| next.remove_subscription(tenant, name)).await
    }
}
