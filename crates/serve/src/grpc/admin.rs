//! `Admin`: topics, subscriptions, browsing and last values, as REST has them.

use std::sync::Arc;

use tidings_catalog::Precondition;
use tidings_deliver::LastValueQuery;
use tidings_event::{Code, Epoch, Offset, Refusal, Timestamp, TopicName};
use tidings_wire::v1;
use tidings_wire::v1::browse_topic_request::From as BrowseStart;
use tonic::{Request, Response, Status};

use crate::consuming::proto::position_message;
use crate::doors::Doors;
use crate::etag;
use crate::grpc::Ask;
use crate::grpc::admin_messages as messages;
use crate::guarantees;
use crate::page::{self, List};
use crate::refusals::{self, topic_unknown};
use crate::rest::kind_named;
use crate::stored::{self, BrowseFrom};

pub(crate) struct AdminDoor(pub(crate) Arc<Doors>);

/// Answers a call: its message with what the caller is, or the refusal as a status.
macro_rules! answer {
    ($door:expr, $request:expr, $call:ident) => {{
        let ask = Ask::of(&$request);
        let call = Call { doors: &$door.0, tenant: ask.tenant() };
        let answered = call.$call($request.into_inner()).await;
        answered.map(Response::new).map_err(|refusal| ask.status(&refusal))
    }};
}

#[tonic::async_trait]
impl v1::admin_server::Admin for AdminDoor {
    async fn list_topics(
        &self,
        request: Request<v1::ListTopicsRequest>,
    ) -> Result<Response<v1::ListTopicsResponse>, Status> {
        answer!(self, request, list_topics)
    }

    async fn get_topic(
        &self,
        request: Request<v1::GetTopicRequest>,
    ) -> Result<Response<v1::Topic>, Status> {
        answer!(self, request, get_topic)
    }

    async fn put_topic(
        &self,
        request: Request<v1::PutTopicRequest>,
    ) -> Result<Response<v1::PutTopicResponse>, Status> {
        answer!(self, request, put_topic)
    }

    async fn delete_topic(
        &self,
        request: Request<v1::DeleteTopicRequest>,
    ) -> Result<Response<v1::DeleteTopicResponse>, Status> {
        answer!(self, request, delete_topic)
    }

    async fn get_guarantees(
        &self,
        request: Request<v1::GetGuaranteesRequest>,
    ) -> Result<Response<v1::Guarantees>, Status> {
        answer!(self, request, get_guarantees)
    }

    async fn browse_topic(
        &self,
        request: Request<v1::BrowseTopicRequest>,
    ) -> Result<Response<v1::BrowseTopicResponse>, Status> {
        answer!(self, request, browse_topic)
    }

    async fn list_subscriptions(
        &self,
        request: Request<v1::ListSubscriptionsRequest>,
    ) -> Result<Response<v1::ListSubscriptionsResponse>, Status> {
        answer!(self, request, list_subscriptions)
    }

    async fn get_subscription(
        &self,
        request: Request<v1::GetSubscriptionRequest>,
    ) -> Result<Response<v1::Subscription>, Status> {
        answer!(self, request, get_subscription)
    }

    async fn create_subscription(
        &self,
        request: Request<v1::CreateSubscriptionRequest>,
    ) -> Result<Response<v1::CreateSubscriptionResponse>, Status> {
        answer!(self, request, create_subscription)
    }

    async fn update_subscription(
        &self,
        request: Request<v1::UpdateSubscriptionRequest>,
    ) -> Result<Response<v1::UpdateSubscriptionResponse>, Status> {
        answer!(self, request, update_subscription)
    }

    async fn pause_subscription(
        &self,
        request: Request<v1::PauseSubscriptionRequest>,
    ) -> Result<Response<v1::UpdateSubscriptionResponse>, Status> {
        answer!(self, request, pause_subscription)
    }

    async fn resume_subscription(
        &self,
        request: Request<v1::ResumeSubscriptionRequest>,
    ) -> Result<Response<v1::UpdateSubscriptionResponse>, Status> {
        answer!(self, request, resume_subscription)
    }

    async fn seek_subscription(
        &self,
        request: Request<v1::SeekSubscriptionRequest>,
    ) -> Result<Response<v1::SeekSubscriptionResponse>, Status> {
        answer!(self, request, seek_subscription)
    }

    async fn delete_subscription(
        &self,
        request: Request<v1::DeleteSubscriptionRequest>,
    ) -> Result<Response<v1::DeleteSubscriptionResponse>, Status> {
        answer!(self, request, delete_subscription)
    }

    async fn test_subscription(
        &self,
        request: Request<v1::TestSubscriptionRequest>,
    ) -> Result<Response<v1::TestSubscriptionResponse>, Status> {
        answer!(self, request, test_subscription)
    }

    async fn get_subscription_status(
        &self,
        request: Request<v1::GetSubscriptionStatusRequest>,
    ) -> Result<Response<v1::SubscriptionStatus>, Status> {
        answer!(self, request, get_subscription_status)
    }

    async fn get_last_value(
        &self,
        request: Request<v1::GetLastValueRequest>,
    ) -> Result<Response<v1::LastValue>, Status> {
        answer!(self, request, get_last_value)
    }
}

/// One call of one caller.
pub(crate) struct Call<'a> {
    pub(crate) doors: &'a Doors,
    pub(crate) tenant: &'a str,
}

impl Call<'_> {
    pub(crate) fn epoch(&self) -> Epoch {
        self.doors.parts.log.epoch()
    }

    fn topic_name(&self, name: &str) -> Result<TopicName, Refusal> {
        refusals::topic_name(self.tenant, name, "name")
    }

    /// What `if_match` expects; nothing when it is empty.
    pub(crate) fn expected(&self, if_match: &str) -> Result<Precondition, Refusal> {
        let if_match = Some(if_match).filter(|tags| !tags.is_empty());
        etag::expected(if_match, None, self.epoch()).map_err(|refusal| refusal.at_field("if_match"))
    }

    async fn list_topics(
        &self,
        asked: v1::ListTopicsRequest,
    ) -> Result<v1::ListTopicsResponse, Refusal> {
        let page = messages::page(List::Topics, asked.page)?;
        let snapshot = self.doors.parts.catalog.snapshot();
        let (topics, next) = page.cut(snapshot.topics(self.tenant), |topic| topic.name.path());
        let epoch = self.epoch();
        Ok(v1::ListTopicsResponse {
            topics: topics.into_iter().map(|topic| messages::topic(topic, epoch)).collect(),
            next: next.unwrap_or_default(),
        })
    }

    async fn get_topic(&self, asked: v1::GetTopicRequest) -> Result<v1::Topic, Refusal> {
        let name = self.topic_name(&asked.name)?;
        let snapshot = self.doors.parts.catalog.snapshot();
        let topic = snapshot.topic(&name).ok_or_else(|| topic_unknown(name.path()))?;
        Ok(messages::topic(topic, self.epoch()))
    }

    async fn put_topic(&self, asked: v1::PutTopicRequest) -> Result<v1::PutTopicResponse, Refusal> {
        let name = self.topic_name(&asked.name)?;
        let request = messages::topic_request(&asked)?;
        let expected = self.expected(&asked.if_match)?;
        let put = self.doors.parts.catalog.put_topic_if(name, request, expected).await?;
        let (topic, applied) = messages::applied(put);
        let topic = Some(messages::topic(&topic, self.epoch()));
        Ok(v1::PutTopicResponse { topic, applied })
    }

    async fn delete_topic(
        &self,
        asked: v1::DeleteTopicRequest,
    ) -> Result<v1::DeleteTopicResponse, Refusal> {
        let name = self.topic_name(&asked.name)?;
        let expected = self.expected(&asked.if_match)?;
        self.doors.parts.catalog.delete_topic_if(&name, expected).await?;
        Ok(v1::DeleteTopicResponse {})
    }

    async fn get_guarantees(
        &self,
        asked: v1::GetGuaranteesRequest,
    ) -> Result<v1::Guarantees, Refusal> {
        let name = self.topic_name(&asked.name)?;
        let snapshot = self.doors.parts.catalog.snapshot();
        let topic = snapshot.topic(&name).ok_or_else(|| topic_unknown(name.path()))?;
        let guarantees = guarantees::of(topic, &self.doors.parts);
        let message = |g: guarantees::Guarantee| v1::Guarantee {
            name: g.name.to_owned(),
            level: g.level.to_owned(),
            detail: g.detail,
            reason: g.reason,
        };
        Ok(v1::Guarantees {
            topic: name.path().to_owned(),
            guarantees: guarantees.into_iter().map(message).collect(),
        })
    }

    async fn browse_topic(
        &self,
        asked: v1::BrowseTopicRequest,
    ) -> Result<v1::BrowseTopicResponse, Refusal> {
        let name = self.topic_name(&asked.name)?;
        let limit = page::check_limit(messages::limit(asked.limit))?;
        let from = match asked.from {
            None => BrowseFrom::Oldest,
            Some(BrowseStart::Offset(offset)) => BrowseFrom::Offset(Offset(offset)),
            Some(BrowseStart::Time(nanos)) => BrowseFrom::Time(Timestamp(nanos)),
        };
        let browsed = stored::browse(self.doors, &name, asked.partition, from, limit);
        let (events, next_offset) = browsed.await?;
        let message = |stored: stored::Stored| v1::StoredEvent {
            offset: stored.offset,
            ingested_at: stored.ingested_at.0,
            event: stored.event,
        };
        let events = events.into_iter().map(message).collect();
        Ok(v1::BrowseTopicResponse { events, next_offset })
    }

    async fn get_last_value(
        &self,
        asked: v1::GetLastValueRequest,
    ) -> Result<v1::LastValue, Refusal> {
        let kind = kind_named(&asked.kind).ok_or_else(|| {
            let shown: String = asked.kind.chars().take(60).collect();
            Refusal::new(Code::FieldInvalid, format!("there are no values `{shown}`"))
                .at_field("kind")
                .with_hint("indicators, patterns, anomalies, correlations or summary")
        })?;
        if asked.instrument.is_empty() {
            let refusal = Refusal::new(Code::FieldMissing, "name an instrument");
            return Err(refusal.at_field("instrument"));
        }
        let query = LastValueQuery {
            kind,
            instrument: &asked.instrument,
            timeframe: Some(asked.timeframe.as_str()).filter(|text| !text.is_empty()),
            venue: Some(asked.venue.as_str()).filter(|text| !text.is_empty()),
            final_only: asked.final_only,
        };
        let value = self.doors.parts.deliver.last_values().get(self.tenant, query)?;
        Ok(v1::LastValue {
            topic: value.topic.name.path().to_owned(),
            position: Some(position_message(&value.position)),
            event: value.event,
        })
    }
}
