//! What `event.proto` says, as tables: the scanner checks payloads by them, and JSON is read and
//! written by them, so that no message needs code of its own.
//!
//! A test holds the tables against the descriptors generated from the `.proto` file.

mod avro;
mod json_schema;
mod tables;

pub use avro::avro_schema;
pub use json_schema::json_schemas;
pub(crate) use tables::EVENT;

/// What a field's value is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    Bool,
    Uint32,
    /// At most 2^53 - 1.
    Uint64,
    /// fixed64 nanoseconds since 1970.
    Time,
    Double,
    Float,
    Text,
    /// Hexadecimal in JSON.
    Bytes,
    /// 16 bytes; a UUID in JSON.
    Id,
    Enum(&'static Enum),
    Message(&'static Message),
}

/// How often a field may stand, and when it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    /// Once; the zero value is not written.
    Plain,
    /// Once; written when present, zero or not. Sub-messages are always this.
    Optional,
    /// Any number of times.
    Repeated,
    /// Repeated entries of key and value.
    Map,
}

/// Which numbers a double may hold, being finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Range {
    Any,
    /// 0..=1
    Unit,
    /// -1..=1
    Signed,
}

/// How a message is spelled in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Object,
    /// As the array that its only field is.
    Only,
    /// As a bare number when nothing but its first field is set.
    Bare,
    /// A member of the object that its map is.
    Entry,
}

/// What must hold across the fields of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    Free,
    /// An indicator: its name is of the grammar.
    Named,
    /// No value without a reason.
    Reasoned,
    /// Field 1 has at least one element.
    Elements,
    /// Field 1 is a string that is not empty.
    Typed,
}

/// An enum's names by number.
#[derive(Debug)]
pub(crate) struct Enum {
    pub name: &'static str,
    pub names: &'static [(i32, &'static str)],
}

impl Enum {
    pub(crate) fn name_of(&self, number: i32) -> Option<&'static str> {
        self.names.iter().find(|(n, _)| *n == number).map(|(_, name)| *name)
    }

    pub(crate) fn number_of(&self, name: &str) -> Option<i32> {
        self.names.iter().find(|(_, n)| *n == name).map(|(number, _)| *number)
    }
}

/// One field of a message.
#[derive(Debug)]
pub(crate) struct Field {
    pub number: u32,
    pub name: &'static str,
    pub label: Label,
    pub shape: Shape,
    pub range: Range,
}

impl Field {
    /// Whether a second occurrence is a fault.
    pub(crate) fn is_singular(&self) -> bool {
        matches!(self.label, Label::Plain | Label::Optional)
    }
}

/// One message.
#[derive(Debug)]
pub(crate) struct Message {
    pub name: &'static str,
    pub form: Form,
    pub rule: Rule,
    /// In number order.
    pub fields: &'static [Field],
}

impl Message {
    /// The field of this number. Payload messages number their fields from 1 without a hole, so
    /// the first look finds them.
    #[inline]
    pub(crate) fn field(&self, number: u32) -> Option<&'static Field> {
        let guess = self.fields.get((number as usize).wrapping_sub(1));
        guess
            .filter(|f| f.number == number)
            .or_else(|| self.fields.iter().find(|f| f.number == number))
    }

    pub(crate) fn named(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|f| f.name == name)
    }
}

#[cfg(test)]
pub(crate) mod tests;
