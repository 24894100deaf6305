//! The wire of version 1 grows and is never contradicted: every field that was published keeps its
//! number, type and label.
//!
//! `TIDINGS_BLESS=1 cargo test -p tidings-wire the_wire` records additions.

use std::collections::BTreeMap;

use prost::Message;
use prost_types::{DescriptorProto, FileDescriptorSet};

use super::DESCRIPTORS;

const FIXTURE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/v1/wire/fields.txt");

/// One line per field, enum value and method, by name.
fn fields(bytes: &[u8]) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    for file in FileDescriptorSet::decode(bytes).unwrap().file {
        for message in &file.message_type {
            in_message(message, message.name(), &mut lines);
        }
        for of in &file.enum_type {
            for value in &of.value {
                let name = format!("{}.{}", of.name(), value.name());
                lines.insert(name, value.number().to_string());
            }
        }
        for service in &file.service {
            for method in &service.method {
                let (input, output) = (method.input_type(), method.output_type());
                let streams = (method.client_streaming(), method.server_streaming());
                let name = format!("{}/{}", service.name(), method.name());
                lines.insert(name, format!("{input} -> {output} {streams:?}"));
            }
        }
    }
    lines
}

fn in_message(message: &DescriptorProto, path: &str, lines: &mut BTreeMap<String, String>) {
    for field in &message.field {
        let kind = format!("{:?} {:?} {}", field.label(), field.r#type(), field.type_name());
        let name = format!("{path}.{}", field.name());
        lines.insert(name, format!("{} {}", field.number(), kind.trim_end()));
    }
    for nested in &message.nested_type {
        in_message(nested, &format!("{path}.{}", nested.name()), lines);
    }
}

#[test]
fn the_wire_of_version_1_is_kept() {
    let now = fields(DESCRIPTORS);
    if std::env::var_os("TIDINGS_BLESS").is_some() {
        let text: String = now.iter().map(|(name, kind)| format!("{name}\t{kind}\n")).collect();
        std::fs::write(FIXTURE, text).unwrap();
    }
    let published = std::fs::read_to_string(FIXTURE).unwrap();
    assert!(published.lines().count() > 100, "the list of fields is nearly empty");
    for line in published.lines() {
        let (name, kind) = line.split_once('\t').unwrap();
        assert_eq!(now.get(name).map(String::as_str), Some(kind), "{name} was published");
    }
    let unknown: Vec<_> = now
        .keys()
        .filter(|name| !published.lines().any(|l| l.starts_with(&format!("{name}\t"))))
        .collect();
    assert!(unknown.is_empty(), "record what is new: {unknown:?}");
}
