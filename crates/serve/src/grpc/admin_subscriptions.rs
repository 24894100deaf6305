//! The calls of `Admin` about subscriptions.

use std::sync::Arc;

use tidings_catalog::{Applied, Subscription};
use tidings_event::{Code, Refusal};
use tidings_wire::v1;

use crate::consuming::proto::position_message;
use crate::grpc::admin::Call;
use crate::grpc::{admin_messages as messages, subscription_messages, trial_messages};
use crate::page::List;
use crate::subscribing;

impl Call<'_> {
    pub(crate) async fn list_subscriptions(
        &self,
        asked: v1::ListSubscriptionsRequest,
    ) -> Result<v1::ListSubscriptionsResponse, Refusal> {
        let page = messages::page(List::Subscriptions, asked.page)?;
        let snapshot = self.doors.parts.catalog.snapshot();
        let mine = snapshot.subscriptions().filter(|s| *s.tenant == *self.tenant);
        let (part, next) = page.cut(mine, |subscription| subscription.spec.name.as_str());
        let epoch = self.epoch();
        Ok(v1::ListSubscriptionsResponse {
            subscriptions: part
                .into_iter()
                .map(|s| subscription_messages::subscription(s, epoch))
                .collect(),
            next: next.unwrap_or_default(),
        })
    }

    pub(crate) async fn get_subscription(
        &self,
        asked: v1::GetSubscriptionRequest,
    ) -> Result<v1::Subscription, Refusal> {
        let found = subscribing::found(self.doors, self.tenant, &asked.name)?;
        Ok(subscription_messages::subscription(&found, self.epoch()))
    }

    pub(crate) async fn create_subscription(
        &self,
        asked: v1::CreateSubscriptionRequest,
    ) -> Result<v1::CreateSubscriptionResponse, Refusal> {
        let spec = subscription_messages::spec(asked)?;
        let created = self.doors.parts.catalog.create_subscription(self.tenant, spec).await?;
        let (subscription, applied) = messages::applied(created);
        let subscription = Some(subscription_messages::saved(&subscription, self.epoch()));
        Ok(v1::CreateSubscriptionResponse { subscription, applied })
    }

    pub(crate) async fn update_subscription(
        &self,
        asked: v1::UpdateSubscriptionRequest,
    ) -> Result<v1::UpdateSubscriptionResponse, Refusal> {
        let expected = self.expected(&asked.if_match)?;
        let name = asked.name.clone();
        let patch = subscription_messages::patch(asked)?;
        let change = |spec: &_| patch.apply(spec);
        let catalog = &self.doors.parts.catalog;
        Ok(self.changed(catalog.update_subscription(self.tenant, &name, change, expected).await?))
    }

    pub(crate) async fn pause_subscription(
        &self,
        asked: v1::PauseSubscriptionRequest,
    ) -> Result<v1::UpdateSubscriptionResponse, Refusal> {
        self.set_paused(&asked.name, true, &asked.if_match).await
    }

    pub(crate) async fn resume_subscription(
        &self,
        asked: v1::ResumeSubscriptionRequest,
    ) -> Result<v1::UpdateSubscriptionResponse, Refusal> {
        self.set_paused(&asked.name, false, &asked.if_match).await
    }

    pub(crate) async fn seek_subscription(
        &self,
        asked: v1::SeekSubscriptionRequest,
    ) -> Result<v1::SeekSubscriptionResponse, Refusal> {
        if asked.to.as_ref().is_none_or(|to| to.start.is_none()) {
            let refusal = Refusal::new(Code::FieldMissing, "say where to go on");
            return Err(refusal.at_field("to"));
        }
        let to = messages::start(asked.to)?;
        let found = subscribing::found(self.doors, self.tenant, &asked.name)?;
        let deliver = &self.doors.parts.deliver;
        let positions = deliver.seek(self.tenant, &found.spec.name, to).await?;
        let positions = positions.iter().map(position_message).collect();
        Ok(v1::SeekSubscriptionResponse { positions })
    }

    async fn set_paused(
        &self,
        name: &str,
        is_paused: bool,
        if_match: &str,
    ) -> Result<v1::UpdateSubscriptionResponse, Refusal> {
        let expected = self.expected(if_match)?;
        let catalog = &self.doors.parts.catalog;
        Ok(self.changed(catalog.set_paused(self.tenant, name, is_paused, expected).await?))
    }

    fn changed(&self, changed: Applied<Arc<Subscription>>) -> v1::UpdateSubscriptionResponse {
        let (subscription, applied) = messages::applied(changed);
        let subscription = Some(subscription_messages::saved(&subscription, self.epoch()));
        v1::UpdateSubscriptionResponse { subscription, applied }
    }

    pub(crate) async fn delete_subscription(
        &self,
        asked: v1::DeleteSubscriptionRequest,
    ) -> Result<v1::DeleteSubscriptionResponse, Refusal> {
        let expected = self.expected(&asked.if_match)?;
        let catalog = &self.doors.parts.catalog;
        catalog.delete_subscription_if(self.tenant, &asked.name, expected).await?;
        Ok(v1::DeleteSubscriptionResponse {})
    }

    pub(crate) async fn test_subscription(
        &self,
        asked: v1::TestSubscriptionRequest,
    ) -> Result<v1::TestSubscriptionResponse, Refusal> {
        let asked = trial_messages::asked(asked);
        let found = subscribing::trial::run(self.doors, self.tenant, asked).await?;
        Ok(trial_messages::answer(&found))
    }

    pub(crate) async fn get_subscription_status(
        &self,
        asked: v1::GetSubscriptionStatusRequest,
    ) -> Result<v1::SubscriptionStatus, Refusal> {
        let status = self.doors.parts.deliver.examine(self.tenant, &asked.name).await?;
        Ok(messages::status(&asked.name, status))
    }
}
