//! Reading a journal from its beginning to its end, by a connection that stays: nobody else reads it, and nothing of it is
//! read twice.

use std::sync::Arc;

use tidings_event::hop::Committed;
use tidings_log::ReadError;

use crate::journal::{GroupAt, JournalStore};
use crate::link::{Broker, Tail};
use crate::read::{TRIES, decode, is_kept};

/// Places that are looked up at a time.
const PLACES: usize = 1024;

/// How far it was read.
pub(super) struct Following {
    /// The last group that was returned.
    pub(super) after: u64,
    tail: Option<Tail>,
}

impl Following {
    pub(super) fn new(after: u64) -> Self {
        Self { after, tail: None }
    }

    /// The next groups, up to so many bytes, but at least one when there is one.
    pub(super) async fn read(
        &mut self,
        broker: &Arc<Broker>,
        journal: &JournalStore,
        max_bytes: usize,
    ) -> Result<Vec<Committed>, ReadError> {
        let (mut found, mut bytes) = (vec![], 0);
        while bytes < max_bytes {
            let places: Vec<GroupAt> = {
                let core = journal.core();
                let live = core.groups_after(self.after).filter(|group| group.live > 0);
                live.take(PLACES).copied().collect()
            };
            if places.is_empty() {
                break;
            }
            for place in places {
                bytes += self.group(broker, journal, &place, &mut found).await?;
                self.after = place.seq;
                if bytes >= max_bytes {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Reads on to one group, and takes what is kept of it. Its bytes.
    async fn group(
        &mut self,
        broker: &Arc<Broker>,
        journal: &JournalStore,
        place: &GroupAt,
        found: &mut Vec<Committed>,
    ) -> Result<usize, ReadError> {
        let begin = || Tail::from(broker, &journal.topic, place.at);
        let tail = self.tail.get_or_insert_with(begin);
        let mut failed = 0;
        loop {
            let (at, payload) = match tail.next().await {
                Ok(message) => message,
                Err(error) if failed == TRIES => return Err(ReadError::Io(error.to_string())),
                Err(error) => {
                    tracing::warn!(topic = %journal.topic, %error, "reads it again");
                    failed += 1;
                    continue;
                }
            };
            if at < place.at {
                continue;
            }
            if at > place.at {
                let why = format!("group {} of {} is gone", place.seq, journal.topic);
                return Err(ReadError::Io(why));
            }
            let group = decode(place.seq, &payload);
            let core = journal.core();
            found.extend(group.iter().filter(|committed| is_kept(&core, committed)).cloned());
            return Ok(payload.len());
        }
    }
}
