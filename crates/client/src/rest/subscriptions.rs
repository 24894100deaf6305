//! The calls that change subscriptions that are there.

use http::Method;
use serde::Serialize;
use tidings_wire::rest::{SeekDocument, SubscriptionDocument, TestDocument, TestRequestDocument};

use super::{Rest, subscription_path};
use crate::ClientError;

impl Rest {
    /// Changes a subscription by a merge patch: what is absent stays, `null` puts back the default;
    /// [`SubscriptionPatch`](tidings_wire::rest::SubscriptionPatch) has the members.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`; `FIELD_INVALID` naming what cannot be changed or be so.
    pub async fn patch_subscription(
        &self,
        name: &str,
        patch: &impl Serialize,
    ) -> Result<SubscriptionDocument, ClientError> {
        self.call(Method::PATCH, &subscription_path(name, ""), Some(patch)).await
    }

    /// What [`patch_subscription`](Self::patch_subscription) would make of it; nothing changes.
    ///
    /// # Errors
    /// As [`patch_subscription`](Self::patch_subscription).
    pub async fn preview_patch(
        &self,
        name: &str,
        patch: &impl Serialize,
    ) -> Result<SubscriptionDocument, ClientError> {
        self.call(Method::PATCH, &subscription_path(name, "?dry_run=true"), Some(patch)).await
    }

    /// Creates a subscription of a document of one's own; the same again is fine.
    ///
    /// # Errors
    /// As [`create_subscription`](Self::create_subscription).
    pub async fn create_subscription_as(
        &self,
        request: &impl Serialize,
    ) -> Result<SubscriptionDocument, ClientError> {
        self.call(Method::POST, "/api/v1/subscriptions", Some(request)).await
    }

    /// What a creation would make; nothing is made.
    ///
    /// # Errors
    /// As [`create_subscription`](Self::create_subscription).
    pub async fn preview_subscription(
        &self,
        request: &impl Serialize,
    ) -> Result<SubscriptionDocument, ClientError> {
        self.call(Method::POST, "/api/v1/subscriptions?dry_run=true", Some(request)).await
    }

    /// Stops a subscription from sending until it is resumed.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`.
    pub async fn pause_subscription(
        &self,
        name: &str,
    ) -> Result<SubscriptionDocument, ClientError> {
        self.call(Method::POST, &subscription_path(name, "/pause"), None::<&()>).await
    }

    /// Lets a paused subscription send again.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`.
    pub async fn resume_subscription(
        &self,
        name: &str,
    ) -> Result<SubscriptionDocument, ClientError> {
        self.call(Method::POST, &subscription_path(name, "/resume"), None::<&()>).await
    }

    /// Has a subscription go on elsewhere; answers where, durably.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`; `POSITION_INVALID`, `OFFSET_OUT_OF_RANGE`.
    pub async fn seek_subscription(
        &self,
        name: &str,
        request: &impl Serialize,
    ) -> Result<SeekDocument, ClientError> {
        self.call(Method::POST, &subscription_path(name, "/seek"), Some(request)).await
    }

    /// What a subscription, or a change of it, matches over history; `next` in the answer goes on.
    ///
    /// # Errors
    /// `SUBSCRIPTION_UNKNOWN`; `FILTER_INVALID`, `FILTER_TYPE` with the offset in the filter.
    pub async fn test_subscription(
        &self,
        name: &str,
        request: &TestRequestDocument,
    ) -> Result<TestDocument, ClientError> {
        self.call(Method::POST, &subscription_path(name, "/test"), Some(request)).await
    }

    /// What topics and a filter match over history; `next` in the answer goes on.
    ///
    /// # Errors
    /// `FIELD_MISSING`; `FILTER_INVALID`, `FILTER_TYPE` with the offset in the filter.
    pub async fn test_filter(
        &self,
        request: &TestRequestDocument,
    ) -> Result<TestDocument, ClientError> {
        self.call(Method::POST, "/api/v1/filters/test", Some(request)).await
    }
}
