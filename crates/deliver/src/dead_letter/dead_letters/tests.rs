//! Letters over crashes: each event is buried once or not at all, and what is there can be read,
//! sent on its way again, removed, and grows too old.

use std::collections::BTreeMap as Map;

use proptest::prelude::*;
use prost::Message;
use tidings_catalog::{Boundary, Snapshot, Subscription, SubscriptionSpec};
use tidings_event::block::events;
use tidings_event::{Epoch, ManualClock, Timestamp, TopicId, v1};
use tidings_log::MemoryLog;
use tidings_telemetry::Counter;

use super::*;
use crate::dead_letter::{Attempt, AttemptOutcome, Reach, Reason, Selection};

const ID: SubscriptionId = SubscriptionId(9);

struct Rig {
    log: Arc<MemoryLog>,
    clock: Arc<ManualClock>,
    recorder: Arc<Recorder>,
    letters: Arc<DeadLetters>,
    room: Room,
}

impl Rig {
    async fn new(room: Room) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp(1_000)));
        let log = MemoryLog::new(Arc::clone(&clock) as Arc<dyn Clock>);
        for topic in InternalTopic::ALL {
            log.ensure_topic(&topic.spec()).await.unwrap();
        }
        Self::on(log, clock, room)
    }

    fn on(log: Arc<MemoryLog>, clock: Arc<ManualClock>, room: Room) -> Self {
        let recorder = Recorder::new();
        let shared = || Arc::clone(&log) as Arc<dyn PartitionLog>;
        let time = || Arc::clone(&clock) as Arc<dyn Clock>;
        let settlements = Settlements::new(shared(), time(), Arc::clone(&recorder));
        let settlements = Arc::new(settlements);
        let letters = DeadLetters::open(shared(), time(), Arc::clone(&recorder), settlements, room);
        let letters = letters.unwrap();
        Self { log, clock, recorder, letters, room }
    }

    fn crash(self) -> Self {
        Self::on(self.log.reopen(), self.clock, self.room)
    }

    async fn all(&self) -> Vec<DeadLetter> {
        self.letters.list(ID, None, usize::MAX).await.unwrap()
    }

    async fn positions(&self) -> Vec<u64> {
        self.all().await.into_iter().map(|letter| letter.position.offset.0).collect()
    }

    async fn redriven(&self) -> Vec<u64> {
        let all = self.letters.redriven(ID, None, (100, u64::MAX)).await.unwrap();
        all.into_iter().map(|letter| letter.position.offset.0).collect()
    }

    /// Offsets, outcomes and reasons of the settlements, in order.
    async fn settled(&self) -> Vec<(u64, u64, v1::settlement::Outcome, String)> {
        let place = InternalTopic::SETTLEMENTS.about(PartitionId(3));
        let blocks = self.log.read(place, Offset(0), 1 << 20).await.unwrap();
        let items = blocks.iter().flat_map(|block| events(&block.block.body).map(Result::unwrap));
        let said = items.map(|item| v1::Settlement::decode(item).unwrap());
        said.map(|said| (said.first, said.last, said.outcome(), said.reason)).collect()
    }
}

const PLENTY: Room = Room { letters: 1_000, bytes: 1 << 30 };

fn at(offset: u64) -> Position {
    Position {
        topic: TopicId(4),
        epoch: Epoch(1),
        partition: PartitionId(3),
        offset: Offset(offset),
    }
}

fn attempt(time: u64) -> Attempt {
    Attempt {
        at: Timestamp(time),
        consumer: "a".into(),
        outcome: AttemptOutcome::Nacked,
        detail: "no such instrument".into(),
    }
}

fn letter(offset: u64) -> Buried {
    Buried {
        position: at(offset),
        event: vec![offset as u8; 10].into(),
        reason: Reason::AttemptsExhausted,
        attempts: vec![attempt(1), attempt(2)],
        sent: 2,
    }
}

fn subscription() -> Arc<Subscription> {
    Arc::new(Subscription {
        id: ID,
        tenant: "default".into(),
        spec: SubscriptionSpec::new("risk", Vec::new()),
        created_at: Timestamp(1),
        boundary: Boundary::default(),
        is_paused: false,
        revisions: Vec::new(),
    })
}

fn reach() -> Reach {
    Reach::from([at(0).topic_partition()])
}

#[tokio::test]
async fn a_letter_keeps_its_bytes_its_reason_and_every_attempt_over_a_restart() {
    let rig = Rig::new(PLENTY).await;
    let large = Buried { event: vec![1; (1 << 20) - 16].into(), ..letter(2) };
    rig.letters.bury(ID, vec![letter(1), large.clone(), letter(3)]).await.unwrap();
    rig.letters.bury(ID, vec![letter(3), letter(1)]).await.unwrap();
    let rig = rig.crash();
    let wanted: Vec<DeadLetter> = [letter(1), large, letter(3)]
        .into_iter()
        .map(|buried| DeadLetter {
            position: buried.position,
            event: Some(buried.event),
            reason: buried.reason,
            dead_since: Timestamp(1_000),
            state: LetterState::Dead,
            attempts: buried.attempts,
        })
        .collect();
    assert_eq!(rig.all().await, wanted);
    assert_eq!(rig.letters.list(ID, Some(at(1)), 1).await.unwrap(), wanted[1..2]);
    assert_eq!(rig.letters.get(ID, at(3)).await.unwrap(), wanted[2]);
    let refusal = rig.letters.get(ID, at(4)).await.unwrap_err();
    assert_eq!(refusal.code, Code::DeadLetterUnknown);
    assert_eq!(rig.letters.counts(ID).letters, 3);
    assert_eq!(rig.recorder.gauge(Gauge::SettleDeadLetters), 3);
    assert_eq!(rig.recorder.gauge(Gauge::SettleDeadLetterBytes), (1 << 20) + 4);
}

#[tokio::test]
async fn a_crash_between_copy_and_record_leaves_nothing_that_counts() {
    let rig = Rig::new(PLENTY).await;
    rig.log.hold();
    let store = Arc::clone(&rig.letters);
    let burying = TaskTracker::new();
    let burying = burying.spawn(async move { store.bury(ID, vec![letter(1)]).await });
    let copies = InternalTopic::DEAD_LETTERS.about(PartitionId(3));
    while rig.log.bounds(copies).unwrap().tail == Offset(0) {
        tokio::task::yield_now().await;
    }
    rig.log.release_all();
    rig.log.hold();
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.letters.counts(ID).letters, 0, "a record is not durable yet");
    let rig = rig.crash();
    burying.abort();
    assert_eq!(rig.log.bounds(copies).unwrap().durable_tail, Offset(2), "the copy is durable");
    assert_eq!(rig.positions().await, [0; 0]);
    rig.letters.bury(ID, vec![letter(1)]).await.unwrap();
    assert_eq!(rig.positions().await, [1]);
}

#[tokio::test]
async fn a_full_store_refuses_and_takes_again_what_finds_room() {
    let rig = Rig::new(Room { letters: 2, bytes: 1 << 30 }).await;
    let error = rig.letters.bury(ID, vec![letter(1), letter(2), letter(3)]).await.unwrap_err();
    assert_eq!(error, BuryError::Full { letters: 2, bytes: 20 });
    assert_eq!(rig.letters.counts(ID).letters, 2);
    rig.letters.bury(SubscriptionId(8), vec![letter(3)]).await.unwrap();
    let freed = rig.letters.freed();
    let one = Selection::Positions(vec![at(1), at(7)]);
    let chosen = rig.letters.discard(subscription(), one, reach()).await.unwrap();
    assert_eq!((chosen.letters, chosen.missing), (1, vec![at(7)]));
    assert!(freed.has_changed().unwrap());
    rig.letters.bury(ID, vec![letter(3)]).await.unwrap();
    assert_eq!(rig.positions().await, [2, 3]);
    let rig = Rig::new(Room { letters: 10, bytes: 15 }).await;
    let error = rig.letters.bury(ID, (1..5).map(letter).collect()).await.unwrap_err();
    assert_eq!(error, BuryError::Full { letters: 2, bytes: 20 });
}

#[tokio::test]
async fn redriven_letters_come_in_offset_order_until_they_are_settled_over_restarts_too() {
    let rig = Rig::new(PLENTY).await;
    rig.letters.bury(ID, [5, 2, 9, 7].into_iter().map(letter).collect()).await.unwrap();
    let range = Selection::Range { from: at(3), to: Offset(8) };
    assert_eq!(rig.letters.redrive(ID, range, reach()).await.unwrap().letters, 2);
    let rig = rig.crash();
    assert_eq!(rig.redriven().await, [5, 7]);
    let chosen = rig.letters.redrive(ID, Selection::All, reach()).await.unwrap();
    assert_eq!(chosen.letters, 2, "those on their way already are not counted again");
    assert_eq!(rig.redriven().await, [2, 5, 7, 9]);
    let some = rig.letters.redriven(ID, Some(Place::of(&at(2))), (100, 20)).await.unwrap();
    assert_eq!(some.iter().map(|l| l.position).collect::<Vec<_>>(), [at(5), at(7)]);
    assert_eq!((&some[0].event[..], some[0].sent), (&[5u8; 10][..], 2));
    // One is settled, one fails again, and the others are not to be removed meanwhile.
    rig.letters.commit(rig.letters.settling(ID, &[Place::of(&at(5))])).await.unwrap();
    rig.letters.settled(ID, vec![Place::of(&at(5))]);
    let again = Buried { attempts: vec![attempt(3)], reason: Reason::Rejected, ..letter(7) };
    rig.letters.bury(ID, vec![again]).await.unwrap();
    let rig = rig.crash();
    assert_eq!(rig.redriven().await, [2, 9]);
    let seventh = rig.letters.get(ID, at(7)).await.unwrap();
    assert_eq!((seventh.state, seventh.reason), (LetterState::Dead, Reason::Rejected));
    assert_eq!(seventh.attempts, [attempt(1), attempt(2), attempt(3)]);
    let chosen = rig.letters.discard(subscription(), Selection::All, reach()).await.unwrap();
    assert_eq!(chosen.letters, 1);
    assert_eq!(rig.positions().await, [2, 9]);
    assert_eq!(rig.recorder.gauge(Gauge::SettleDeadLetters), 2);
}

#[tokio::test]
async fn what_is_removed_is_settled_first_and_age_removes_too() {
    let rig = Rig::new(PLENTY).await;
    rig.letters.bury(ID, vec![letter(1), letter(2)]).await.unwrap();
    rig.letters.discard(subscription(), Selection::Positions(vec![at(1)]), reach()).await.unwrap();
    let discarded = v1::settlement::Outcome::Discarded;
    assert_eq!(rig.settled().await, [(1, 1, discarded, "REQUESTED".to_owned())]);
    rig.clock.advance(InternalTopic::DEAD_LETTERS.age + Duration::from_secs(1));
    rig.letters.bury(ID, vec![letter(3)]).await.unwrap();
    rig.log.trim(rig.clock.wall()).await;
    assert_eq!(rig.positions().await, [3], "a letter without its bytes is not shown");
    // The sweep needs the subscription of a catalog, as it is there.
    let catalog = catalog(&rig).await;
    let rig = rig.crash();
    assert_eq!(rig.letters.sweep(catalog).await.unwrap(), 1);
    assert_eq!(rig.positions().await, [3]);
    let last = (2, 2, discarded, "EXPIRED_RETENTION".to_owned());
    assert_eq!(rig.settled().await.last(), Some(&last));
    assert_eq!(rig.recorder.counted(Counter::SettleDiscarded), 1);
    // A subscription that is gone takes its letters along.
    assert_eq!(rig.letters.sweep(Arc::default()).await.unwrap(), 0);
    assert_eq!(rig.crash().positions().await, [0; 0]);
}

#[tokio::test]
async fn letters_that_no_cursor_covered_are_told_of_once_after_each_crash() {
    let rig = Rig::new(PLENTY).await;
    let take = |rig: &Rig| rig.letters.take_uncovered(ID, at(0).topic_partition());
    rig.letters.bury(ID, (1..5).map(letter).collect()).await.unwrap();
    assert_eq!(take(&rig), [], "nothing was stopped yet");
    // One is covered, and one is removed meanwhile.
    rig.letters.commit(rig.letters.unmarking(ID, &[Place::of(&at(1))])).await.unwrap();
    let one = Selection::Positions(vec![at(3)]);
    rig.letters.discard(subscription(), one, reach()).await.unwrap();
    let mut rig = rig;
    for _ in 0..2 {
        rig = rig.crash();
        let why = Some(Reason::AttemptsExhausted);
        assert_eq!(take(&rig), [(2, why), (3, None), (4, why)]);
        assert_eq!(take(&rig), []);
        assert_eq!(rig.letters.unmark_rest(), []);
    }
    // Those that nobody takes are not told of for ever.
    let rig = rig.crash();
    let rest = rig.letters.unmark_rest();
    assert_eq!(rest.len(), 3);
    rig.letters.commit(rest).await.unwrap();
    assert_eq!(take(&rig.crash()), []);
}

/// A catalog in which the subscription has the number of these tests.
async fn catalog(rig: &Rig) -> Arc<Snapshot> {
    let shared = Arc::clone(&rig.log) as Arc<dyn PartitionLog>;
    let settings = tidings_catalog::CatalogSettings::default();
    let clock = Arc::clone(&rig.clock) as Arc<dyn Clock>;
    let catalog = tidings_catalog::Catalog::open(shared, settings, clock).await.unwrap();
    for number in 1..=ID.0 {
        let pattern = tidings_catalog::TopicPattern::parse("**").unwrap();
        let spec = SubscriptionSpec::new(format!("s{number}"), vec![pattern]);
        catalog.create_subscription("default", spec).await.unwrap();
    }
    catalog.snapshot()
}

#[derive(Clone, Debug)]
enum Act {
    Bury(Vec<u64>),
    Redrive(u64, u64),
    Settle(u64),
    Discard(u64),
    Crash,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        prop::collection::vec(0u64..12, 1..5).prop_map(Act::Bury),
        (0u64..12, 0u64..12).prop_map(|(from, to)| Act::Redrive(from, to)),
        (0u64..12).prop_map(Act::Settle),
        (0u64..12).prop_map(Act::Discard),
        Just(Act::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn letters_agree_with_a_map_over_crashes(acts in prop::collection::vec(act(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async move {
            let mut rig = Rig::new(PLENTY).await;
            // By offset: whether it is on its way again.
            let mut naive: Map<u64, bool> = Map::new();
            for act in acts {
                match act {
                    Act::Bury(offsets) => {
                        naive.extend(offsets.iter().map(|&offset| (offset, false)));
                        let all = offsets.into_iter().map(letter).collect();
                        rig.letters.bury(ID, all).await.unwrap();
                    }
                    Act::Redrive(from, to) => {
                        let range = Selection::Range { from: at(from), to: Offset(to) };
                        rig.letters.redrive(ID, range, reach()).await.unwrap();
                        let inside = naive.iter_mut().filter(|(o, _)| (from..=to).contains(o));
                        inside.for_each(|(_, redriving)| *redriving = true);
                    }
                    Act::Settle(offset) => {
                        if naive.get(&offset) == Some(&true) {
                            naive.remove(&offset);
                            let place = Place::of(&at(offset));
                            let changes = rig.letters.settling(ID, &[place]);
                            rig.letters.commit(changes).await.unwrap();
                            rig.letters.settled(ID, vec![place]);
                        }
                    }
                    Act::Discard(offset) => {
                        if naive.get(&offset) == Some(&false) {
                            naive.remove(&offset);
                        }
                        let one = Selection::Positions(vec![at(offset)]);
                        rig.letters.discard(subscription(), one, reach()).await.unwrap();
                    }
                    Act::Crash => rig = rig.crash(),
                }
                let wanted: Vec<u64> = naive.keys().copied().collect();
                assert_eq!(rig.positions().await, wanted);
                let on_their_way: Vec<u64> =
                    naive.iter().filter(|(_, r)| **r).map(|(&o, _)| o).collect();
                assert_eq!(rig.redriven().await, on_their_way);
                let is_on = |&offset: &u64| rig.letters.is_redriving(ID, Place::of(&at(offset)));
                assert_eq!((0..12).filter(is_on).collect::<Vec<_>>(), on_their_way);
                let waiting = on_their_way.first().map(|_| ID);
                assert_eq!(rig.letters.redriving(), Vec::from_iter(waiting));
                let counts = rig.letters.counts(ID);
                assert_eq!(counts.letters, wanted.len() as u64);
                assert_eq!(counts.redriving, on_their_way.len() as u64);
            }
        });
    }
}
