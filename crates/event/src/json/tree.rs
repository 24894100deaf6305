//! JSON text as a flat list of nodes that point into it: one pass, nothing allocated a value.
//!
//! A [`Tree`] is memory that is used again from text to text. What it read is a [`Document`], whose
//! places are [`Node`]s. Objects are their keys and values in turns; each node knows where the one
//! after it, and after all that is in it, stands.

mod lexer;
mod node;

use crate::{Code, Refusal};

pub use node::{Kind, Node};

/// Most values of one document, keys counted. Above what an event of 1 MiB can need.
const NODES_MAX: usize = 1 << 20;

/// One value's place.
#[derive(Clone, Copy, Debug)]
struct Raw {
    kind: Kind,
    /// The text is in [`Tree::unescaped`], not in the document.
    escaped: bool,
    start: u32,
    end: u32,
    /// The node after this one and all that is in it.
    next: u32,
}

/// Memory of documents, one after the other.
#[derive(Debug, Default)]
pub struct Tree {
    nodes: Vec<Raw>,
    /// The strings that have escapes, without them.
    unescaped: String,
}

/// What was read.
#[derive(Clone, Copy, Debug)]
pub struct Document<'t> {
    text: &'t str,
    nodes: &'t [Raw],
    unescaped: &'t str,
}

impl<'t> Document<'t> {
    /// The value itself.
    #[must_use]
    pub fn root(&'t self) -> Node<'t> {
        Node::at(self, 0)
    }
}

impl Tree {
    /// Reads one document, and nothing after it.
    ///
    /// # Errors
    /// The text is not JSON, repeats a key, is too deep or has too many values; with the byte.
    pub fn parse<'t>(&'t mut self, text: &'t str) -> Result<Document<'t>, Refusal> {
        let end = lexer::read(text, 0, 0, self).map_err(|fault| *fault)?;
        match lexer::skip_blanks(text, end) {
            end if end == text.len() => Ok(self.document(text)),
            end => Err(malformed(end, "trailing characters")),
        }
    }

    /// What was read from a text.
    fn document<'t>(&'t self, text: &'t str) -> Document<'t> {
        Document { text, nodes: &self.nodes, unescaped: &self.unescaped }
    }
}

/// The text of bytes.
///
/// # Errors
/// `JSON_MALFORMED` at the byte that is not UTF-8.
pub fn text(bytes: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(bytes).map_err(|error| {
        Refusal::new(Code::JsonMalformed, "invalid unicode code point")
            .at_offset(error.valid_up_to() as u64)
            .with_hint("JSON is UTF-8")
    })
}

fn malformed(at: usize, detail: &str) -> Refusal {
    Refusal::new(Code::JsonMalformed, detail).at_offset(at as u64)
}

/// The elements of an array's text one by one, each a document of its own, so that an array of any
/// length takes the memory of one element.
#[derive(Clone, Copy, Debug)]
pub struct Elements<'t> {
    text: &'t str,
    at: usize,
    /// None was read yet.
    first: bool,
}

impl<'t> Elements<'t> {
    /// The elements of the array that the text is; `None` when it is none.
    #[must_use]
    pub fn of(text: &'t str) -> Option<Self> {
        let at = lexer::skip_blanks(text, 0);
        let array = text.as_bytes().get(at) == Some(&b'[');
        array.then_some(Self { text, at: at + 1, first: true })
    }

    /// Moves to the next element; `false` at the end, with nothing but blanks after it.
    ///
    /// # Errors
    /// `JSON_MALFORMED` with the byte.
    pub fn advance(&mut self) -> Result<bool, Refusal> {
        self.at = lexer::skip_blanks(self.text, self.at);
        let first = std::mem::take(&mut self.first);
        match self.text.as_bytes().get(self.at) {
            Some(b']') => {
                let end = lexer::skip_blanks(self.text, self.at + 1);
                if end == self.text.len() {
                    Ok(false)
                } else {
                    Err(malformed(end, "trailing characters"))
                }
            }
            Some(_) if first => Ok(true),
            Some(b',') => {
                self.at = lexer::skip_blanks(self.text, self.at + 1);
                Ok(true)
            }
            Some(_) => Err(malformed(self.at, "expected `,` or `]`")),
            None => Err(malformed(self.at, "EOF while parsing a list")),
        }
    }

    /// Reads the element it stands at. The inner refusal is the element's own (a key twice, a
    /// number that is not finite, too many values): those after it can still be read.
    ///
    /// # Errors
    /// The text is not JSON from a byte on, or too deep.
    pub fn read<'d>(&mut self, tree: &'d mut Tree) -> Result<Result<Document<'d>, Refusal>, Refusal>
    where
        't: 'd,
    {
        match lexer::read(self.text, self.at, 1, tree) {
            Ok(end) => {
                self.at = end;
                Ok(Ok(tree.document(self.text)))
            }
            Err(fault) => {
                self.at = lexer::skip(self.text, self.at, 1, tree).map_err(|_| (*fault).clone())?;
                Ok(Err(*fault))
            }
        }
    }
}

#[cfg(test)]
mod tests;
