//! Who asks: the one place where a request gets its tenant.

use std::sync::Arc;

use http::{Extensions, HeaderMap};
use tidings_event::Refusal;
use tidings_event::topic_name::DEFAULT_TENANT;

/// Whom a request is answered for. Every route and method takes it from the request's extensions;
/// none reads the tenant from a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) tenant: Arc<str>,
}

impl Default for Caller {
    fn default() -> Self {
        Self { tenant: DEFAULT_TENANT.into() }
    }
}

impl Caller {
    /// The caller of a request: everyone is the default tenant until there is authentication.
    #[expect(clippy::unnecessary_wraps, reason = "credentials will be refused here")]
    pub(crate) fn authenticate(_headers: &HeaderMap) -> Result<Self, Refusal> {
        Ok(Self::default())
    }

    /// The caller that the road of every request put there.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_default()
    }
}

/// Names one request in answers and logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(pub(crate) Arc<str>);

/// Header that carries it both ways.
pub(crate) const REQUEST_ID: &str = "x-request-id";

impl RequestId {
    /// The client's id when it is short and plain, else a new one.
    pub(crate) fn take(headers: &HeaderMap) -> Self {
        let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
        let plain = |text: &&str| {
            (1..=128).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
        };
        let fresh = || format!("{:016x}", rand::random::<u64>()).into();
        Self(given.filter(plain).map_or_else(fresh, Into::into))
    }

    /// The id that the road of every request put there.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_else(|| Self("".into()))
    }
}
