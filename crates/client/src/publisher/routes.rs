//! Where an event goes: topic by template, partition by key hash. A hint only: the service checks.

use std::collections::HashMap;

use tidings_event::{Code, Envelope, Refusal};
use tidings_wire::v1;

/// What Describe said, ready to place events.
#[derive(Debug, Default)]
pub(super) struct Routes {
    templates: Vec<Template>,
    partitions: HashMap<String, u32>,
    /// Every event goes here, whatever the templates say.
    pinned: Option<String>,
}

#[derive(Debug)]
struct Template {
    kind: i32,
    text: String,
    partitions: u32,
}

impl Routes {
    pub(super) fn new(described: v1::DescribeResponse, pinned: Option<String>) -> Self {
        let template = |t: v1::TopicTemplate| Template {
            kind: t.kind,
            text: t.template,
            partitions: t.partitions,
        };
        Self {
            templates: described.templates.into_iter().map(template).collect(),
            partitions: described.topics.into_iter().map(|t| (t.name, t.partitions)).collect(),
            pinned,
        }
    }

    /// The topic that every event goes to, where there is one.
    pub(super) fn pinned(&self) -> Option<&str> {
        self.pinned.as_deref()
    }

    /// Writes the event's topic into `topic` and returns its partition and their number.
    pub(super) fn place(
        &self,
        envelope: &Envelope<'_>,
        topic: &mut String,
    ) -> Result<(u32, u32), Refusal> {
        topic.clear();
        let fallback = match &self.pinned {
            Some(name) => {
                topic.push_str(name);
                None
            }
            None => Some(self.fill_template(envelope, topic)?),
        };
        let known = self.partitions.get(topic.as_str()).copied();
        let partitions = known.or(fallback).ok_or_else(|| {
            Refusal::new(Code::TopicUnknown, format!("topic `{topic}` does not exist"))
                .with_hint("create it first, or leave the topic to the templates")
        })?;
        Ok((envelope.key_hash().partition(partitions).0, partitions))
    }

    fn fill_template(&self, envelope: &Envelope<'_>, topic: &mut String) -> Result<u32, Refusal> {
        let kind = envelope.kind as i32;
        let template = self.templates.iter().find(|t| t.kind == kind).ok_or_else(|| {
            Refusal::new(Code::TopicUnknown, format!("no template for kind {:?}", envelope.kind))
        })?;
        let mut rest = template.text.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            topic.push_str(before);
            topic.push_str(envelope.template_value(name).ok_or_else(|| {
                Refusal::new(Code::TopicUnknown, format!("template names `{name}`, which is new"))
                    .with_hint("update the SDK")
            })?);
            rest = after;
        }
        topic.push_str(rest);
        Ok(template.partitions)
    }
}

#[cfg(test)]
mod tests;
