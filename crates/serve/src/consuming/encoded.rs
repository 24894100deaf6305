//! JSON of blocks on their way out: made once for all who are sent the same events.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tidings_deliver::Delivery;
use tidings_event::block::events;
use tidings_event::{Code, Epoch, Offset, Refusal, TopicPartition, json};
use tidings_telemetry::{Counter, Recorder};

/// Most bytes of JSON that are kept for the next reader; the oldest goes first.
pub(crate) const KEPT_BYTES: usize = 8 << 20;

/// JSON takes about so much more than the canonical form.
const GROWTH: usize = 3;

/// The events of a delivery.
#[derive(Debug)]
pub(crate) struct EventTexts {
    text: String,
    ends: Vec<usize>,
    /// RFC 3339.
    pub(crate) ingested_at: String,
}

impl EventTexts {
    fn of(delivery: &Delivery) -> Result<Self, Refusal> {
        let mut text = String::with_capacity(delivery.body.len() * GROWTH);
        let mut ends = Vec::with_capacity(delivery.count as usize);
        for event in events(&delivery.body) {
            let event = event.map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
            text.push_str(&json::to_json(event)?);
            ends.push(text.len());
        }
        Ok(Self { text, ends, ingested_at: delivery.ingested_at.to_string() })
    }

    /// Canonical JSON of each event, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(from, &to)| self.text.get(from..to).unwrap_or_default())
    }

    /// Bytes of all of it.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }
}

/// Offsets of one delivery.
type Place = (TopicPartition, Epoch, Offset, u32);

/// Texts that are there or in the making: who comes second waits for the first.
type Made = Arc<OnceLock<Result<Arc<EventTexts>, Refusal>>>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Encoded {
    recent: Mutex<Recent>,
    /// Most bytes kept; 0: nothing is shared.
    kept_bytes: usize,
    recorder: Arc<Recorder>,
}

#[derive(Debug, Default)]
struct Recent {
    texts: HashMap<Place, Made>,
    /// What is made, and its bytes.
    order: VecDeque<(Place, usize)>,
    bytes: usize,
}

impl Encoded {
    pub(crate) fn new(kept_bytes: usize, recorder: Arc<Recorder>) -> Self {
        Self { recent: Mutex::default(), kept_bytes, recorder }
    }

    /// The texts of a delivery's events.
    pub(crate) fn texts(&self, delivery: &Delivery) -> Result<Arc<EventTexts>, Refusal> {
        let at = TopicPartition { topic: delivery.topic.id, partition: delivery.partition };
        let &[(first, count)] = delivery.offsets.as_slice() else {
            return self.make(delivery);
        };
        let place = (at, delivery.epoch, first, count);
        let made = Arc::clone(self.lock().texts.entry(place).or_default());
        let mut is_mine = false;
        let texts = made.get_or_init(|| {
            is_mine = true;
            self.make(delivery)
        });
        if is_mine {
            let bytes = texts.as_ref().ok().map(|texts| texts.len());
            self.lock().keep(place, bytes, self.kept_bytes);
        }
        texts.clone()
    }

    fn make(&self, delivery: &Delivery) -> Result<Arc<EventTexts>, Refusal> {
        self.recorder.count(Counter::ServeEncodings, 1);
        EventTexts::of(delivery).map(Arc::new)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recent {
    /// Counts what was made, and drops it when it failed or is too large; then the oldest.
    fn keep(&mut self, place: Place, bytes: Option<usize>, most: usize) {
        let Some(bytes) = bytes.filter(|&bytes| bytes <= most) else {
            self.texts.remove(&place);
            return;
        };
        self.order.push_back((place, bytes));
        self.bytes += bytes;
        while self.bytes > most {
            let Some((oldest, bytes)) = self.order.pop_front() else { return };
            self.bytes -= bytes;
            self.texts.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests;
