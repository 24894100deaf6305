//! Reads the past once for all subscriptions with filters that are behind in a partition.
//!
//! Whoever is behind joins those who walk through the partition. One of them reads the stretch of the
//! log that begins where the last of them is, has every filter of the topic looked up in it by the
//! index, and hands each walker who is somewhere in the stretch its share: no event is judged for one
//! alone. Because the last ones go first, those who are near each other come to walk together; who is
//! far behind walks alone, so that nobody waits long for it. Who has enough waiting leaves, and joins
//! again when that was sent.
//!
//! In a stretch is what the filters were when it was looked up. It serves those whose filters were in
//! the index then, and are still; before a boundary between two filters each reads for itself.

mod lane;
mod stretch;

use std::pin::pin;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tidings_catalog::SubscriptionId;
use tidings_event::{Offset, TopicPartition};
use tidings_log::PartitionLog;
use tidings_telemetry::{Counter, Recorder};

use crate::live::Live;
use crate::routes::{Route, Routes};

use lane::Lane;
pub(crate) use stretch::Stretch;

/// Partitions are read by so many side by side.
const LANES: u64 = 16;

/// After so many stretches of which it takes nothing a subscription lets others have their turn.
const AT_ONCE: usize = 16;

/// Who takes part: a subscription, and the revision whose filter decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asker {
    pub(crate) id: SubscriptionId,
    pub(crate) revision: u32,
}

/// See the module.
pub(crate) struct CatchUp {
    log: Arc<dyn PartitionLog>,
    routes: Arc<ArcSwap<Routes>>,
    recorder: Arc<Recorder>,
    /// Most bytes of one stretch.
    read_bytes: usize,
    lanes: Vec<Lane>,
}

impl CatchUp {
    pub(crate) fn new(
        log: Arc<dyn PartitionLog>,
        routes: Arc<ArcSwap<Routes>>,
        recorder: Arc<Recorder>,
        read_bytes: usize,
    ) -> Self {
        let lanes = (0..LANES).map(|_| Lane::default()).collect();
        Self { log, routes, recorder, read_bytes, lanes }
    }

    /// Gives a subscription what comes from an offset on. Says whether it could: where it cannot, the
    /// subscription reads for itself, and learns why.
    pub(crate) async fn serve(&self, live: &Arc<Live>, place: TopicPartition, from: u64) -> bool {
        let Some(asker) = live.lock().asks(place, from) else { return false };
        let Some((lane, route)) = self.join((place, from), live, asker) else { return false };
        // While this waits others may read what it needs elsewhere.
        let elsewhere = live.lock().unread_places(asker);
        for other in elsewhere.into_iter().filter(|(other, _)| *other != place) {
            self.join(other, live, asker);
        }
        for number in 0..AT_ONCE {
            let mut changed = pin!(live.changed.notified());
            // From here on a change is not missed.
            changed.as_mut().enable();
            let _turn = tokio::select! {
                biased;
                turn = lane.turn() => turn,
                // It may have something to send: that goes first.
                () = changed => return true,
            };
            // Others may have read it in the meantime.
            let Some(at) = live.lock().unread(place, asker) else {
                self.recorder.count(Counter::DeliverCatchUpShared, u64::from(number == 0));
                break;
            };
            // Those who are ready to ask, too, join before it is read.
            tokio::task::yield_now().await;
            let last = lane.last(place, at);
            if !self.walk(lane, &route, place, last).await {
                // What cannot be read is for those to learn who are there.
                lane.leave(place, last);
                if last == at {
                    return at != from;
                }
            }
        }
        true
    }

    /// Forgets those of partitions that are gone, and those that are gone themselves.
    pub(crate) fn tidy(&self) {
        let routes = self.routes.load();
        self.lanes.iter().for_each(|lane| lane.tidy(|place| routes.contains_key(&place.topic)));
    }

    /// A subscription takes part in a partition; nothing where its filter is not in the index.
    fn join(
        &self,
        (place, at): (TopicPartition, u64),
        live: &Arc<Live>,
        asker: Asker,
    ) -> Option<(&Lane, Arc<Route>)> {
        let route = self.routes.load().get(&place.topic).map(Arc::clone)?;
        let since = route.since(asker.id, asker.revision)?;
        let number = (place.topic.0 ^ u64::from(place.partition.0)) % LANES;
        let lane = self.lanes.get(usize::try_from(number).ok()?)?;
        lane.join((place, at), live, asker, since);
        Some((lane, route))
    }

    /// Reads a stretch, and gives everybody there a share. Says whether it could be read.
    async fn walk(&self, lane: &Lane, route: &Route, place: TopicPartition, at: u64) -> bool {
        self.recorder.count(Counter::DeliverCatchUpReads, 1);
        let Ok(blocks) = self.log.read(place, Offset(at), self.read_bytes).await else {
            return false;
        };
        let Some(stretch) = lane.look_up(blocks, route) else { return false };
        lane.hand_out(place, &stretch, route);
        true
    }
}
