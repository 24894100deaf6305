//! Publishers without a producer id: one batch at a time, until it is answered.

use tidings_admit::Batch;
use tidings_event::block::BodyBuilder;

use super::{Parcel, Publisher, name_of};
use crate::network;
use crate::node::{Node, TENANT};

impl Publisher {
    pub(super) async fn publish_plain(&self, node: &Node, is_sound: bool) {
        let waiting = self.kept().doubtful.first().cloned();
        let parcel = waiting.unwrap_or_else(|| {
            let parcel = self.next_parcel();
            self.kept().doubtful.push(parcel.clone());
            parcel
        });
        self.invoke(&parcel, None);
        match self.ask(node, &parcel, is_sound).await {
            Ok(left) if left.events.is_empty() => self.kept().doubtful.clear(),
            Ok(left) => self.kept().doubtful = vec![left],
            Err(network::Cut) => self.doubt("connection lost"),
        }
    }

    /// Sends a batch; what of it is not known to be stored.
    async fn ask(
        &self,
        node: &Node,
        parcel: &Parcel,
        is_sound: bool,
    ) -> Result<Parcel, network::Cut> {
        network::trip(&self.world, is_sound).await?;
        let mut body = BodyBuilder::default();
        for event in &parcel.events {
            // A few small events always fit.
            let _fits = body.push(&event.bytes);
        }
        let (body, _) = body.take();
        let batch = Batch { body, topic: name_of(&parcel.topic).ok(), ..Batch::default() };
        let answer = node.admission.publish(TENANT, batch).await;
        network::trip(&self.world, is_sound).await?;
        let mut left = Parcel { events: Vec::new(), ..parcel.clone() };
        let outcomes = match answer {
            Ok(outcomes) => outcomes,
            Err(refusal) => {
                self.doubt(refusal.code.as_str());
                return Ok(parcel.clone());
            }
        };
        for (event, outcome) in parcel.events.iter().zip(outcomes) {
            match outcome {
                Ok(placed) => {
                    let at = (placed.topic.name.path(), placed.partition.0);
                    let offset = placed.offset.map(|offset| offset.0);
                    self.stored(event, at, offset, (placed.duplicate, placed.epoch.0));
                }
                Err(rejected) => {
                    self.unknown(event, rejected.refusal.code.as_str());
                    left.events.push(event.clone());
                }
            }
        }
        Ok(left)
    }
}
