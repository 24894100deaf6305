//! From text to nodes: RFC 8259, no key twice, at most [`DEPTH_MAX`] levels, each fault with its
//! byte.

use super::{Kind, NODES_MAX, Raw, Tree};
use crate::Code;
use crate::json::parse::DEPTH_MAX;
use crate::scan::fault::{Fault, fault, join};

/// Objects of more members have their keys compared in the end, sorted.
const FEW: usize = 64;

/// Reads the value at a byte, so many levels deep; gives where it ends.
pub(super) fn read(text: &str, at: usize, depth: usize, tree: &mut Tree) -> Result<usize, Fault> {
    walk(Lexer { text, bytes: text.as_bytes(), at, tree, keep: true }, depth)
}

/// Where the value at a byte ends; nothing is kept, and only what is not JSON is a fault.
pub(super) fn skip(text: &str, at: usize, depth: usize, tree: &mut Tree) -> Result<usize, Fault> {
    walk(Lexer { text, bytes: text.as_bytes(), at, tree, keep: false }, depth)
}

fn walk(mut lexer: Lexer<'_>, depth: usize) -> Result<usize, Fault> {
    lexer.tree.nodes.clear();
    lexer.tree.unescaped.clear();
    if u32::try_from(lexer.text.len()).is_err() {
        return Err(fault(Code::BatchTooLarge, "a document has less than 4 GiB"));
    }
    lexer.blanks();
    lexer.value(depth)?;
    Ok(lexer.at)
}

/// The first byte from here on that is not blank.
pub(super) fn skip_blanks(text: &str, at: usize) -> usize {
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| is_blank(**byte)).count()
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

struct Lexer<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    tree: &'t mut Tree,
    /// Without, a value is only passed over.
    keep: bool,
}

impl Lexer<'_> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn blanks(&mut self) {
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
    }

    #[cold]
    fn malformed(&self, at: usize, detail: &str) -> Fault {
        let mut fault = fault(Code::JsonMalformed, detail);
        fault.offset = Some(at as u64);
        fault
    }

    /// The text ends, or goes on with something else.
    #[cold]
    fn unexpected(&self, expected: &str) -> Fault {
        match self.peek() {
            None => self.malformed(self.at, "EOF while parsing a value"),
            Some(_) if self.text.get(self.at..).is_some_and(|t| t.starts_with('\u{FEFF}')) => {
                let mut fault = self.malformed(self.at, "a byte order mark is not JSON");
                fault.hint = "send the text without it".to_owned();
                fault
            }
            Some(_) => self.malformed(self.at, expected),
        }
    }

    /// Puts a node of bytes `start..end` of the text; gives its index.
    #[inline]
    fn push(&mut self, kind: Kind, start: usize, end: usize) -> Result<usize, Fault> {
        if !self.keep {
            self.tree.nodes.clear();
            self.tree.unescaped.clear();
        }
        let index = self.tree.nodes.len();
        if index >= NODES_MAX {
            let mut fault = fault(Code::EventTooLarge, format!("more than {NODES_MAX} values"));
            fault.offset = Some(start as u64);
            return Err(fault);
        }
        // Both are below the text's length, which is below 4 GiB.
        let raw = Raw {
            kind,
            escaped: false,
            start: start as u32,
            end: end as u32,
            next: index as u32 + 1,
        };
        self.tree.nodes.push(raw);
        Ok(index)
    }

    fn value(&mut self, depth: usize) -> Result<(), Fault> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Kind::Bool),
            Some(b'f') => self.word("false", Kind::Bool),
            Some(b'n') => self.word("null", Kind::Null),
            _ if self.rest().starts_with("NaN") || self.rest().starts_with("Infinity") => {
                Err(self.not_finite(self.at))
            }
            _ => Err(self.unexpected("expected value")),
        }
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn word(&mut self, word: &str, kind: Kind) -> Result<(), Fault> {
        if !self.rest().starts_with(word) {
            return Err(self.malformed(self.at, "expected ident"));
        }
        self.push(kind, self.at, self.at + word.len())?;
        self.at += word.len();
        Ok(())
    }

    #[cold]
    fn not_finite(&self, at: usize) -> Fault {
        let mut fault = fault(Code::NumberNotFinite, "JSON has neither NaN nor infinities");
        fault.hint = "leave the value out and say why in `status`".to_owned();
        fault.offset = Some(at as u64);
        fault
    }

    fn number(&mut self) -> Result<(), Fault> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
            if self.rest().starts_with("Infinity") {
                return Err(self.not_finite(start));
            }
        }
        let whole = self.digits()?;
        if whole > 1 && self.bytes.get(self.at - whole) == Some(&b'0') {
            return Err(self.malformed(self.at - whole + 1, "invalid number"));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        let exponent = matches!(self.peek(), Some(b'e' | b'E'));
        if exponent {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        // Without an exponent it takes more than 308 digits to pass every double.
        if (exponent || whole > 308) && self.keep && !self.is_finite(start) {
            return Err(self.not_finite(start));
        }
        self.push(Kind::Number, start, self.at).map(drop)
    }

    fn is_finite(&self, start: usize) -> bool {
        let text = self.text.get(start..self.at).unwrap_or_default();
        text.parse::<f64>().is_ok_and(f64::is_finite)
    }

    /// At least one digit; gives how many.
    #[inline]
    fn digits(&mut self) -> Result<usize, Fault> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        match self.at - start {
            0 => Err(self.unexpected("invalid number")),
            count => Ok(count),
        }
    }

    /// Past the quote that ends the string; gives the node.
    fn string(&mut self) -> Result<usize, Fault> {
        let start = self.at + 1;
        self.at = start;
        self.plain();
        if self.peek() == Some(b'"') {
            let index = self.push(Kind::Text, start, self.at)?;
            self.at += 1;
            return Ok(index);
        }
        let index = self.push(Kind::Text, start, start)?;
        let begin = self.tree.unescaped.len();
        let mut copied = start;
        loop {
            self.tree.unescaped.push_str(self.text.get(copied..self.at).unwrap_or_default());
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(_) => {
                    let detail = "control character (\\u0000-\\u001F) found while parsing a string";
                    return Err(self.malformed(self.at, detail));
                }
                None => return Err(self.malformed(self.at, "EOF while parsing a string")),
            }
            copied = self.at;
            self.plain();
        }
        self.at += 1;
        let end = self.tree.unescaped.len();
        if let Some(raw) = self.tree.nodes.get_mut(index) {
            (raw.escaped, raw.start, raw.end) = (true, begin as u32, end as u32);
        }
        Ok(index)
    }

    /// Past the characters that stand for themselves.
    #[inline]
    fn plain(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let plain = |byte: &u8| *byte >= 0x20 && *byte != b'"' && *byte != b'\\';
        self.at += rest.iter().take_while(|byte| plain(byte)).count();
    }

    fn escape(&mut self) -> Result<(), Fault> {
        let start = self.at;
        self.at += 1;
        let plain = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{C}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let read = self.unicode(start)?;
                self.tree.unescaped.push(read);
                return Ok(());
            }
            _ => return Err(self.unexpected("invalid escape")),
        };
        self.at += 1;
        self.tree.unescaped.push(plain);
        Ok(())
    }

    /// The character of `\uXXXX`, or of two that are a surrogate pair.
    fn unicode(&mut self, start: usize) -> Result<char, Fault> {
        let high = self.hex()?;
        let lone = |lexer: &Self| lexer.malformed(start, "lone surrogate in a \\u escape");
        if !(0xD800..0xDC00).contains(&high) {
            return char::from_u32(high).ok_or_else(|| lone(self));
        }
        if !self.rest().starts_with("\\u") {
            return Err(lone(self));
        }
        self.at += 1;
        let low = self.hex()?;
        if !(0xDC00..0xE000).contains(&low) {
            return Err(lone(self));
        }
        let both = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
        char::from_u32(both).ok_or_else(|| lone(self))
    }

    /// The four digits after the `u` it stands at.
    fn hex(&mut self) -> Result<u32, Fault> {
        self.at += 1;
        let digits = self.text.get(self.at..self.at + 4).unwrap_or_default();
        let hex = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u32::from_str_radix(digits, 16).ok().filter(|_| hex);
        let number = number.ok_or_else(|| self.malformed(self.at, "invalid escape"))?;
        self.at += 4;
        Ok(number)
    }

    /// One level deeper.
    fn enter(&self, depth: usize) -> Result<usize, Fault> {
        if depth < DEPTH_MAX {
            return Ok(depth + 1);
        }
        let detail = format!("more than {DEPTH_MAX} arrays and objects in each other");
        let mut fault = fault(Code::DepthExceeded, detail);
        fault.offset = Some(self.at as u64);
        Err(fault)
    }

    fn array(&mut self, depth: usize) -> Result<(), Fault> {
        let inner = self.enter(depth)?;
        let node = self.push(Kind::Array, self.at, self.at)?;
        let mut count = 0usize;
        self.at += 1;
        self.blanks();
        while self.peek() != Some(b']') {
            if count > 0 {
                self.comma("expected `,` or `]`", b']')?;
            }
            self.value(inner).map_err(|fault| under(fault, &format_args!("[{count}]")))?;
            count += 1;
            self.blanks();
        }
        self.close(node);
        Ok(())
    }

    /// Past a comma that something follows.
    #[inline]
    fn comma(&mut self, expected: &str, end: u8) -> Result<(), Fault> {
        if self.peek() != Some(b',') {
            return Err(self.unexpected(expected));
        }
        self.at += 1;
        self.blanks();
        if self.peek() == Some(end) {
            return Err(self.malformed(self.at, "trailing comma"));
        }
        Ok(())
    }

    fn close(&mut self, node: usize) {
        self.at += 1;
        let next = self.tree.nodes.len() as u32;
        if let Some(raw) = self.tree.nodes.get_mut(node) {
            (raw.next, raw.end) = (next, self.at as u32);
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), Fault> {
        let inner = self.enter(depth)?;
        let node = self.push(Kind::Object, self.at, self.at)?;
        let (mut count, mut seen) = (0usize, 0u64);
        self.at += 1;
        self.blanks();
        while self.peek() != Some(b'}') {
            if count > 0 {
                self.comma("expected `,` or `}`", b'}')?;
            }
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("key must be a string"));
            }
            let key = self.string()?;
            let bit = 1 << mark(self.key(key));
            if seen & bit != 0 && count < FEW && self.keep {
                self.unlike_earlier(node + 1, key)?;
            }
            seen |= bit;
            count += 1;
            self.blanks();
            if self.peek() != Some(b':') {
                return Err(self.unexpected("expected `:`"));
            }
            self.at += 1;
            self.blanks();
            self.value(inner).map_err(|fault| under(fault, &self.key(key)))?;
            self.blanks();
        }
        if count > FEW && self.keep {
            self.all_unlike(node + 1)?;
        }
        self.close(node);
        Ok(())
    }

    fn key(&self, node: usize) -> &str {
        let Some(raw) = self.tree.nodes.get(node) else { return "" };
        let from = if raw.escaped { &self.tree.unescaped } else { self.text };
        from.get(raw.start as usize..raw.end as usize).unwrap_or_default()
    }

    /// The keys of an object from its first one on.
    fn keys(&self, first: usize, end: usize) -> impl Iterator<Item = usize> {
        let mut key = first;
        std::iter::from_fn(move || {
            let this = key;
            if this >= end {
                return None;
            }
            key = self.tree.nodes.get(this + 1).map_or(end, |value| value.next as usize);
            Some(this)
        })
    }

    /// Refuses a key that is one of those before it.
    fn unlike_earlier(&self, first: usize, key: usize) -> Result<(), Fault> {
        let name = self.key(key);
        match self.keys(first, key).any(|earlier| self.key(earlier) == name) {
            true => Err(repeated(name, self.at - 1)),
            false => Ok(()),
        }
    }

    /// Refuses an object of many members that has a key twice.
    fn all_unlike(&self, first: usize) -> Result<(), Fault> {
        let end = self.tree.nodes.len();
        let mut names: Vec<&str> = self.keys(first, end).map(|key| self.key(key)).collect();
        names.sort_unstable();
        let twice = names.windows(2).find(|pair| pair.first() == pair.last());
        twice.and_then(|pair| pair.first()).map_or(Ok(()), |name| Err(repeated(name, self.at)))
    }
}

/// Which of 64 marks a key has: unlike marks, unlike keys.
#[inline]
fn mark(key: &str) -> u32 {
    let byte = |byte: Option<&u8>| byte.map_or(0, |byte| u32::from(*byte));
    let bytes = key.as_bytes();
    let mixed = byte(bytes.first()) * 7 + byte(bytes.last()) * 31 + bytes.len() as u32;
    mixed % 64
}

#[cold]
fn repeated(key: &str, at: usize) -> Fault {
    let mut fault = fault(Code::FieldRepeated, "the key stands there twice");
    fault.field = key.chars().take(200).collect();
    fault.offset = Some(at as u64);
    fault
}

/// Puts the path of a fault that has one under one more level.
#[cold]
fn under(mut fault: Fault, outer: &dyn std::fmt::Display) -> Fault {
    if matches!(fault.code, Code::FieldRepeated | Code::DepthExceeded) {
        fault.field = join(&outer.to_string(), &fault.field);
    }
    fault
}
