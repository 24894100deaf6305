//! What names a node, one life of it, and where it is reached.

use std::fmt;
use std::sync::Arc;

const NAME_BYTES_MAX: usize = 63;
const ADDRESS_BYTES_MAX: usize = 255;

/// A node's name: what its configuration calls it, the same in every life. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(Arc<str>);

/// A text that names no node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{shown}` cannot name a node: use 1 to 63 of a-z, 0-9, `.` and `-`, first a letter or a digit"
)]
pub struct NameError {
    /// The beginning of the text.
    pub shown: String,
}

impl NodeName {
    /// Reads a name.
    ///
    /// # Errors
    /// Too long, empty, or of other characters.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let legal =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-');
        let begins = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        if begins && text.len() <= NAME_BYTES_MAX && text.bytes().all(legal) {
            return Ok(Self(text.into()));
        }
        Err(NameError { shown: text.chars().take(80).collect() })
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One run of a node: a random number, drawn when it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Life(pub u64);

/// A node in one of its lives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    /// Which node.
    pub name: NodeName,
    /// Which run of it.
    pub life: Life,
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:x}", self.name, self.life.0)
    }
}

/// Where other nodes reach one: host and port. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address(Arc<str>);

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{shown}` is no address: write host:port, at most 255 characters, without spaces")]
pub struct AddressError {
    /// The beginning of the text.
    pub shown: String,
}

impl Address {
    /// Reads an address: a host and a port. Whether somebody is there only a call can say.
    ///
    /// # Errors
    /// It has no port, is too long, or holds what no host name does.
    pub fn new(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError { shown: text.chars().take(80).collect() };
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port_is_one = !port.starts_with('+') && port.parse::<u16>().is_ok_and(|port| port > 0);
        let host_is_one = !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic());
        if port_is_one && host_is_one && text.len() <= ADDRESS_BYTES_MAX {
            Ok(Self(text.into()))
        } else {
            Err(wrong())
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What calls to a node's life are signed with: random, told only in its beats, shown nowhere.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CallKey(pub [u8; 32]);

impl fmt::Debug for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallKey(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, CallKey, NodeName};

    #[test]
    fn names_and_addresses_are_read_or_refused() {
        for name in ["a", "node-1", "10.0.0.1", "n.example.org", &"x".repeat(63)] {
            assert_eq!(NodeName::new(name).map(|n| n.to_string()), Ok(name.to_owned()));
        }
        for name in ["", "-a", ".a", "A", "a b", "a/b", "ä", &"x".repeat(64)] {
            let error = NodeName::new(name).unwrap_err();
            assert!(error.to_string().contains("cannot name a node"), "{error}");
        }
        for address in ["localhost:1", "10.0.0.1:65535", "[::1]:8080", "n.example.org:80"] {
            assert_eq!(Address::new(address).map(|a| a.to_string()), Ok(address.to_owned()));
        }
        let long = format!("{}:80", "x".repeat(300));
        for address in ["", "localhost", ":80", "a:0", "a:65536", "a:+1", "a b:1", "a:x", &long] {
            assert!(Address::new(address).is_err(), "{address}");
        }
    }

    #[test]
    fn a_key_is_not_shown() {
        assert_eq!(format!("{:?}", CallKey([7; 32])), "CallKey(hidden)");
    }
}
