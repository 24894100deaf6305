//! Making topics exist and dropping them: records of the state journal.

use tidings_event::TopicId;
use tidings_log::parts::{Topic, topic_change};
use tidings_log::{TopicError, TopicSpec};

use crate::{PulsarLog, retention};

impl PulsarLog {
    pub(crate) async fn ensure(&self, spec: &TopicSpec) -> Result<(), TopicError> {
        if self.is_as_asked(spec)? {
            return Ok(self.open_for_more()?);
        }
        self.commit_records(&[topic_change(spec, false)])?.await?;
        // Another record may have come first.
        self.is_as_asked(spec).map(drop)
    }

    /// Whether a topic is there just so; an error when it can never be.
    fn is_as_asked(&self, spec: &TopicSpec) -> Result<bool, TopicError> {
        let journal = spec.retention.journal();
        match self.tables.topic(spec.id) {
            None => Ok(false),
            Some(Topic { dropped: true, .. }) => Err(TopicError::Dropped(spec.id)),
            Some(Topic { spec: known, .. }) => {
                let class = known.retention.journal();
                if known.partitions != spec.partitions || class != journal {
                    let (partitions, journal) = (known.partitions, class.name());
                    return Err(TopicError::Mismatch { id: spec.id, partitions, journal });
                }
                Ok(known == *spec)
            }
        }
    }

    pub(crate) async fn forget_topic(&self, id: TopicId) -> Result<(), TopicError> {
        let Topic { spec, dropped } = self.tables.topic(id).ok_or(TopicError::Unknown(id))?;
        if dropped {
            return Err(TopicError::Dropped(id));
        }
        self.commit_records(&[topic_change(&spec, true)])?.await?;
        retention::forget(&mut self.journal(spec.retention.journal()).core(), &spec);
        Ok(())
    }
}
