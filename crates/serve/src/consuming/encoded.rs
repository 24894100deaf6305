//! JSON of blocks on their way out: made once for all who are sent the same events.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tidings_deliver::Delivery;
use tidings_event::block::events;
use tidings_event::{Code, Epoch, Offset, Refusal, TopicPartition, json};

/// Most bytes of JSON that are kept for the next reader; the oldest goes first.
const KEPT_BYTES: usize = 8 << 20;

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

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Encoded(Mutex<Recent>);

#[derive(Debug, Default)]
struct Recent {
    texts: HashMap<Place, Arc<EventTexts>>,
    order: VecDeque<Place>,
    bytes: usize,
}

impl Encoded {
    /// The texts of a delivery's events.
    pub(crate) fn texts(&self, delivery: &Delivery) -> Result<Arc<EventTexts>, Refusal> {
        let at = TopicPartition { topic: delivery.topic.id, partition: delivery.partition };
        let &[(first, count)] = delivery.offsets.as_slice() else {
            return EventTexts::of(delivery).map(Arc::new);
        };
        let place = (at, delivery.epoch, first, count);
        if let Some(known) = self.lock().texts.get(&place) {
            return Ok(Arc::clone(known));
        }
        let made = Arc::new(EventTexts::of(delivery)?);
        self.lock().keep(place, &made);
        Ok(made)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Recent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recent {
    fn keep(&mut self, place: Place, texts: &Arc<EventTexts>) {
        // Somebody else may have been faster.
        if texts.len() > KEPT_BYTES || self.texts.insert(place, Arc::clone(texts)).is_some() {
            return;
        }
        self.order.push_back(place);
        self.bytes += texts.len();
        while self.bytes > KEPT_BYTES {
            let Some(oldest) = self.order.pop_front() else { return };
            self.bytes -= self.texts.remove(&oldest).map_or(0, |texts| texts.len());
        }
    }
}

#[cfg(test)]
mod tests;
