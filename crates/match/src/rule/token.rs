//! Cuts a filter's text into tokens.

use tidings_event::Refusal;
use tidings_event::json::INTEGER_MAX;

use super::refuse::invalid;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    Number(f64),
    Text(String),
    /// An operator, bracket, comma, dot, `?` or `:`.
    Symbol(&'static str),
    End,
}

/// Longer ones first, so that `<=` is not read as `<`.
const SYMBOLS: [&str; 23] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "(", ")", "[", "]", ",", ".", "?", ":", "+",
    "-", "*", "/", "%", "=",
];

/// Reads tokens one after the other.
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next token and the offset of its first byte.
    pub(super) fn next(&mut self) -> Result<(usize, Token), Refusal> {
        let rest = self.rest().trim_start_matches([' ', '\t', '\r', '\n']);
        self.at = self.text.len() - rest.len();
        let at = self.at;
        let token = match rest.chars().next() {
            None => Token::End,
            Some('"' | '\'') => self.quoted()?,
            Some('0'..='9') => self.number()?,
            Some('a'..='z' | 'A'..='Z' | '_') => self.name()?,
            Some(other) => {
                let symbol = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol));
                let symbol = symbol.ok_or_else(|| stray(at, other, rest))?;
                self.at += symbol.len();
                Token::Symbol(symbol)
            }
        };
        Ok((at, token))
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Takes what is left up to the first character that `ends`.
    fn take(&mut self, ends: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let taken = rest.get(..rest.find(ends).unwrap_or(rest.len())).unwrap_or_default();
        self.at += taken.len();
        taken
    }

    fn name(&mut self) -> Result<Token, Refusal> {
        let at = self.at;
        let name = self.take(|c| !c.is_ascii_alphanumeric() && c != '_');
        if self.rest().starts_with(['"', '\'']) {
            return Err(invalid(at, format!("`{name}` before a text is not offered"))
                .with_hint("there are no raw or byte texts: write \"…\" and escape \\ as \\\\"));
        }
        Ok(Token::Name(name.to_owned()))
    }

    fn number(&mut self) -> Result<Token, Refusal> {
        let at = self.at;
        self.take(|c| !c.is_ascii_digit());
        let mut is_whole = true;
        if self
            .rest()
            .strip_prefix('.')
            .is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit()))
        {
            is_whole = false;
            self.at += 1;
            self.take(|c| !c.is_ascii_digit());
        }
        if let Some(exponent) = self.rest().strip_prefix(['e', 'E']) {
            let signed = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if signed.starts_with(|c: char| c.is_ascii_digit()) {
                is_whole = false;
                self.at = self.text.len() - signed.len();
                self.take(|c| !c.is_ascii_digit());
            }
        }
        if self.rest().starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            return Err(invalid(self.at, "a number ends in a letter")
                .with_hint("write numbers as 30, 0.5 or 1e-3"));
        }
        let text = self.text.get(at..self.at).unwrap_or_default();
        let number: f64 = text.parse().map_err(|_| invalid(at, format!("no number: {text}")))?;
        if !number.is_finite() || (is_whole && number > INTEGER_MAX as f64) {
            return Err(invalid(at, format!("{text} is too large a number"))
                .with_hint("whole numbers reach to 2^53 - 1; write larger ones as 1e16"));
        }
        Ok(Token::Number(number))
    }

    fn quoted(&mut self) -> Result<Token, Refusal> {
        let start = self.at;
        let quote = self.rest().chars().next().unwrap_or('"');
        self.at += 1;
        let mut text = String::new();
        loop {
            text.push_str(self.take(|c| c == quote || c == '\\' || c.is_control()));
            let at = self.at;
            match self.rest().chars().next() {
                Some(end) if end == quote => {
                    self.at += 1;
                    return Ok(Token::Text(text));
                }
                Some('\\') => text.push(self.escape()?),
                Some(_) => {
                    return Err(invalid(at, "a control character in a text")
                        .with_hint("escape it: \\n, \\t or \\u0000"));
                }
                None => {
                    return Err(invalid(start, "a text that does not end")
                        .with_hint(format!("close it with {quote}")));
                }
            }
        }
    }

    /// The character that a backslash and what follows it stand for.
    fn escape(&mut self) -> Result<char, Refusal> {
        let at = self.at;
        let unknown = || {
            invalid(at, "an escape that is not offered")
                .with_hint("\\\\ \\\" \\' \\n \\r \\t, \\u and four digits, \\U and eight")
        };
        let letter = self.rest().chars().nth(1).ok_or_else(unknown)?;
        self.at += 1 + letter.len_utf8();
        let digits = match letter {
            '\\' | '"' | '\'' => return Ok(letter),
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            't' => return Ok('\t'),
            'u' => 4,
            'U' => 8,
            _ => return Err(unknown()),
        };
        let code = self.rest().get(..digits).ok_or_else(unknown)?;
        if !code.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(unknown());
        }
        self.at += digits;
        u32::from_str_radix(code, 16).ok().and_then(char::from_u32).ok_or_else(unknown)
    }
}

/// A character that no token begins with.
fn stray(at: usize, found: char, rest: &str) -> Refusal {
    let refusal = invalid(at, format!("`{}` has no meaning here", found.escape_debug()));
    match found {
        '&' | '|' => refusal.with_hint(format!("write {found}{found}")),
        '“' | '”' | '‘' | '’' => refusal.with_hint("write straight quotes: \" or '"),
        '{' => refusal.with_hint("maps are not offered"),
        '#' => refusal.with_hint("comments are not offered"),
        _ if rest.starts_with('`') => refusal.with_hint("write values[\"name\"]"),
        _ => refusal,
    }
}
