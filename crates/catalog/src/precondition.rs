//! What a change expects to find, so that two editors do not undo each other's work.

use tidings_event::{Code, Refusal};
use xxhash_rust::xxh3::xxh3_64;

use crate::records;
use crate::subscription::Subscription;
use crate::topic::Topic;

/// Identity of a topic's or subscription's content: the same content has the same version, also
/// after a restart; one that was deleted and made again has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version(pub u64);

impl Topic {
    /// Changes with every change of the topic.
    #[must_use]
    pub fn version(&self) -> Version {
        version(&records::put_topic(self))
    }
}

impl Subscription {
    /// Changes with every change of the subscription.
    #[must_use]
    pub fn version(&self) -> Version {
        version(&records::whole_subscription(self))
    }
}

fn version(change: &tidings_log::TableChange) -> Version {
    Version(xxh3_64(change.value.as_deref().unwrap_or_default()))
}

/// Under what condition a change is made; checked in one step with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Precondition {
    /// Whatever is there.
    #[default]
    None,
    /// Nothing of this name is there.
    Absent,
    /// Something of this name is there.
    Present,
    /// One of these versions is there.
    Versions(Vec<Version>),
}

impl Precondition {
    /// Refuses when what is there is not what was expected.
    pub(crate) fn check(
        &self,
        name: &str,
        found: impl FnOnce() -> Option<Version>,
    ) -> Result<(), Refusal> {
        let (holds, expected) = match self {
            Self::None => return Ok(()),
            Self::Absent => (found().is_none(), "there is one already"),
            Self::Present => (found().is_some(), "there is none"),
            Self::Versions(versions) => {
                (found().is_some_and(|v| versions.contains(&v)), "it is not the version named")
            }
        };
        if holds {
            return Ok(());
        }
        Err(Refusal::new(Code::EtagMismatch, format!("`{name}`: {expected}"))
            .with_hint("read it again, then decide"))
    }
}

#[cfg(test)]
mod tests;
