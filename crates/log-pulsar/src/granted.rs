//! Whether a term that was granted is still worth anything: what the log itself shows decides.

use std::sync::Arc;

use tidings_event::Term;

use crate::link::{Broker, LinkError, Locator, Tail};
use crate::message;
use crate::options::OpenError;

/// Messages at the end that are looked at: the last of them may be of an opener that took nothing.
const LOOKED_AT: u64 = 16;

/// The newest term that the end of a topic shows; 0 where it shows none. Who opens judges again after it took the topic:
/// this only keeps an old word from disturbing the owner.
pub(crate) async fn newest(broker: &Arc<Broker>, topic: &str) -> Result<Term, LinkError> {
    let Some(end) = Tail::after(broker, topic, None).end().await? else { return Ok(Term(0)) };
    let first = Locator { entry: end.entry.saturating_sub(LOOKED_AT - 1), ..end };
    let mut tail = Tail::from(broker, topic, first);
    let mut newest = Term(0);
    loop {
        let (at, message) = tail.next().await?;
        // What cannot be read is judged when all is read.
        if let Ok((front, _)) = message::decode(&message) {
            newest = newest.max(front.hold.term);
        }
        if at >= end {
            return Ok(newest);
        }
    }
}

/// Whether a granted term is above what the log shows.
pub(crate) fn check(granted: Term, newest: Term) -> Result<(), OpenError> {
    if granted > newest { Ok(()) } else { Err(OpenError::Outdated { granted, newest }) }
}
