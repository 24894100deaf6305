//! A filter whose names and types are known: what is evaluated.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use super::schema::{Choices, Entry, Figures, Part, Type};
use super::syntax::{Comparison, Math};

/// Something that is true or false of an event.
#[derive(Clone, Debug)]
pub(super) enum Test {
    Constant(bool),
    Not(Box<Test>),
    All(Vec<Test>),
    Any(Vec<Test>),
    Choice(Box<[Test; 3]>),
    Compare(Comparison, Operand, Operand),
    /// The operand is one of these; `==` with a constant is a set of one.
    OneOf(Operand, Set),
    /// The list has this text.
    Holds(Operand, Operand),
    /// What is left of the operator begins with, ends with or contains the right.
    Affix(Affix, Operand, Operand),
    Present(Name),
    /// The flag is there and says this.
    Is(Name, bool),
}

impl Test {
    /// Every name in it.
    pub(super) fn names(&self) -> Vec<&Name> {
        match self {
            Self::Constant(_) => Vec::new(),
            Self::Not(of) => of.names(),
            Self::All(tests) | Self::Any(tests) => tests.iter().flat_map(Self::names).collect(),
            Self::Choice(parts) => parts.iter().flat_map(Self::names).collect(),
            Self::Compare(_, left, right)
            | Self::Affix(_, left, right)
            | Self::Holds(left, right) => [left.names(), right.names()].concat(),
            Self::OneOf(operand, _) => operand.names(),
            Self::Present(name) | Self::Is(name, _) => vec![name],
        }
    }
}

impl Operand {
    fn names(&self) -> Vec<&Name> {
        match self {
            Self::Name(name) => vec![name],
            Self::Constant(_) => Vec::new(),
            Self::Math(_, left, right) => [left.names(), right.names()].concat(),
            Self::Negated(of) | Self::Size(of) | Self::LowerAscii(of) => of.names(),
        }
    }
}

/// How one text is looked for in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Affix {
    Starts,
    Ends,
    Contains,
}

impl Affix {
    /// Every one with its name as a function.
    pub(super) const ALL: [(Self, &'static str); 3] =
        [(Self::Starts, "startsWith"), (Self::Ends, "endsWith"), (Self::Contains, "contains")];

    /// As it is written.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Starts => "startsWith",
            Self::Ends => "endsWith",
            Self::Contains => "contains",
        }
    }
}

/// Something that has a value, or is absent.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    Name(Name),
    Constant(Constant),
    Math(Math, Box<Operand>, Box<Operand>),
    Negated(Box<Operand>),
    Size(Box<Operand>),
    LowerAscii(Box<Operand>),
}

/// A name in an event.
#[derive(Clone, Debug)]
pub(super) enum Name {
    Entry(&'static Entry),
    Label(Box<str>),
    Value(Box<str>, &'static Part),
    Figure(&'static Figures, Box<str>),
}

impl Name {
    pub(super) fn of(&self) -> Type {
        match self {
            Self::Entry(entry) => entry.of,
            Self::Label(_) => Type::Text,
            Self::Value(_, part) => part.of,
            Self::Figure(..) => Type::Number,
        }
    }
}

/// A value that stands in the filter.
#[derive(Clone, Debug)]
pub(super) enum Constant {
    Bool(bool),
    Number(f64),
    Text(Arc<str>),
    /// Nanoseconds since 1970.
    Time(i128),
    /// Nanoseconds.
    Duration(i128),
    Id([u8; 16]),
    Choice(&'static Choices, u8),
}

impl Constant {
    pub(super) fn of(&self) -> Type {
        match self {
            Self::Bool(_) => Type::Bool,
            Self::Number(_) => Type::Number,
            Self::Text(_) => Type::Text,
            Self::Time(_) => Type::Time,
            Self::Duration(_) => Type::Duration,
            Self::Id(_) => Type::Id,
            Self::Choice(choices, _) => Type::Choice(choices),
        }
    }

    /// Order among constants of one type.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Time(a), Self::Time(b)) | (Self::Duration(a), Self::Duration(b)) => a.cmp(b),
            (Self::Id(a), Self::Id(b)) => a.cmp(b),
            (Self::Choice(_, a), Self::Choice(_, b)) => a.cmp(b),
            _ => Ordering::Equal,
        }
    }
}

/// Constants of one type, none twice.
#[derive(Clone, Debug)]
pub(super) struct Set {
    /// In their order.
    sorted: Vec<Constant>,
    /// The same, where they are many texts.
    texts: HashSet<Arc<str>>,
}

/// From this many texts on a set is hashed.
const HASHED_FROM: usize = 16;

impl Set {
    pub(super) fn new(mut constants: Vec<Constant>) -> Self {
        constants.sort_by(Constant::order);
        constants.dedup_by(|a, b| a.order(b).is_eq());
        let texts = if constants.len() < HASHED_FROM {
            HashSet::new()
        } else {
            let text = |constant: &Constant| match constant {
                Constant::Text(text) => Some(text.clone()),
                _ => None,
            };
            constants.iter().filter_map(text).collect()
        };
        Self { sorted: constants, texts }
    }

    /// In their order.
    pub(super) fn constants(&self) -> &[Constant] {
        &self.sorted
    }

    pub(super) fn has_text(&self, wanted: &str) -> bool {
        if !self.texts.is_empty() {
            return self.texts.contains(wanted);
        }
        self.has(|constant| match constant {
            Constant::Text(text) => (**text).cmp(wanted),
            _ => Ordering::Less,
        })
    }

    /// Whether there is one that `order` calls equal, it being their order against what is sought.
    pub(super) fn has(&self, order: impl FnMut(&Constant) -> Ordering) -> bool {
        match self.sorted.as_slice() {
            [one] => {
                let mut order = order;
                order(one).is_eq()
            }
            many => many.binary_search_by(order).is_ok(),
        }
    }
}
