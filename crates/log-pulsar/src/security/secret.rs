//! Text that nobody is shown.

use std::fmt;

/// A token; it is never part of what is printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// The text itself.
    pub(crate) fn exposed(&self) -> &str {
        &self.0
    }

    /// A text of somebody else, without this one in it.
    pub(crate) fn kept_from(&self, text: &str) -> String {
        if self.0.is_empty() { text.to_owned() } else { text.replace(&*self.0, "***") }
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;
    use crate::PulsarOptions;
    use crate::security::Security;

    #[test]
    fn nothing_that_is_printed_holds_it() {
        let token = Secret::from("abc.def".to_owned());
        let security = Security { token: Some(token.clone()), ..Security::default() };
        let options = PulsarOptions { security, ..PulsarOptions::default() };
        for printed in [format!("{token:?}"), format!("{options:?}"), format!("{options:#?}")] {
            assert!(printed.contains("***") && !printed.contains("abc"), "{printed}");
        }
        let echoed = token.kept_from("no such token: abc.def!");
        assert_eq!(echoed, "no such token: ***!");
        assert_eq!(Secret::from(String::new()).kept_from("as it was"), "as it was");
    }
}
