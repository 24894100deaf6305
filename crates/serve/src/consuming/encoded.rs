//! Blocks in the forms that are not stored: the JSON of their events, and packed bodies.

use std::sync::Arc;

use bytes::Bytes;
use tidings_deliver::Delivery;
use tidings_event::block::events;
use tidings_event::{Code, Refusal, json, packed};
use tidings_telemetry::{Counter, Recorder};

use super::shared::Shared;

/// Most bytes of either form that are kept for the next reader.
pub(crate) const KEPT_BYTES: usize = 8 << 20;

/// JSON takes about so much more than the canonical form.
const GROWTH: usize = 3;

/// What is kept of a body that does not shrink: its place.
const PLACE_BYTES: usize = 128;

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

/// See the module. Each form of a delivery is made once for all who are sent it.
#[derive(Debug)]
pub(crate) struct Encoded {
    texts: Shared<Arc<EventTexts>>,
    /// None for a body that does not shrink.
    packed: Shared<Option<Bytes>>,
    recorder: Arc<Recorder>,
}

impl Encoded {
    pub(crate) fn new(kept_bytes: usize, recorder: Arc<Recorder>) -> Self {
        let packed_bytes =
            |packed: &Option<Bytes>| PLACE_BYTES + packed.as_ref().map_or(0, Bytes::len);
        Self {
            texts: Shared::new(kept_bytes, |texts| texts.len()),
            packed: Shared::new(kept_bytes, packed_bytes),
            recorder,
        }
    }

    /// Drops what is kept for the next reader; says how many bytes.
    pub(crate) fn clear(&self) -> usize {
        self.texts.clear() + self.packed.clear()
    }

    /// The texts of a delivery's events.
    pub(crate) fn texts(&self, delivery: &Delivery) -> Result<Arc<EventTexts>, Refusal> {
        self.texts.of(delivery, || {
            self.recorder.count(Counter::ServeEncodings, 1);
            EventTexts::of(delivery).map(Arc::new)
        })
    }

    /// A delivery's body, packed where that makes it shorter, and its codec.
    pub(crate) fn packed(&self, delivery: &Delivery) -> Result<(Bytes, u32), Refusal> {
        let made = self.packed.of(delivery, || {
            self.recorder.count(Counter::ServeEncodings, 1);
            Ok(packed::pack(&delivery.body))
        })?;
        Ok(made
            .map_or_else(|| (delivery.body.clone(), packed::PLAIN), |bytes| (bytes, packed::LZ4)))
    }
}

#[cfg(test)]
mod tests;
