//! The members of an object, each read as what it must be and refused with its whole path.

use tidings_event::json::INTEGER_MAX;
use tidings_event::json::tree::{Kind, Node};
use tidings_event::{Code, Refusal, Timestamp, json};

/// What an object is called by the one it is in.
#[derive(Clone, Copy, Debug)]
enum Name<'a> {
    Member(&'a str),
    Element(&'a str, usize),
}

/// An object and where it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    node: Node<'a>,
    outer: Option<(&'a Fields<'a>, Name<'a>)>,
}

impl<'a> Fields<'a> {
    /// The outermost object.
    pub(crate) fn of(node: Node<'a>) -> Result<Self, Refusal> {
        let fields = Self { node, outer: None };
        if node.kind() == Kind::Object { Ok(fields) } else { Err(fields.expected("", "an object")) }
    }

    /// Refuses a member that is not one of these.
    pub(crate) fn only(self, known: &[&str]) -> Result<Self, Refusal> {
        let Some((key, _)) = self.node.members().find(|(key, _)| !known.contains(key)) else {
            return Ok(self);
        };
        let key: String = key.chars().take(200).collect();
        let hint = json::did_you_mean(&key, known.iter().copied());
        let refusal = Refusal::new(Code::FieldUnknown, "this shape has no such member");
        Err(refusal.at_field(self.path(&key)).with_hint(hint))
    }

    fn path(&self, name: &str) -> String {
        let own = match self.outer {
            None => String::new(),
            Some((outer, Name::Member(own))) => outer.path(own),
            Some((outer, Name::Element(own, index))) => {
                format!("{}[{index}]", outer.path(own))
            }
        };
        let dot = if own.is_empty() || name.is_empty() { "" } else { "." };
        format!("{own}{dot}{name}")
    }

    /// The refusal of a member's value.
    pub(crate) fn invalid(&self, name: &str, detail: impl Into<String>) -> Refusal {
        Refusal::new(Code::FieldInvalid, detail).at_field(self.path(name))
    }

    /// The refusal of a member that is not there.
    pub(crate) fn missing(&self, name: &str, detail: &str) -> Refusal {
        Refusal::new(Code::FieldMissing, detail).at_field(self.path(name))
    }

    /// Puts a refusal's path under a member.
    pub(crate) fn within(&self, name: &str, refusal: Refusal) -> Refusal {
        let dot = if refusal.field.is_empty() || refusal.field.starts_with('[') { "" } else { "." };
        let field = format!("{}{dot}{}", self.path(name), refusal.field);
        refusal.at_field(field)
    }

    fn expected(&self, name: &str, what: &str) -> Refusal {
        self.invalid(name, format!("{what} is expected"))
    }

    /// A member that is there and not `null`.
    pub(crate) fn node(&self, name: &str) -> Option<Node<'a>> {
        self.node.member(name)
    }

    /// A member under one of two spellings, of which one may be there.
    pub(crate) fn either(&self, one: &'a str, other: &'a str) -> Result<&'a str, Refusal> {
        match (self.node(one).is_some(), self.node(other).is_some()) {
            (true, true) => {
                let detail = format!("`{one}` and `{other}` are one member");
                Err(Refusal::new(Code::FieldRepeated, detail).at_field(self.path(other)))
            }
            (false, true) => Ok(other),
            _ => Ok(one),
        }
    }

    fn read<T>(
        &self,
        name: &str,
        what: &str,
        read: impl FnOnce(Node<'a>) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        let Some(node) = self.node(name) else { return Ok(None) };
        read(node).map(Some).ok_or_else(|| self.expected(name, what))
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, Refusal> {
        self.read(name, "a string", Node::text)
    }

    /// A string, empty where there is none.
    pub(crate) fn string(&self, name: &str) -> Result<String, Refusal> {
        Ok(self.text(name)?.unwrap_or_default().to_owned())
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<f64>, Refusal> {
        self.read(name, "a number", number)
    }

    /// A number of 0 to 100 as one of 0 to 1.
    pub(crate) fn percent(&self, name: &str) -> Result<Option<f64>, Refusal> {
        let percent = self.number(name)?;
        match percent {
            Some(number) if !(0.0..=100.0).contains(&number) => {
                Err(self.expected(name, "a percentage of 0 to 100"))
            }
            percent => Ok(percent.map(|number| number / 100.0)),
        }
    }

    pub(crate) fn whole(&self, name: &str) -> Result<Option<u32>, Refusal> {
        self.read(name, "a whole number", |node| {
            let number: u64 = node.number().or_else(|| node.text())?.parse().ok()?;
            u32::try_from(number.min(INTEGER_MAX)).ok()
        })
    }

    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        self.read(name, "true or false", Node::boolean)
    }

    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, Refusal> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|error| {
            let shown: String = text.chars().take(40).collect();
            self.invalid(name, format!("`{shown}` is {error}"))
        })
    }

    /// A list of strings; empty where there is none.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, Refusal> {
        let texts = self.elements(name)?.map(|(index, node)| {
            let text = node.text().map(str::to_owned);
            text.ok_or_else(|| self.expected(&format!("{name}[{index}]"), "a string"))
        });
        texts.collect()
    }

    /// The elements of a list; none where there is none.
    pub(crate) fn elements(
        &self,
        name: &str,
    ) -> Result<impl Iterator<Item = (usize, Node<'a>)> + use<'a>, Refusal> {
        let list = self.read(name, "an array", |n| (n.kind() == Kind::Array).then_some(n))?;
        Ok(list.into_iter().flat_map(Node::elements).enumerate())
    }

    /// Keys and values of the object itself.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&'a str, Node<'a>)> {
        self.node.members()
    }

    /// An object that is a member.
    pub(crate) fn object(&'a self, name: &'a str) -> Result<Option<Fields<'a>>, Refusal> {
        let object = |n: Node<'a>| (n.kind() == Kind::Object).then_some(n);
        let node = self.read(name, "an object", object)?;
        Ok(node.map(|node| Fields { node, outer: Some((self, Name::Member(name))) }))
    }

    /// An object that is an element of the list `name`.
    pub(crate) fn element(
        &'a self,
        name: &'a str,
        (index, node): (usize, Node<'a>),
    ) -> Result<Fields<'a>, Refusal> {
        let fields = Fields { node, outer: Some((self, Name::Element(name, index))) };
        if node.kind() == Kind::Object { Ok(fields) } else { Err(fields.expected("", "an object")) }
    }
}

/// A node's number.
pub(crate) fn number(node: Node<'_>) -> Option<f64> {
    node.number()?.parse().ok()
}
