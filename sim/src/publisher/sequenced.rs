//! Publishers with a producer id: blocks in flight, one after the other, with their sequences.

use tidings_admit::{BlockPlaced, Producer, SequencedBlock};
use tidings_checker::Op;
use tidings_checker::history::Fence;
use tidings_event::block::BodyBuilder;
use tidings_event::block::crc32c;
use tidings_event::{Code, Refusal};

use super::{Ended, Parcel, Publisher, name_of};
use crate::network;
use crate::node::{Node, TENANT};

/// Most blocks that wait for their answers.
const UNDER_WAY: u64 = 4;

impl Publisher {
    /// One connection, as long as it lasts.
    pub(super) async fn connect(&self, node: &Node, is_sound: bool) {
        let epoch = self.kept().epoch;
        let Ok(Some(producer)) = self.open(node, epoch, is_sound).await else { return };
        while !self.is_done() {
            self.world.pause(200..10_000).await;
            if self.kept().doubtful.is_empty() {
                for _ in 0..self.world.number(1..UNDER_WAY) {
                    let parcel = self.next_parcel();
                    self.kept().doubtful.push(parcel);
                }
            }
            match self.send(node, &producer, is_sound).await {
                Ended::Well => {}
                Ended::InDoubt => return self.doubt("connection lost"),
                Ended::Fenced => {
                    self.kept().epoch = None;
                    return;
                }
            }
            if !is_sound && self.world.one_in(25) && self.kept().doubtful.is_empty() {
                return self.replace(node, &producer).await;
            }
        }
    }

    /// Asks for an epoch, or to go on in the one it has; `None` when that is refused.
    async fn open(
        &self,
        node: &Node,
        epoch: Option<u32>,
        is_sound: bool,
    ) -> Result<Option<Producer>, network::Cut> {
        network::trip(&self.world, is_sound).await?;
        let answer = node.admission.open_producer(TENANT, &self.plan.name, epoch).await;
        network::trip(&self.world, is_sound).await?;
        let producer = match answer {
            Ok(producer) => producer,
            Err(refusal) => {
                if matches!(refusal.code, Code::ProducerFenced | Code::ProducerUnknown) {
                    self.renew();
                }
                return Ok(None);
            }
        };
        if epoch.is_none() {
            let granted = producer.epoch();
            self.record(Op::Fence(Fence {
                producer: self.plan.name.as_str().into(),
                epoch: granted.into(),
            }));
            self.renew();
            self.kept().epoch = Some(granted);
        }
        Ok(Some(producer))
    }

    /// Sequences begin anew. It is only asked for when nothing is in doubt, or when an epoch that
    /// was granted was never heard of.
    fn renew(&self) {
        let mut kept = self.kept();
        kept.epoch = None;
        kept.sequences.clear();
        let mut doubtful = std::mem::take(&mut kept.doubtful);
        for parcel in &mut doubtful {
            let at = (parcel.topic.path, parcel.partition);
            let next = kept.sequences.entry(at).or_default();
            parcel.first_sequence = *next;
            *next += parcel.events.len() as u64;
        }
        kept.doubtful = doubtful;
    }

    /// Sends all blocks at once, in order, and hears the answers one by one.
    async fn send(&self, node: &Node, producer: &Producer, is_sound: bool) -> Ended {
        let parcels = self.kept().doubtful.clone();
        for parcel in &parcels {
            self.invoke(parcel, Some(producer.epoch()));
        }
        if network::trip(&self.world, is_sound).await.is_err() {
            return Ended::InDoubt;
        }
        let mut submitted = Vec::new();
        for parcel in &parcels {
            submitted.push(match block(parcel) {
                Ok(block) => node.admission.submit_block(producer, block).await,
                Err(refusal) => Err(refusal),
            });
        }
        let mut ended = Ended::Well;
        for (parcel, submitted) in parcels.iter().zip(submitted) {
            let answer = match submitted {
                Ok(submitted) => submitted.settled().await,
                Err(refusal) => Err(refusal),
            };
            if network::trip(&self.world, is_sound).await.is_err() {
                return Ended::InDoubt;
            }
            match answer {
                Ok(placed) => self.answered(parcel, &placed),
                Err(refusal) if refusal.code == Code::ProducerFenced => return Ended::Fenced,
                Err(_) => ended = Ended::InDoubt,
            }
        }
        ended
    }

    fn answered(&self, parcel: &Parcel, placed: &BlockPlaced) {
        self.kept().doubtful.retain(|doubtful| doubtful.events[0].id != parcel.events[0].id);
        let at = (placed.topic.name.path(), placed.partition.0);
        for (index, event) in (0u64..).zip(&parcel.events) {
            let offset = placed.base_offset.map(|base| base.0 + index);
            let duplicate = placed.duplicate || index < u64::from(placed.repeated);
            self.stored(event, at, offset, (duplicate, placed.epoch.0));
        }
    }

    /// A second process of the same producer takes over; what the first one sends then is refused.
    async fn replace(&self, node: &Node, old: &Producer) {
        if !matches!(self.open(node, None, true).await, Ok(Some(_))) {
            // It may have been granted all the same: what is sent in the one before could then be in doubt for ever.
            return self.renew();
        }
        let parcel = self.next_parcel();
        self.invoke(&parcel, Some(old.epoch()));
        let Ok(block) = block(&parcel) else { return };
        let refusal = match node.admission.submit_block(old, block).await {
            Ok(submitted) => submitted.settled().await.err(),
            Err(refusal) => Some(refusal),
        };
        let at = (parcel.topic.path, parcel.partition);
        self.kept().sequences.insert(at, parcel.first_sequence);
        match refusal {
            Some(refusal) => {
                self.world.count("producers fenced", 1);
                parcel.events.iter().for_each(|event| self.refused(event, refusal.code));
            }
            // The checker knows that this may not be.
            None => {
                for event in &parcel.events {
                    self.stored(event, at, None, (false, node_epoch(node)));
                }
            }
        }
    }
}

fn node_epoch(node: &Node) -> u32 {
    use tidings_log::PartitionLog;
    node.log.epoch().0
}

fn block(parcel: &Parcel) -> Result<SequencedBlock, Refusal> {
    let mut body = BodyBuilder::default();
    for event in &parcel.events {
        // A few small events always fit.
        let _fits = body.push(&event.bytes);
    }
    let (body, count) = body.take();
    Ok(SequencedBlock {
        body_crc: crc32c(&body),
        body,
        count,
        topic: name_of(&parcel.topic)?,
        partition: parcel.partition,
        partitions: parcel.topic.partitions,
        first_sequence: parcel.first_sequence,
    })
}
