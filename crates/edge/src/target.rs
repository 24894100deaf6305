//! Where the events of a topic go: a name with the topic's in it.

use std::sync::Arc;

/// What stands for the topic's name.
const PLACEHOLDER: &str = "{topic}";
/// The only kind of topic that keeps what it confirms.
const SCHEME: &str = "persistent://";
/// What names of partitions end with, and other names never have.
const PARTITION: &str = "-partition-";
const NAME_BYTES_MAX: usize = 200;

/// A topic of Pulsar for each topic, or one for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `tenant/namespace`.
    namespace: Arc<str>,
    /// The topic's own name, with or without the placeholder.
    local: Arc<str>,
}

/// Why a text names no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Something else, or a topic that forgets.
    #[error("it must begin with persistent://: no other topic keeps what it confirms")]
    Scheme,
    /// Not three parts.
    #[error(
        "it must be persistent://TENANT/NAMESPACE/TOPIC, such as persistent://public/default/{{topic}}"
    )]
    Parts,
    /// A part that Pulsar does not take.
    #[error(
        "tenant, namespace and topic have letters, digits, `-`, `_`, `.`, `:` and `=`, at most 200 together"
    )]
    Characters,
    /// Braces with something else in them.
    #[error("`{{topic}}` is the only placeholder, and belongs into the topic's name")]
    Placeholder,
    /// One partition.
    #[error("it must not name a partition: a partitioned topic is named as a whole")]
    Partition,
}

impl Target {
    /// Reads `persistent://tenant/namespace/topic`, with `{topic}` in the last part or not.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let rest = text.strip_prefix(SCHEME).ok_or(TargetError::Scheme)?;
        let parts: Vec<&str> = rest.split('/').collect();
        let [tenant, namespace, local] = parts.as_slice() else { return Err(TargetError::Parts) };
        let without = local.replacen(PLACEHOLDER, "x", 1);
        let all = [*tenant, *namespace, without.as_str()];
        if all.iter().any(|part| part.contains(['{', '}'])) {
            return Err(TargetError::Placeholder);
        }
        if local.contains(PARTITION) {
            return Err(TargetError::Partition);
        }
        let may_be = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:=".contains(&byte);
        let is_name = |part: &&str| !part.is_empty() && part.bytes().all(may_be);
        if !all.iter().all(is_name) || rest.len() > NAME_BYTES_MAX {
            return Err(TargetError::Characters);
        }
        let namespace = format!("{tenant}/{namespace}");
        Ok(Self { namespace: namespace.into(), local: (*local).into() })
    }

    /// `tenant/namespace`.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Where the events of a topic go. Its `/` are written `:`, as in paths of the API: no two topics have one name.
    #[must_use]
    pub fn of(&self, path: &str) -> Arc<str> {
        let local = self.local.replacen(PLACEHOLDER, &path.replace('/', ":"), 1);
        format!("{SCHEME}{}/{local}", self.namespace).into()
    }
}

#[cfg(test)]
mod tests;
