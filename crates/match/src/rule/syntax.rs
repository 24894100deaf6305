//! What a filter's text says, before anything is known of names and types.

/// One part of a filter, and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    /// Offset of its first byte in the text.
    pub at: usize,
    /// Levels of nodes in it, itself one.
    pub depth: usize,
    pub syntax: Syntax,
}

#[derive(Debug)]
pub(super) enum Syntax {
    Bool(bool),
    Number(f64),
    Text(String),
    Name(String),
    /// `of.name`
    Select(Box<Node>, Word),
    /// `of["key"]`
    Index(Box<Node>, Box<Node>),
    /// `name(arguments)`, or `target.name(arguments)`.
    Call(Word, Option<Box<Node>>, Vec<Node>),
    List(Vec<Node>),
    Not(Box<Node>),
    Minus(Box<Node>),
    /// `a && b && …`
    All(Vec<Node>),
    /// `a || b || …`
    Any(Vec<Node>),
    Binary(Binary, Box<Node>, Box<Node>),
    /// `a ? b : c`
    Choice(Box<[Node; 3]>),
}

/// A name that follows a dot or stands before a parenthesis.
#[derive(Debug)]
pub(super) struct Word {
    pub at: usize,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Compare(Comparison),
    In,
    Math(Math),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Comparison {
    /// As it is written.
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
        }
    }

    /// The one that says the same with its sides exchanged.
    pub(super) fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::More,
            Self::AtMost => Self::AtLeast,
            Self::More => Self::Less,
            Self::AtLeast => Self::AtMost,
            same => same,
        }
    }

    /// Whether it asks for more than equality.
    pub(super) fn is_ordering(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }

    /// Whether values that stand in this order pass.
    pub(super) fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::More => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

/// Arithmetic of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Math {
    Plus,
    Minus,
    Times,
    Over,
}

impl Math {
    /// As it is written.
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Self::Plus => "+",
            Self::Minus => "-",
            Self::Times => "*",
            Self::Over => "/",
        }
    }

    /// How tightly it binds: products above sums.
    pub(super) fn binding(self) -> u8 {
        match self {
            Self::Plus | Self::Minus => 4,
            Self::Times | Self::Over => 5,
        }
    }
}

impl Node {
    /// The nodes directly below.
    fn children(syntax: &Syntax) -> Vec<&Self> {
        match syntax {
            Syntax::Bool(_) | Syntax::Number(_) | Syntax::Text(_) | Syntax::Name(_) => Vec::new(),
            Syntax::Select(of, _) => vec![of],
            Syntax::Index(of, index) => vec![of, index],
            Syntax::Call(_, target, arguments) => {
                target.iter().map(|target| &**target).chain(arguments).collect()
            }
            Syntax::List(nodes) | Syntax::All(nodes) | Syntax::Any(nodes) => nodes.iter().collect(),
            Syntax::Not(of) | Syntax::Minus(of) => vec![of],
            Syntax::Binary(_, left, right) => vec![left, right],
            Syntax::Choice(parts) => parts.iter().collect(),
        }
    }

    /// A node over its parts.
    pub(super) fn new(at: usize, syntax: Syntax) -> Self {
        let below = Self::children(&syntax).iter().map(|node| node.depth).max().unwrap_or(0);
        Self { at, depth: below + 1, syntax }
    }
}
