//! The nodes of one service: one of them is asked, and after it failed the next one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Uri;
use tidings_event::Code;

use crate::ClientError;

/// Their addresses, and which is asked now. Cheap to clone; a clone sees the same.
#[derive(Clone, Debug)]
pub(crate) struct Servers {
    urls: Arc<[String]>,
    asked: Arc<AtomicUsize>,
}

impl Servers {
    /// Reads `http://host:port`, or several of these with commas between.
    ///
    /// # Errors
    /// The first that is no address.
    pub(crate) fn read(text: &str) -> Result<Self, ClientError> {
        let urls = text.split(',').map(|url| {
            let url = url.trim().trim_end_matches('/').to_owned();
            let invalid = |reason: String| ClientError::Address { url: url.clone(), reason };
            let parsed: Uri =
                url.parse().map_err(|e: http::uri::InvalidUri| invalid(e.to_string()))?;
            if parsed.scheme_str() != Some("http") || parsed.authority().is_none() {
                return Err(invalid("it must start with http://".to_owned()));
            }
            Ok(url)
        });
        let urls: Vec<String> = urls.collect::<Result<_, _>>()?;
        Ok(Self { urls: urls.into(), asked: Arc::default() })
    }

    /// All of them.
    pub(crate) fn urls(&self) -> &[String] {
        &self.urls
    }

    /// Which is asked now.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Acquire).min(self.urls.len().saturating_sub(1))
    }

    /// The address of that.
    pub(crate) fn url(&self) -> &str {
        &self.urls[self.asked()]
    }

    /// From now on this one is asked.
    pub(crate) fn ask(&self, at: usize) {
        self.asked.store(at, Ordering::Release);
    }

    /// After an error of one that was asked: the next one is asked where that may help. Of many who say so of one
    /// server one is heard.
    pub(crate) fn failed(&self, at: usize, error: &ClientError) {
        if is_of_the_server(error) {
            let next = (at + 1) % self.urls.len();
            // Somebody else went on already.
            let asked = &self.asked;
            let _done = asked.compare_exchange(at, next, Ordering::AcqRel, Ordering::Acquire);
        }
    }
}

/// Whether another server may do what this one did not.
fn is_of_the_server(error: &ClientError) -> bool {
    matches!(error, ClientError::Unreachable { .. } | ClientError::Lost(_))
        || error.is(Code::NotReady)
        || error.is(Code::ShuttingDown)
}

#[cfg(test)]
mod tests {
    use tidings_event::{Code, Refusal};

    use super::Servers;
    use crate::ClientError;

    #[test]
    fn the_next_one_is_asked_after_a_failure() {
        let servers = Servers::read("http://a:1/, http://b:2,http://c:3").unwrap();
        assert_eq!(servers.urls(), ["http://a:1", "http://b:2", "http://c:3"]);
        let not_ready = ClientError::from(Refusal::new(Code::NotReady, "it stands by"));
        servers.failed(0, &not_ready);
        // Said by another task of the same server.
        servers.failed(0, &ClientError::Lost("reset".to_owned()));
        assert_eq!(servers.url(), "http://b:2");
        servers.failed(1, &ClientError::from(Refusal::new(Code::TopicUnknown, "no")));
        assert_eq!(servers.asked(), 1);
        servers.failed(1, &not_ready);
        servers.failed(2, &not_ready);
        assert_eq!(servers.url(), "http://a:1");
        let alone = Servers::read("http://a:1").unwrap();
        alone.failed(0, &not_ready);
        assert_eq!(alone.url(), "http://a:1");
    }

    #[test]
    fn every_address_is_checked() {
        for text in
            ["", "http://", "127.0.0.1:8080", "https://a:1", "http://a:1,", "http://a:1,b:2"]
        {
            assert!(matches!(Servers::read(text), Err(ClientError::Address { .. })), "{text}");
        }
    }
}
