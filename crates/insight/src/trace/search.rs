//! Looks for settlements of one event: from when it was taken in to now, within a bound.

use std::collections::HashMap;
use std::time::Duration;

use prost::Message;
use tidings_catalog::InternalTopic;
use tidings_event::block::events;
use tidings_event::{Code, Refusal, Timestamp, v1};
use tidings_log::{PartitionLog, ReadError};

use super::{LookedFor, TracedEvent};

/// Bytes of one read.
const READ_BYTES: usize = 1 << 20;

/// Most bytes of settlements that one search reads.
const SEARCH_BYTES_MAX: u64 = 64 << 20;

/// Settlements are looked for from so long before the event's time: the wall clock may go back.
const BEFORE: Duration = Duration::from_secs(600);

/// The newest settlement of the event for each subscription, by its number.
pub(crate) async fn settlements(
    log: &dyn PartitionLog,
    event: &TracedEvent<'_>,
) -> Result<(HashMap<u64, v1::Settlement>, LookedFor), Refusal> {
    let place = InternalTopic::SETTLEMENTS.about(event.position.partition);
    let mut looked = LookedFor::default();
    let mut ended: HashMap<u64, v1::Settlement> = HashMap::new();
    let before = u64::try_from(BEFORE.as_nanos()).unwrap_or(u64::MAX);
    let from = Timestamp(event.ingested_at.0.saturating_sub(before));
    let mut next = log.resolve_time(place, from).await.map_err(|error| unreadable(&error))?;
    let mut bytes = 0;
    loop {
        let blocks = match log.read(place, next, READ_BYTES).await {
            Ok(blocks) => blocks,
            Err(ReadError::Trimmed { trim, .. }) if trim > next => {
                next = trim;
                continue;
            }
            Err(ReadError::DataLoss { to, .. }) => {
                looked.damaged += 1;
                next = to.plus(1);
                continue;
            }
            Err(ReadError::OutOfRange { .. }) => return Ok((ended, looked)),
            Err(error) => return Err(unreadable(&error)),
        };
        let Some(last) = blocks.last() else { return Ok((ended, looked)) };
        if bytes >= SEARCH_BYTES_MAX {
            looked.is_cut = true;
            return Ok((ended, looked));
        }
        next = last.end_offset();
        for block in &blocks {
            looked.blocks += 1;
            bytes += block.block.body.len() as u64;
            let items = events(&block.block.body).map_while(Result::ok);
            let told = items.filter_map(|item| v1::Settlement::decode(item).ok());
            // The later one counts.
            ended.extend(told.filter(|of| speaks_of(of, event)).map(|of| (of.subscription_id, of)));
        }
        tokio::task::yield_now().await;
    }
}

fn speaks_of(settlement: &v1::Settlement, event: &TracedEvent<'_>) -> bool {
    let position = &event.position;
    settlement.topic_id == position.topic.0
        && settlement.partition == position.partition.0
        && settlement.epoch == position.epoch.0
        && (settlement.first..=settlement.last).contains(&position.offset.0)
}

fn unreadable(error: &ReadError) -> Refusal {
    Refusal::new(Code::Internal, format!("settlements cannot be read: {error}"))
}
