//! Definition identity: every event that says by which formula an indicator was computed is held
//! against what the indicator's name stands for.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use tidings_catalog::{Catalog, Definition, DefinitionMap, NewDefinition};
use tidings_event::{Code, Envelope, Refusal};
use tidings_telemetry::Counter;

use crate::admit::Admission;
use crate::batch::DefinitionPolicy;

/// Looks at the definitions of a batch's or block's events, one event after the other.
pub(crate) struct Defining<'a> {
    catalog: &'a Catalog,
    tenant: &'a str,
    policy: DefinitionPolicy,
    /// Why new definitions could not be registered.
    failed: Option<Refusal>,
    known: Option<Arc<DefinitionMap>>,
    found: Found,
}

/// What was found.
#[derive(Default)]
pub(crate) struct Found {
    new: HashMap<String, NewDefinition>,
    /// Names in the order they came.
    order: Vec<String>,
    /// Events that conflict.
    pub(crate) conflicts: u64,
    /// What is wrong with the first of them.
    pub(crate) first: Option<Refusal>,
}

impl Found {
    /// What has to be registered before the events may be stored.
    pub(crate) fn is_complete(&self) -> bool {
        self.order.is_empty()
    }

    fn into_new(mut self) -> Vec<NewDefinition> {
        let order = std::mem::take(&mut self.order);
        order.iter().filter_map(|name| self.new.remove(name)).collect()
    }
}

impl<'a> Defining<'a> {
    pub(crate) fn new(admission: &'a Admission, tenant: &'a str, failed: Option<Refusal>) -> Self {
        Self {
            catalog: &admission.catalog,
            tenant,
            policy: admission.settings.definition_conflict,
            failed,
            known: None,
            found: Found::default(),
        }
    }

    pub(crate) fn end(self) -> Found {
        self.found
    }

    /// Holds one event against what is registered and what came before it.
    pub(crate) fn check(&mut self, event: &[u8], envelope: &Envelope<'_>) -> Result<(), Refusal> {
        if !envelope.has_definitions {
            return Ok(());
        }
        match self.judge(event, envelope) {
            Err(refusal) if refusal.code == Code::DefinitionConflict => {
                self.found.conflicts += 1;
                self.found.first.get_or_insert_with(|| refusal.clone());
                match self.policy {
                    DefinitionPolicy::Refuse => Err(refusal),
                    DefinitionPolicy::Warn => Ok(()),
                }
            }
            Err(refusal)
                if refusal.code == Code::DefinitionLimit
                    && self.policy == DefinitionPolicy::Warn =>
            {
                Ok(())
            }
            judged => judged,
        }
    }

    /// Nothing of an event that conflicts is taken up.
    fn judge(&mut self, event: &[u8], envelope: &Envelope<'_>) -> Result<(), Refusal> {
        let known = self.known.get_or_insert_with(|| self.catalog.definitions(self.tenant));
        let mut fresh: Vec<(&str, &[u8])> = Vec::new();
        for (name, hash) in tidings_event::definitions(event, envelope) {
            if let Some(registered) = known.get(name) {
                if registered.hash != hash {
                    return Err(conflict(name, hash, &said_by(registered)));
                }
            } else if let Some(new) = self.found.new.get(name) {
                if new.hash != hash {
                    let said = format!("{} (by `{}`, just before)", hex(&new.hash), new.source);
                    return Err(conflict(name, hash, &said));
                }
            } else {
                fresh.push((name, hash));
            }
        }
        // An event has at most 1 MiB, and a name may stand in it twice.
        fresh.sort_unstable();
        fresh.dedup();
        if let Some([one, two]) = fresh.array_windows().find(|[one, two]| one.0 == two.0) {
            return Err(conflict(one.0, one.1, &format!("{} in the same event", hex(two.1))));
        }
        if let (Some(failed), false) = (&self.failed, fresh.is_empty()) {
            return Err(failed.clone());
        }
        for (name, hash) in fresh {
            let hash = Bytes::copy_from_slice(hash);
            let (name, source) = (name.to_owned(), envelope.source.to_owned());
            self.found.order.push(name.clone());
            self.found.new.insert(name.clone(), NewDefinition { name, hash, source });
        }
        Ok(())
    }
}

impl Admission {
    /// Registers what was found new; what became of it is seen by looking again, but for a refusal.
    pub(crate) async fn define(&self, tenant: &str, found: Found) -> Option<Refusal> {
        self.catalog.define(tenant, found.into_new()).await.err()
    }

    /// Counts conflicts, once it is settled what becomes of their events.
    pub(crate) fn tell_conflicts(&self, conflicts: u64, first: Option<&Refusal>) {
        let Some(first) = first else { return };
        self.recorder.count(Counter::AdmitDefinitionConflicts, conflicts);
        if let Some(times) = self.quiet_definitions.speak(self.clock.monotonic(), conflicts) {
            let stored = self.settings.definition_conflict == DefinitionPolicy::Warn;
            tracing::warn!(stored, times, "definition conflict: {}", first.detail);
        }
    }
}

fn said_by(registered: &Definition) -> String {
    let (hash, source) = (hex(&registered.hash), &registered.source);
    format!("{hash} (registered by `{source}` at {})", registered.registered_at)
}

#[cold]
fn conflict(name: &str, hash: &[u8], said: &str) -> Refusal {
    let detail = format!("indicator `{name}` is defined as {said}, this event says {}", hex(hash));
    Refusal::new(Code::DefinitionConflict, detail)
        .at_field(format!("indicators.values.{name}.definition"))
        .with_hint("publish another formula under a name of its own, or release the old definition")
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string does not fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}
