//! A place in a document, and what stands there.

use std::fmt;

use super::{Document, Raw};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are JSON's")]
pub enum Kind {
    Null,
    Bool,
    Number,
    Text,
    Array,
    Object,
}

/// Characters of a value that its [`fmt::Display`] shows.
const SHOWN_MAX: usize = 60;

/// One value of a document.
#[derive(Clone, Copy)]
pub struct Node<'t> {
    document: &'t Document<'t>,
    at: u32,
}

impl<'t> Node<'t> {
    pub(super) fn at(document: &'t Document<'t>, at: u32) -> Self {
        Self { document, at }
    }

    /// Its number in the document; 0 is the document itself.
    pub(crate) fn index(self) -> u32 {
        self.at
    }

    /// Another node of the same document.
    pub(crate) fn sibling(self, index: u32) -> Self {
        Self { at: index, ..self }
    }

    fn raw(self) -> Option<&'t Raw> {
        self.document.nodes.get(self.at as usize)
    }

    fn slice(self) -> &'t str {
        let Some(raw) = self.raw() else { return "" };
        let from = if raw.escaped { self.document.unescaped } else { self.document.text };
        from.get(raw.start as usize..raw.end as usize).unwrap_or_default()
    }

    /// What it is.
    #[must_use]
    pub fn kind(self) -> Kind {
        self.raw().map_or(Kind::Null, |raw| raw.kind)
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// The string it is, without escapes.
    #[must_use]
    pub fn text(self) -> Option<&'t str> {
        (self.kind() == Kind::Text).then(|| self.slice())
    }

    /// The number it is, as it is written.
    #[must_use]
    pub fn number(self) -> Option<&'t str> {
        (self.kind() == Kind::Number).then(|| self.slice())
    }

    /// The truth value it is.
    #[must_use]
    pub fn boolean(self) -> Option<bool> {
        (self.kind() == Kind::Bool).then(|| self.slice() == "true")
    }

    /// The elements of the array it is; none where it is none.
    pub fn elements(self) -> impl Iterator<Item = Node<'t>> {
        self.children(Kind::Array)
    }

    /// Keys and values of the object it is, as they were written; none where it is none.
    pub fn members(self) -> impl Iterator<Item = (&'t str, Node<'t>)> {
        let mut children = self.children(Kind::Object);
        std::iter::from_fn(move || {
            let key = children.next()?;
            Some((key.slice(), children.next()?))
        })
    }

    /// The member of this name, unless it is `null`, which is as good as absent.
    #[must_use]
    pub fn member(self, name: &str) -> Option<Node<'t>> {
        self.members().find(|(key, _)| *key == name).map(|(_, node)| node).filter(|n| !n.is_null())
    }

    fn children(self, kind: Kind) -> impl Iterator<Item = Node<'t>> {
        let (mut at, end) = match self.raw() {
            Some(raw) if raw.kind == kind => (self.at + 1, raw.next),
            _ => (0, 0),
        };
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let child = Self { document: self.document, at };
            at = child.raw()?.next;
            Some(child)
        })
    }
}

impl fmt::Display for Node<'_> {
    /// The value for a message, shortened.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slice = self.slice();
        let shown: String = slice.chars().take(SHOWN_MAX).collect();
        let rest = if shown.len() < slice.len() { "…" } else { "" };
        match self.kind() {
            Kind::Text => write!(f, "{:?}", format!("{shown}{rest}")),
            _ => write!(f, "{shown}{rest}"),
        }
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {self}", self.kind())
    }
}
