//! Definitions: which formula each indicator name of a tenant stands for. The first one that an
//! event carries is registered, durably, and stays until it is released on purpose.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use prost::Message;
use prost::bytes::Bytes;
use tidings_event::{Clock, Code, Refusal, Timestamp};
use tidings_log::{PartitionLog, Table, TableChange};
use tokio::sync::Mutex;

use crate::error::CatalogError;
use crate::ledger::{refused, unknown_outcome};
use crate::records;

/// Most definitions of one commit: far below what a commit may have.
const COMMIT_DEFINITIONS_MAX: usize = 1_000;

/// What an indicator name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The indicator's name.
    pub name: String,
    /// Hash of its formula.
    pub hash: Bytes,
    /// Source of the event that brought it.
    pub source: String,
    /// When it was registered.
    pub registered_at: Timestamp,
}

/// A tenant's definitions by indicator name.
pub type DefinitionMap = HashMap<String, Arc<Definition>>;

/// A definition that is to be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDefinition {
    /// The indicator's name.
    pub name: String,
    /// Hash of its formula.
    pub hash: Bytes,
    /// Source of the event that carries it.
    pub source: String,
}

#[derive(Clone, PartialEq, Message)]
struct DefinitionRecord {
    #[prost(bytes = "bytes", tag = "1")]
    hash: Bytes,
    #[prost(string, tag = "2")]
    source: String,
    #[prost(uint64, tag = "3")]
    registered_at: u64,
}

/// The one owner of all definitions. Reading takes no lock; changes come one at a time, and are
/// durable before anyone sees them.
pub(crate) struct Definitions {
    log: Arc<dyn PartitionLog>,
    clock: Arc<dyn Clock>,
    current: ArcSwap<HashMap<String, Arc<DefinitionMap>>>,
    none: Arc<DefinitionMap>,
    changing: Mutex<()>,
}

impl Definitions {
    pub(crate) fn restore(
        log: Arc<dyn PartitionLog>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CatalogError> {
        let mut tenants: HashMap<String, DefinitionMap> = HashMap::new();
        for (key, value) in log.table(Table::DEFINITIONS) {
            let key = String::from_utf8_lossy(&key);
            let record: DefinitionRecord = records::decode(&key, &value)?;
            let (tenant, name) = key
                .split_once('/')
                .ok_or_else(|| records::damaged(&key, "its key names no tenant"))?;
            let definition = Definition {
                name: name.to_owned(),
                hash: record.hash,
                source: record.source,
                registered_at: Timestamp(record.registered_at),
            };
            let of_tenant = tenants.entry(tenant.to_owned()).or_default();
            of_tenant.insert(name.to_owned(), Arc::new(definition));
        }
        let tenants = tenants.into_iter().map(|(tenant, map)| (tenant, Arc::new(map))).collect();
        Ok(Self {
            log,
            clock,
            current: ArcSwap::from_pointee(tenants),
            none: Arc::default(),
            changing: Mutex::new(()),
        })
    }

    /// A tenant's definitions now.
    pub(crate) fn of(&self, tenant: &str) -> Arc<DefinitionMap> {
        Arc::clone(self.current.load().get(tenant).unwrap_or(&self.none))
    }

    /// Registers what has no definition yet, in the order given; what has one keeps it.
    pub(crate) async fn define(
        &self,
        tenant: &str,
        wanted: Vec<NewDefinition>,
        most: usize,
    ) -> Result<(), Refusal> {
        let _turn = self.changing.lock().await;
        let known = self.of(tenant);
        let (mut fresh, mut names) = (Vec::new(), HashSet::new());
        let registered_at = self.clock.wall();
        for NewDefinition { name, hash, source } in wanted {
            if !known.contains_key(&name) && names.insert(name.clone()) {
                fresh.push(Definition { name, hash, source, registered_at });
            }
        }
        let room = most.saturating_sub(known.len());
        let left_out = fresh.get(room).map(|definition: &Definition| definition.name.clone());
        fresh.truncate(room);
        for part in fresh.chunks(COMMIT_DEFINITIONS_MAX) {
            let changes = part.iter().map(|definition| put(tenant, definition)).collect();
            self.commit(changes).await?;
            self.show(tenant, |map| {
                let made = part.iter().map(|made| (made.name.clone(), Arc::new(made.clone())));
                map.extend(made);
            });
        }
        let Some(name) = left_out else { return Ok(()) };
        let detail = format!("`{name}` would be one more than {most} definitions");
        Err(Refusal::new(Code::DefinitionLimit, detail)
            .with_hint("release definitions that are no longer published"))
    }

    /// Forgets one, so that another may be registered.
    pub(crate) async fn release(
        &self,
        tenant: &str,
        name: &str,
    ) -> Result<Arc<Definition>, Refusal> {
        let _turn = self.changing.lock().await;
        let Some(released) = self.of(tenant).get(name).cloned() else {
            let shown: String = name.chars().take(80).collect();
            let detail = format!("no definition of `{shown}` is registered");
            return Err(Refusal::new(Code::DefinitionUnknown, detail));
        };
        let (table, key) = (Table::DEFINITIONS, key(tenant, name));
        self.commit(vec![TableChange { table, key, value: None }]).await?;
        self.show(tenant, |map| {
            map.remove(name);
        });
        Ok(released)
    }

    async fn commit(&self, changes: Vec<TableChange>) -> Result<(), Refusal> {
        let pending = self.log.commit(self.log.term(), changes).map_err(|e| refused(&e))?;
        pending.await.map(drop).map_err(|_| unknown_outcome())
    }

    fn show(&self, tenant: &str, change: impl FnOnce(&mut DefinitionMap)) {
        let mut map = DefinitionMap::clone(&self.of(tenant));
        change(&mut map);
        let mut next = HashMap::clone(&self.current.load());
        next.insert(tenant.to_owned(), Arc::new(map));
        self.current.store(Arc::new(next));
    }
}

fn key(tenant: &str, name: &str) -> Bytes {
    format!("{tenant}/{name}").into()
}

fn put(tenant: &str, definition: &Definition) -> TableChange {
    let record = DefinitionRecord {
        hash: definition.hash.clone(),
        source: definition.source.clone(),
        registered_at: definition.registered_at.0,
    };
    let value = records::put(String::new(), &record).value;
    TableChange { table: Table::DEFINITIONS, key: key(tenant, &definition.name), value }
}

#[cfg(test)]
mod tests;
