//! Changes of topics.

use std::sync::Arc;
use std::time::Duration;

use tidings_event::{Code, Refusal, TopicId, TopicName};
use tidings_log::{Retention, TopicError};

use crate::catalog::Applied;
use crate::ledger::{Ledger, PARTITIONS_MAX, finish_drop, refused_topic};
use crate::precondition::Precondition;
use crate::records;
use crate::subscription::Difference;
use crate::topic::{Durability, Topic, TopicRequest};

impl Ledger {
    pub(crate) async fn put_topic(
        &self,
        name: TopicName,
        request: TopicRequest,
        expected: Precondition,
    ) -> Result<Applied<Arc<Topic>>, Refusal> {
        check(&request)?;
        let mut counters = self.counters.lock().await;
        let snapshot = self.snapshot();
        expected.check(name.path(), || snapshot.topic(&name).map(|topic| topic.version()))?;
        if let Some(topic) = snapshot.topic(&name) {
            return self.update_topic(topic, &request).await;
        }
        let count = snapshot.topics(name.tenant()).count();
        let settings = self.settings();
        if count >= settings.topics_max {
            let detail = format!("{count} topics, at most {}", settings.topics_max);
            return Err(Refusal::new(Code::TopicLimit, detail).with_hint("delete one first"));
        }
        let template = snapshot.template_of(name.path());
        let default_retention = template.map_or(settings.retention, |t| t.retention);
        let default_partitions = template.map_or(settings.partitions, |t| t.partitions);
        let mut topic = Topic {
            id: TopicId(counters.next_topic),
            name,
            partitions: request.partitions.unwrap_or(default_partitions),
            retention: request.retention.unwrap_or(default_retention),
            durability: request.durability.unwrap_or(Durability::Durable),
            template: template.map(|t| t.pattern.clone()),
            created_at: self.clock.wall(),
        };
        self.ensure(&mut topic).await?;
        // From here on the number counts as given: a commit of unknown outcome may have used it.
        counters.next_topic = topic.id.0 + 1;
        let topic = Arc::new(topic);
        let changes = vec![records::put_topic(&topic), records::put_counters(&counters)];
        self.commit(changes, |next| next.insert_topic(Arc::clone(&topic))).await?;
        Ok(Applied::Created(topic))
    }

    /// Makes the topic exist in the log under the next number that is free there: a crash between
    /// this and the catalog's record leaves a topic behind that nothing refers to.
    async fn ensure(&self, topic: &mut Topic) -> Result<(), Refusal> {
        loop {
            match self.log.ensure_topic(&topic.spec()).await {
                Ok(()) => return Ok(()),
                Err(TopicError::Mismatch { id, .. }) => {
                    self.log.drop_topic(id).await.map_err(|e| refused_topic(&e))?;
                }
                Err(TopicError::Dropped(_)) => {}
                Err(error) => return Err(refused_topic(&error)),
            }
            topic.id = TopicId(topic.id.0 + 1);
        }
    }

    async fn update_topic(
        &self,
        old: &Arc<Topic>,
        request: &TopicRequest,
    ) -> Result<Applied<Arc<Topic>>, Refusal> {
        let mut new = Topic::clone(old);
        new.partitions = request.partitions.unwrap_or(old.partitions);
        new.retention = request.retention.unwrap_or(old.retention);
        new.durability = request.durability.unwrap_or(old.durability);
        if new == **old {
            return Ok(Applied::Same(Arc::clone(old)));
        }
        let class = (old.retention.journal().name(), new.retention.journal().name());
        if new.partitions != old.partitions || class.0 != class.1 {
            let mut text = Difference(String::new());
            text.field("partitions", &old.partitions, &new.partitions);
            text.field("retention", &old.retention.age, &new.retention.age);
            let refusal = Refusal::new(Code::TopicExists, text.0);
            return Err(refusal.with_hint(
                "partitions are fixed at birth, retention stays within its class \
                 (up to 7 days, up to 90 days, longer): delete the topic or use another name",
            ));
        }
        self.log.ensure_topic(&new.spec()).await.map_err(|e| refused_topic(&e))?;
        let new = Arc::new(new);
        let changes = vec![records::put_topic(&new)];
        self.commit(changes, |next| next.insert_topic(Arc::clone(&new))).await?;
        Ok(Applied::Updated(new))
    }

    pub(crate) async fn delete_topic(
        &self,
        name: &TopicName,
        expected: Precondition,
    ) -> Result<(), Refusal> {
        let _turn = self.counters.lock().await;
        let snapshot = self.snapshot();
        let Some(topic) = snapshot.topic(name) else {
            let detail = format!("topic `{}` does not exist", name.path());
            return Err(Refusal::new(Code::TopicUnknown, detail));
        };
        expected.check(name.path(), || Some(topic.version()))?;
        let changes =
            vec![records::delete(records::topic_key(name)), records::put_dropped(topic.id)];
        self.commit(changes, |next| next.remove_topic(topic)).await?;
        // The topic is gone for everyone; its bytes go now, or at the next open.
        if let Err(error) = finish_drop(&*self.log, topic.id).await {
            tracing::warn!(topic = %name, %error, "events of a deleted topic stay until restart");
        }
        Ok(())
    }
}

fn check(request: &TopicRequest) -> Result<(), Refusal> {
    let invalid =
        |field: &str, detail: String| Err(Refusal::new(Code::FieldInvalid, detail).at_field(field));
    if let Some(partitions) = request.partitions
        && !(1..=PARTITIONS_MAX).contains(&partitions)
    {
        return invalid("partitions", format!("{partitions} is not in 1..={PARTITIONS_MAX}"));
    }
    if let Some(Retention { age, bytes }) = request.retention {
        if age < Duration::from_secs(1) {
            return invalid("retention.seconds", format!("{age:?} is less than a second"));
        }
        if bytes == Some(0) {
            return invalid("retention.bytes", "0 keeps nothing".to_owned());
        }
    }
    Ok(())
}
