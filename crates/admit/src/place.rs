//! Which topic an event belongs to, without building its name: templates, cached per value.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tidings_catalog::{Catalog, Placeholder, Topic};
use tidings_event::v1::Kind;
use tidings_event::{Code, Envelope, Refusal, TopicId, TopicName};

use crate::cells::Cells;

/// A topic, the cells of its partitions, and what its template asks of its events.
pub(crate) struct Route {
    pub(crate) topic: Arc<Topic>,
    pub(crate) cells: Arc<Cells>,
    wanted: Option<(Kind, Vec<(Placeholder, String)>)>,
}

impl Route {
    /// Whether an event may be in this topic: one that a template made holds only its own.
    pub(crate) fn takes(&self, event: &Envelope<'_>) -> bool {
        let Some((kind, values)) = &self.wanted else { return true };
        *kind == event.kind && values.iter().all(|(p, wanted)| value(event, *p) == wanted)
    }
}

fn value<'e>(event: &'e Envelope<'_>, placeholder: Placeholder) -> &'e str {
    event.template_value(placeholder.name()).unwrap_or_default()
}

/// Everything that templates look at, in 16 bytes; `None` for a timeframe too long to be configured.
pub(crate) fn key(event: &Envelope<'_>) -> Option<u128> {
    let timeframe = event.timeframe.as_bytes();
    let mut bytes = [0u8; 16];
    bytes[4..].get_mut(..timeframe.len())?.copy_from_slice(timeframe);
    let tier = event.confidence_tier().as_bytes()[0];
    bytes[..4].copy_from_slice(&[
        event.kind as u8,
        tier,
        event.severity as u8,
        event.correlation_kind as u8,
    ]);
    Some(u128::from_le_bytes(bytes))
}

/// Where a lookup ended.
pub(crate) enum Found {
    /// At a topic.
    Route(Arc<Route>),
    /// At a topic that a template has yet to make.
    Missing(TopicName),
}

#[derive(Default)]
struct Known {
    version: u64,
    by_id: HashMap<TopicId, Arc<Route>>,
    by_name: HashMap<TopicName, Arc<Route>>,
}

/// The catalog's version, and by tenant what templates look at: where it leads.
type Placements = (u64, HashMap<String, HashMap<u128, Arc<Route>>>);

/// Topics by event and by name; follows the catalog.
pub(crate) struct Routes {
    catalog: Arc<Catalog>,
    known: ArcSwap<Known>,
    placed: ArcSwap<Placements>,
    changing: Mutex<()>,
}

impl Routes {
    pub(crate) fn new(catalog: Arc<Catalog>) -> Self {
        let known = ArcSwap::default();
        let placed = ArcSwap::from_pointee((0, HashMap::new()));
        Self { catalog, known, placed, changing: Mutex::new(()) }
    }

    /// The topics of the catalog now; cells live on as long as their topic.
    fn known(&self) -> Arc<Known> {
        let version = self.catalog.snapshot().version();
        let known = self.known.load_full();
        if known.version == version {
            return known;
        }
        let _turn = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let (snapshot, old) = (self.catalog.snapshot(), self.known.load_full());
        if old.version == snapshot.version() {
            return old;
        }
        let mut new = Known { version: snapshot.version(), ..Known::default() };
        for topic in snapshot.all_topics() {
            let cells = old.by_id.get(&topic.id).map(|route| Arc::clone(&route.cells));
            let template = topic
                .template
                .as_ref()
                .and_then(|pattern| snapshot.templates().iter().find(|t| t.pattern == *pattern));
            let wanted = template.and_then(|t| {
                let values = t.values(topic.name.path())?;
                Some((t.kind, values.into_iter().map(|(p, v)| (p, v.to_owned())).collect()))
            });
            let route = Arc::new(Route {
                topic: Arc::clone(topic),
                cells: cells.unwrap_or_else(|| Arc::new(Cells::new(topic.partitions))),
                wanted,
            });
            new.by_id.insert(topic.id, Arc::clone(&route));
            new.by_name.insert(topic.name.clone(), route);
        }
        let new = Arc::new(new);
        self.known.store(Arc::clone(&new));
        new
    }

    pub(crate) fn by_id(&self, id: TopicId) -> Option<Arc<Route>> {
        self.known().by_id.get(&id).cloned()
    }

    /// Every topic.
    pub(crate) fn all(&self) -> Vec<Arc<Route>> {
        self.known().by_id.values().cloned().collect()
    }

    pub(crate) fn by_name(&self, name: &TopicName) -> Result<Found, Refusal> {
        if let Some(route) = self.known().by_name.get(name) {
            return Ok(Found::Route(Arc::clone(route)));
        }
        // It may have been made in between: then the next look finds it.
        self.catalog.find(name).map(|_| Found::Missing(name.clone()))
    }

    /// Where templates place an event.
    pub(crate) fn by_event(&self, tenant: &str, event: &Envelope<'_>) -> Result<Found, Refusal> {
        let version = self.catalog.snapshot().version();
        let key = key(event);
        let placed = self.placed.load();
        if placed.0 == version
            && let Some(key) = key
            && let Some(route) = placed.1.get(tenant).and_then(|routes| routes.get(&key))
        {
            return Ok(Found::Route(Arc::clone(route)));
        }
        let snapshot = self.catalog.snapshot();
        let template =
            snapshot.templates().iter().find(|t| t.kind == event.kind).ok_or_else(|| {
                Refusal::new(Code::TopicUnknown, format!("no template places {:?}", event.kind))
            })?;
        let path = template.path(|placeholder| value(event, placeholder));
        let name = TopicName::new(tenant, &path)
            .map_err(|error| Refusal::new(Code::TopicUnknown, format!("`{path}`: {error}")))?;
        let found = self.by_name(&name)?;
        if let (Found::Route(route), Some(key)) = (&found, key) {
            self.remember(version, tenant, key, route);
        }
        Ok(found)
    }

    fn remember(&self, version: u64, tenant: &str, key: u128, route: &Arc<Route>) {
        let _turn = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.placed.load_full();
        if old.0 > version {
            return;
        }
        let mut new = if old.0 == version { old.1.clone() } else { HashMap::new() };
        new.entry(tenant.to_owned()).or_default().insert(key, Arc::clone(route));
        self.placed.store(Arc::new((version, new)));
    }
}
