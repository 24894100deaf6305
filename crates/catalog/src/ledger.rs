//! The one owner of the catalog: restores it, serialises changes, publishes snapshots.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use prost::bytes::Bytes;
use tidings_event::{Clock, Code, Offset, Refusal, TopicId, TopicName, TopicPartition};
use tidings_log::{AppendError, CommitError, PartitionLog, Table, TableChange, TopicError};
use tokio::sync::{Mutex, watch};

use crate::beginning::Beginnings;
use crate::error::CatalogError;
use crate::internal;
use crate::progress::{Held, Progress};
use crate::records::{self, CountersRecord};
use crate::settings::CatalogSettings;
use crate::snapshot::Snapshot;
use crate::subscription::SubscriptionId;
use crate::template::{self, Template};
use crate::topic::Topic;

/// Most partitions of a topic.
pub(crate) const PARTITIONS_MAX: u32 = 1_024;

/// Longest name of a timeframe.
const TIMEFRAME_BYTES_MAX: usize = 12;

pub(crate) struct Ledger {
    pub(crate) log: Arc<dyn PartitionLog>,
    settings: ArcSwap<CatalogSettings>,
    pub(crate) clock: Arc<dyn Clock>,
    current: ArcSwap<Snapshot>,
    version: watch::Sender<u64>,
    /// Held through a whole change, disk included: changes come one at a time.
    pub(crate) counters: Mutex<CountersRecord>,
    progress: OnceLock<Arc<dyn Progress>>,
    pub(crate) beginnings: OnceLock<Arc<dyn Beginnings>>,
}

impl Ledger {
    pub(crate) async fn restore(
        log: Arc<dyn PartitionLog>,
        settings: CatalogSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CatalogError> {
        check_settings(&settings)?;
        let table = log.table(Table::CATALOG);
        let mut state = Restored::default();
        for (key, value) in &table {
            state.take(key, value)?;
        }
        if state.counters.is_none() {
            let made = template::defaults(settings.partitions);
            let mut changes: Vec<_> = made.iter().map(records::put_template).collect();
            let counters = CountersRecord { next_topic: 1, next_subscription: 1 };
            changes.push(records::put_counters(&counters));
            log.commit(log.term(), changes)?.await?;
            (state.templates, state.counters) = (made, Some(counters));
        }
        for id in state.dropped {
            finish_drop(&*log, id).await?;
        }
        internal::ensure(&*log).await?;
        for topic in state.snapshot.all_topics() {
            log.ensure_topic(&topic.spec()).await?;
        }
        let mut snapshot = state.snapshot;
        (snapshot.version, snapshot.templates) = (1, state.templates.into());
        Ok(Self {
            log,
            settings: ArcSwap::from_pointee(settings),
            clock,
            current: ArcSwap::from_pointee(snapshot),
            version: watch::Sender::new(1),
            counters: Mutex::new(state.counters.unwrap_or_default()),
            progress: OnceLock::new(),
            beginnings: OnceLock::new(),
        })
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// The settings now.
    pub(crate) fn settings(&self) -> Arc<CatalogSettings> {
        self.settings.load_full()
    }

    pub(crate) fn configure(&self, settings: CatalogSettings) -> Result<(), CatalogError> {
        check_settings(&settings)?;
        self.settings.store(Arc::new(settings));
        Ok(())
    }

    pub(crate) fn versions(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Takes note of whom to ask how far subscriptions are; the first one stays.
    pub(crate) fn ask(&self, progress: Arc<dyn Progress>) {
        let _first_stays = self.progress.set(progress);
    }

    /// Has nothing of a subscription judged while it changes.
    pub(crate) fn hold(&self, of: SubscriptionId) -> Held<'_> {
        Held::new(self.progress.get().map(AsRef::as_ref), of)
    }

    /// Every event of a partition below it is settled, as far as that is known.
    pub(crate) fn settled_below(
        &self,
        of: SubscriptionId,
        place: TopicPartition,
    ) -> Option<Offset> {
        self.progress.get()?.settled_below(of, place)
    }

    /// The topic; `None` when a template would make it.
    pub(crate) fn find(&self, name: &TopicName) -> Result<Option<Arc<Topic>>, Refusal> {
        let current = self.current.load();
        if let Some(topic) = current.topic(name) {
            return Ok(Some(Arc::clone(topic)));
        }
        let path = name.path();
        let unknown = Refusal::new(Code::TopicUnknown, format!("topic `{path}` does not exist"));
        let Some(template) = current.template_of(path) else {
            return Err(unknown.with_hint("create the topic first, or correct its name"));
        };
        match template.unconfigured(path, &self.settings.load()) {
            None => Ok(None),
            Some((placeholder, value)) => Err(unknown.with_hint(format!(
                "`{value}` is not a configured {}; configure it or create the topic",
                placeholder.name()
            ))),
        }
    }

    /// Makes a change durable, then shows it.
    pub(crate) async fn commit(
        &self,
        changes: Vec<TableChange>,
        show: impl FnOnce(&mut Snapshot),
    ) -> Result<(), Refusal> {
        let pending = self.log.commit(self.log.term(), changes).map_err(|e| refused(&e))?;
        pending.await.map_err(|_| unknown_outcome())?;
        let mut next = Snapshot::clone(&self.current.load());
        next.version += 1;
        show(&mut next);
        let version = next.version;
        self.current.store(Arc::new(next));
        self.version.send_replace(version);
        Ok(())
    }
}

/// What a table scan has found so far.
#[derive(Default)]
struct Restored {
    snapshot: Snapshot,
    templates: Vec<Template>,
    counters: Option<CountersRecord>,
    dropped: Vec<TopicId>,
}

impl Restored {
    fn take(&mut self, key: &Bytes, value: &Bytes) -> Result<(), CatalogError> {
        let key = String::from_utf8_lossy(key);
        match key.split('/').next() {
            Some(records::COUNTERS_KEY) => self.counters = Some(records::decode(&key, value)?),
            Some("t") => self.snapshot.insert_topic(Arc::new(records::topic(&key, value)?)),
            Some("s") => {
                let mut read = records::subscription(&key, value)?;
                if let Some(neighbour) = self.snapshot.neighbour(&read.tenant, &read.spec.name) {
                    read.share(neighbour);
                }
                self.snapshot.insert_subscription(Arc::new(read));
            }
            Some("p") => self.templates.push(records::template(&key, value)?),
            Some("d") => {
                let record: CountersRecord = records::decode(&key, value)?;
                self.dropped.push(TopicId(record.next_topic));
            }
            _ => return Err(records::damaged(&key, "no such kind of record")),
        }
        Ok(())
    }
}

/// Drops a topic's events and forgets that this was to be done.
pub(crate) async fn finish_drop(log: &dyn PartitionLog, id: TopicId) -> Result<(), CatalogError> {
    match log.drop_topic(id).await {
        Ok(()) | Err(TopicError::Dropped(_) | TopicError::Unknown(_)) => {}
        Err(error) => return Err(error.into()),
    }
    log.commit(log.term(), vec![records::delete(records::dropped_key(id))])?.await?;
    Ok(())
}

pub(crate) fn check_settings(settings: &CatalogSettings) -> Result<(), CatalogError> {
    let wrong = |setting, value, rule| Err(CatalogError::Setting { setting, value, rule });
    if !(1..=PARTITIONS_MAX).contains(&settings.partitions) {
        return wrong("partitions", settings.partitions.to_string(), "1 to 1024");
    }
    let legal = |text: &str| {
        let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
        text.len() <= TIMEFRAME_BYTES_MAX
            && unit.len() < text.len()
            && matches!(unit, "s" | "m" | "h" | "d" | "w" | "mo")
    };
    match settings.timeframes.iter().find(|text| !legal(text)) {
        Some(text) => wrong("timeframes", text.clone(), "a number and one of s, m, h, d, w, mo"),
        None => Ok(()),
    }
}

pub(crate) fn unknown_outcome() -> Refusal {
    Refusal::new(Code::UnknownOutcome, "the log failed before the change was durable")
        .with_hint("restart the service, then make the same request again")
}

/// What makes a subscription's record smaller.
pub(crate) const TOO_LARGE: &str =
    "select fewer topics or positions, write a shorter filter, or settle what waits first";

/// A refused commit, as a caller sees it.
pub(crate) fn refused(error: &CommitError) -> Refusal {
    match error {
        CommitError::Append(append) => refused_append(append),
        CommitError::TooLarge { .. } => {
            Refusal::new(Code::ResourceExhausted, error.to_string()).with_hint(TOO_LARGE)
        }
        CommitError::Fenced { .. } => Refusal::new(Code::ShuttingDown, error.to_string()),
    }
}

/// A refused topic, as a caller sees it.
pub(crate) fn refused_topic(error: &TopicError) -> Refusal {
    match error {
        TopicError::Append(append) => refused_append(append),
        TopicError::Pending(_) => unknown_outcome(),
        TopicError::Mismatch { .. } | TopicError::Dropped(_) | TopicError::Unknown(_) => {
            Refusal::new(Code::Internal, error.to_string())
        }
    }
}

fn refused_append(error: &AppendError) -> Refusal {
    let code = match error {
        AppendError::Full { retry_after } => {
            let millis = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX).max(1);
            let refusal = Refusal::new(Code::ResourceExhausted, error.to_string());
            return refusal.retry_after_ms(millis);
        }
        AppendError::StorageFull => Code::StorageFull,
        AppendError::ReadOnly => Code::LogReadOnly,
        AppendError::Closed => Code::ShuttingDown,
        _ => Code::Internal,
    };
    Refusal::new(code, error.to_string())
}
