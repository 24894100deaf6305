//! Making topics exist and dropping them: records of the state journal.

use tidings_event::TopicId;

use super::EmbeddedLog;
use super::tables::topic_change;
use crate::partition_log::{TopicError, TopicSpec};

impl EmbeddedLog {
    pub(super) async fn ensure(&self, spec: &TopicSpec) -> Result<(), TopicError> {
        if self.tables.is_as_asked(spec)? {
            return Ok(());
        }
        self.commit_records(&[topic_change(spec, false)])?.await?;
        // Another record may have come first.
        self.tables.is_as_asked(spec).map(drop)
    }

    pub(super) async fn forget_topic(&self, id: TopicId) -> Result<(), TopicError> {
        let spec = self.tables.still_there(id)?;
        self.commit_records(&[topic_change(&spec, true)])?.await?;
        self.journal(spec.retention.journal()).forget(&spec);
        Ok(())
    }
}
