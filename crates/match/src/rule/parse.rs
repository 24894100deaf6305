//! Reads a filter's text by the grammar of `docs/spec/rules.md`, which is a part of CEL's:
//! <https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax>.
//!
//! Chains of `&&` and `||` are one node each however long they are; everything else is bounded in
//! depth, so that nobody who walks the result runs out of stack.

use tidings_event::Refusal;

use super::refuse::invalid;
use super::syntax::{Binary, Comparison, Math, Node, Syntax, Word};
use super::token::{Token, Tokens};

/// Most bytes of a filter's text.
pub(super) const TEXT_MAX: usize = 128 * 1024;
/// Most levels that expressions stand inside one another.
pub(super) const DEPTH_MAX: usize = 64;
/// Most elements of a list.
pub(super) const ELEMENTS_MAX: usize = 10_000;

/// Reads a text.
pub(super) fn parse(text: &str) -> Result<Node, Refusal> {
    if text.len() > TEXT_MAX {
        let detail = format!("{} bytes are more than {TEXT_MAX}", text.len());
        return Err(invalid(TEXT_MAX, detail).with_hint("use several subscriptions"));
    }
    let mut tokens = Tokens::new(text);
    let next = tokens.next()?;
    let mut parser = Parser { tokens, next, level: 0 };
    let node = parser.expression()?;
    match parser.next {
        (_, Token::End) => Ok(node),
        (at, token) => Err(expected(at, &token, "an operator or the end")),
    }
}

struct Parser<'a> {
    tokens: Tokens<'a>,
    next: (usize, Token),
    level: usize,
}

impl Parser<'_> {
    fn advance(&mut self) -> Result<(usize, Token), Refusal> {
        let next = self.tokens.next()?;
        Ok(std::mem::replace(&mut self.next, next))
    }

    /// Takes the symbol if it is the next token.
    fn take(&mut self, symbol: &str) -> Result<bool, Refusal> {
        let is_next = matches!(&self.next.1, Token::Symbol(s) if *s == symbol);
        if is_next {
            self.advance()?;
        }
        Ok(is_next)
    }

    fn expect(&mut self, symbol: &str) -> Result<(), Refusal> {
        if self.take(symbol)? {
            return Ok(());
        }
        Err(expected(self.next.0, &self.next.1, &format!("`{symbol}`")))
    }

    fn node(&self, at: usize, syntax: Syntax) -> Result<Node, Refusal> {
        let node = Node::new(at, syntax);
        if node.depth > DEPTH_MAX { Err(too_deep(at)) } else { Ok(node) }
    }

    /// Reads one level further in.
    fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        if self.level >= DEPTH_MAX {
            return Err(too_deep(self.next.0));
        }
        self.level += 1;
        let result = read(self);
        self.level -= 1;
        result
    }

    fn expression(&mut self) -> Result<Node, Refusal> {
        self.deeper(|parser| {
            let condition = parser.any()?;
            if !parser.take("?")? {
                return Ok(condition);
            }
            let at = condition.at;
            let yes = parser.any()?;
            parser.expect(":")?;
            let no = parser.expression()?;
            parser.node(at, Syntax::Choice(Box::new([condition, yes, no])))
        })
    }

    fn any(&mut self) -> Result<Node, Refusal> {
        self.chain("||", Self::all, Syntax::Any)
    }

    fn all(&mut self) -> Result<Node, Refusal> {
        self.chain("&&", |parser| parser.relation(), Syntax::All)
    }

    /// One or more of a kind with a symbol between.
    fn chain(
        &mut self,
        symbol: &str,
        read: impl Fn(&mut Self) -> Result<Node, Refusal>,
        join: fn(Vec<Node>) -> Syntax,
    ) -> Result<Node, Refusal> {
        let first = read(self)?;
        if !self.take(symbol)? {
            return Ok(first);
        }
        let at = first.at;
        let mut nodes = vec![first, read(self)?];
        while self.take(symbol)? {
            nodes.push(read(self)?);
        }
        self.node(at, join(nodes))
    }

    fn relation(&mut self) -> Result<Node, Refusal> {
        let mut left = self.sum(4)?;
        loop {
            let op = match &self.next.1 {
                Token::Symbol("==") => Binary::Compare(Comparison::Equal),
                Token::Symbol("!=") => Binary::Compare(Comparison::NotEqual),
                Token::Symbol("<") => Binary::Compare(Comparison::Less),
                Token::Symbol("<=") => Binary::Compare(Comparison::AtMost),
                Token::Symbol(">") => Binary::Compare(Comparison::More),
                Token::Symbol(">=") => Binary::Compare(Comparison::AtLeast),
                Token::Name(name) if name == "in" => Binary::In,
                Token::Symbol("=") => {
                    return Err(invalid(self.next.0, "`=` is no operator").with_hint("write =="));
                }
                _ => return Ok(left),
            };
            self.advance()?;
            let right = self.sum(4)?;
            left = self.node(left.at, Syntax::Binary(op, Box::new(left), Box::new(right)))?;
        }
    }

    /// Arithmetic whose operators bind at least this tightly.
    fn sum(&mut self, binding: u8) -> Result<Node, Refusal> {
        let mut left = self.unary()?;
        loop {
            let op = match &self.next.1 {
                Token::Symbol("+") => Math::Plus,
                Token::Symbol("-") => Math::Minus,
                Token::Symbol("*") => Math::Times,
                Token::Symbol("/") => Math::Over,
                Token::Symbol("%") => {
                    return Err(invalid(self.next.0, "`%` is not offered")
                        .with_hint("there are + - * and /"));
                }
                _ => return Ok(left),
            };
            if op.binding() < binding {
                return Ok(left);
            }
            self.advance()?;
            let right = self.sum(op.binding() + 1)?;
            let syntax = |left| Syntax::Binary(Binary::Math(op), Box::new(left), Box::new(right));
            left = self.node(left.at, syntax(left))?;
        }
    }

    fn unary(&mut self) -> Result<Node, Refusal> {
        let at = self.next.0;
        if self.take("!")? {
            let of = self.deeper(Self::unary)?;
            return self.node(at, Syntax::Not(Box::new(of)));
        }
        if self.take("-")? {
            let of = self.deeper(Self::unary)?;
            return self.node(at, Syntax::Minus(Box::new(of)));
        }
        self.member()
    }

    /// A primary and the dots, brackets and calls after it.
    fn member(&mut self) -> Result<Node, Refusal> {
        let mut node = self.primary()?;
        loop {
            let at = node.at;
            if self.take(".")? {
                let word = match self.advance()? {
                    (at, Token::Name(text)) => Word { at, text },
                    (at, token) => return Err(expected(at, &token, "a name")),
                };
                let syntax = if self.take("(")? {
                    Syntax::Call(word, Some(Box::new(node)), self.elements(")")?)
                } else {
                    Syntax::Select(Box::new(node), word)
                };
                node = self.node(at, syntax)?;
            } else if self.take("[")? {
                let index = self.expression()?;
                self.expect("]")?;
                node = self.node(at, Syntax::Index(Box::new(node), Box::new(index)))?;
            } else {
                return Ok(node);
            }
        }
    }

    fn primary(&mut self) -> Result<Node, Refusal> {
        let (at, token) = self.advance()?;
        let syntax = match token {
            Token::Number(number) => Syntax::Number(number),
            Token::Text(text) => Syntax::Text(text),
            Token::Name(name) => match name.as_str() {
                "true" => Syntax::Bool(true),
                "false" => Syntax::Bool(false),
                "null" => {
                    return Err(invalid(at, "`null` is not offered")
                        .with_hint("has(…) tells whether something is there"));
                }
                "in" | "not" | "and" | "or" => {
                    return Err(expected(at, &Token::Name(name), "a value or a condition"));
                }
                _ if self.take("(")? => {
                    Syntax::Call(Word { at, text: name }, None, self.elements(")")?)
                }
                _ => Syntax::Name(name),
            },
            Token::Symbol("(") => {
                let inner = self.expression()?;
                self.expect(")")?;
                // A level of parentheses leaves nothing behind but where it began.
                return Ok(Node { at, ..inner });
            }
            Token::Symbol("[") => Syntax::List(self.elements("]")?),
            token => return Err(expected(at, &token, "a value or a condition")),
        };
        self.node(at, syntax)
    }

    /// Expressions with commas between, up to the closing bracket.
    fn elements(&mut self, close: &str) -> Result<Vec<Node>, Refusal> {
        let mut elements = Vec::new();
        while !self.take(close)? {
            if elements.len() >= ELEMENTS_MAX {
                return Err(invalid(self.next.0, format!("more than {ELEMENTS_MAX} elements")));
            }
            elements.push(self.expression()?);
            if !self.take(",")? {
                self.expect(close)?;
                break;
            }
        }
        Ok(elements)
    }
}

fn too_deep(at: usize) -> Refusal {
    invalid(at, format!("nested deeper than {DEPTH_MAX} levels"))
        .with_hint("&& and || may be as long as you like; lists go into in [...]")
}

fn expected(at: usize, found: &Token, wanted: &str) -> Refusal {
    let refusal = match found {
        Token::End => return invalid(at, format!("the text ends where {wanted} should stand")),
        Token::Name(name) => invalid(at, format!("{wanted} should stand where `{name}` does")),
        Token::Number(number) => invalid(at, format!("{wanted} should stand where {number} does")),
        Token::Text(_) => invalid(at, format!("{wanted} should stand where a text does")),
        Token::Symbol(symbol) => {
            invalid(at, format!("{wanted} should stand where `{symbol}` does"))
        }
    };
    match found {
        Token::Name(name) if matches!(name.to_lowercase().as_str(), "and" | "or" | "not") => {
            refusal.with_hint("write && for and, || for or, ! for not")
        }
        _ => refusal,
    }
}
