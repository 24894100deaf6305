//! Making topics exist and dropping them: records of the state journal.

use tidings_event::TopicId;
use tidings_log::parts::topic_change;
use tidings_log::{TopicError, TopicSpec};

use crate::{PulsarLog, retention};

impl PulsarLog {
    pub(crate) async fn ensure(&self, spec: &TopicSpec) -> Result<(), TopicError> {
        if self.tables.is_as_asked(spec)? {
            return Ok(self.open_for_more()?);
        }
        self.commit_records(&[topic_change(spec, false)])?.await?;
        // Another record may have come first.
        self.tables.is_as_asked(spec).map(drop)
    }

    pub(crate) async fn forget_topic(&self, id: TopicId) -> Result<(), TopicError> {
        let spec = self.tables.still_there(id)?;
        self.commit_records(&[topic_change(&spec, true)])?.await?;
        retention::forget(&mut self.journal(spec.retention.journal()).core(), &spec);
        Ok(())
    }
}
