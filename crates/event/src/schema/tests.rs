//! The tables say what `event.proto` says, and the golden events use every field of them.

use std::collections::BTreeSet;

use prost::Message as _;
use prost_types::field_descriptor_proto::{Label as Repetition, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet};

use super::*;
use crate::scan::reader::{Reader, Wire};

/// The descriptors of `event.proto`.
pub(crate) fn descriptors() -> FileDescriptorSet {
    FileDescriptorSet::decode(crate::v1::EVENT_DESCRIPTORS).unwrap()
}

/// A message by its name within the package, an entry as `Event.LabelsEntry`.
pub(crate) fn descriptor<'a>(files: &'a FileDescriptorSet, name: &str) -> &'a DescriptorProto {
    let mut parts = name.split('.');
    let outer = parts.next().unwrap();
    let mut found = files.file[0].message_type.iter().find(|m| m.name() == outer).unwrap();
    for inner in parts {
        found = found.nested_type.iter().find(|m| m.name() == inner).unwrap();
    }
    found
}

/// A type's name within the package.
pub(crate) fn type_name(field: &FieldDescriptorProto) -> &str {
    field.type_name().strip_prefix(".tidings.v1.").unwrap()
}

fn is_entry(files: &FileDescriptorSet, field: &FieldDescriptorProto) -> bool {
    field.r#type() == Type::Message
        && descriptor(files, type_name(field)).options.as_ref().is_some_and(|o| o.map_entry())
}

fn label(files: &FileDescriptorSet, field: &FieldDescriptorProto) -> Label {
    match field.label() {
        Repetition::Repeated if is_entry(files, field) => Label::Map,
        Repetition::Repeated => Label::Repeated,
        _ if field.proto3_optional() || field.r#type() == Type::Message => Label::Optional,
        _ => Label::Plain,
    }
}

fn check_enum(table: &Enum, of: &EnumDescriptorProto) {
    let names: Vec<_> = of.value.iter().map(|v| (v.number(), v.name())).collect();
    assert_eq!(table.names, names, "{}", table.name);
}

fn check_message(table: &'static Message, files: &FileDescriptorSet, met: &mut BTreeSet<String>) {
    if !met.insert(table.name.to_owned()) {
        return;
    }
    let mut fields: Vec<_> = descriptor(files, table.name).field.iter().collect();
    fields.sort_by_key(|field| field.number());
    assert_eq!(table.fields.len(), fields.len(), "{}", table.name);
    for (ours, theirs) in table.fields.iter().zip(fields) {
        let place = format!("{}.{}", table.name, ours.name);
        assert_eq!((ours.number as i32, ours.name), (theirs.number(), theirs.name()), "{place}");
        assert_eq!(ours.label, label(files, theirs), "{place}");
        match (ours.shape, theirs.r#type()) {
            (Shape::Message(table), Type::Message) => {
                assert_eq!(table.name, type_name(theirs), "{place}");
                check_message(table, files, met);
            }
            (Shape::Enum(table), Type::Enum) => {
                let of = files.file[0].enum_type.iter().find(|e| e.name() == type_name(theirs));
                assert_eq!(table.name, type_name(theirs), "{place}");
                check_enum(table, of.unwrap());
            }
            (Shape::Bool, Type::Bool)
            | (Shape::Uint32, Type::Uint32)
            | (Shape::Uint64, Type::Uint64)
            | (Shape::Time, Type::Fixed64)
            | (Shape::Double, Type::Double)
            | (Shape::Float, Type::Float)
            | (Shape::Text, Type::String)
            | (Shape::Bytes | Shape::Id, Type::Bytes) => {}
            (ours, theirs) => panic!("{place} is {theirs:?}, not {ours:?}"),
        }
    }
}

#[test]
fn the_tables_are_the_schema() {
    let files = descriptors();
    let mut met = BTreeSet::new();
    check_message(&EVENT, &files, &mut met);
    let all = files.file[0].message_type.iter().map(|m| m.name());
    let left_out: Vec<_> = all.filter(|name| !met.contains(*name)).collect();
    assert_eq!(left_out, ["EventBatch"]);
}

/// Strikes out the fields that a message uses, at any depth.
fn strike(table: &'static Message, mut reader: Reader<'_>, unused: &mut BTreeSet<String>) {
    while let Some((number, wire)) = reader.tag().unwrap() {
        let field = table.field(number).unwrap();
        unused.remove(&format!("{}.{}", table.name, field.name));
        match field.shape {
            Shape::Message(inner) if wire == Wire::Length => {
                strike(inner, reader.nested().unwrap(), unused);
            }
            _ => reader.skip(wire).unwrap(),
        }
    }
}

fn all_fields(table: &'static Message, into: &mut BTreeSet<String>) {
    for field in table.fields {
        let is_new = into.insert(format!("{}.{}", table.name, field.name));
        match field.shape {
            Shape::Message(inner) if is_new => all_fields(inner, into),
            _ => {}
        }
    }
}

#[test]
fn the_golden_events_use_every_field() {
    let mut unused = BTreeSet::new();
    all_fields(&EVENT, &mut unused);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/v1/event");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|e| e == "bin") {
            strike(&EVENT, Reader::new(&std::fs::read(path).unwrap()), &mut unused);
        }
    }
    assert_eq!(unused, BTreeSet::new());
}

#[test]
fn the_descriptors_are_whole_and_of_the_event() {
    let files = descriptors();
    let names: Vec<_> = files.file.iter().map(|file| file.name()).collect();
    assert_eq!(names, [crate::v1::EVENT_FILE]);
    assert!(files.file[0].dependency.is_empty(), "a consumer finds everything in it");
    let message = format!("{}.{}", files.file[0].package(), descriptor(&files, "Event").name());
    assert_eq!(message, crate::v1::EVENT_MESSAGE);
}
