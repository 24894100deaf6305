//! Levels begin and end where they should, what is told is told once, and what can be spared goes.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidings_telemetry::{Counter, Gauge, Memory, MemoryLevel, Recorder};

use super::{CLOSE_LOOK, LOOK, Pressure, after, resident};

use MemoryLevel::{Normal, Refuse, Shed};

const BUDGET: u64 = 1_000_000;

#[test]
fn levels_begin_higher_than_they_end() {
    let mut level = Normal;
    for (hundredths, expected) in [
        (91, Normal),
        (92, Shed),
        (91, Shed),
        (94, Shed),
        (95, Refuse),
        (93, Refuse),
        (92, Shed),
        (90, Shed),
        (89, Normal),
        (99, Refuse),
        (120, Refuse),
        (50, Normal),
        (94, Shed),
    ] {
        level = after(level, BUDGET / 100 * hundredths, BUDGET);
        assert_eq!(level, expected, "at {hundredths} %");
    }
    assert_eq!(after(Normal, 919_999, BUDGET), Normal);
    assert_eq!(after(Normal, u64::MAX, u64::MAX), Refuse);
}

#[test]
fn the_system_says_what_this_process_holds() {
    assert!(resident()().unwrap() > 1 << 20);
}

thread_local! {
    static GIVEN_BACK: Cell<u64> = const { Cell::new(0) };
}

/// A process that holds so much, some of which it can spare.
struct Process {
    used: Arc<AtomicU64>,
    asked: Arc<AtomicU64>,
    pressure: Pressure,
}

impl Process {
    fn holding(used: u64, spare: u64) -> Self {
        let (used, spare) = (Arc::new(AtomicU64::new(used)), AtomicU64::new(spare));
        let (read, mine) = (Arc::clone(&used), Arc::clone(&used));
        let asked = Arc::<AtomicU64>::default();
        let told = Arc::clone(&asked);
        let pressure = Pressure {
            budget: BUDGET,
            used: Box::new(move || Some(read.load(Ordering::SeqCst)).filter(|&used| used > 0)),
            holders: vec![Box::new(move |level| {
                told.store(u64::from(level.number()), Ordering::SeqCst);
                let bytes = spare.swap(0, Ordering::SeqCst);
                mine.fetch_sub(bytes, Ordering::SeqCst);
                bytes
            })],
            give_back: || GIVEN_BACK.with(|times| times.set(times.get() + 1)),
            memory: Memory::default(),
            recorder: Recorder::new(),
            since_shed: LOOK,
            is_blind: false,
        };
        Self { used, asked, pressure }
    }

    /// Looks; the level, as all see it, and when it is looked again.
    fn look(&mut self) -> (MemoryLevel, i64, Duration) {
        let pause = self.pressure.look();
        let shown = self.pressure.recorder.gauge(Gauge::MemoryLevel);
        (self.pressure.memory.level(), shown, pause)
    }
}

#[test]
fn what_can_be_spared_goes_and_the_level_falls() {
    let mut process = Process::holding(930_000, 300_000);
    assert_eq!(process.look(), (Shed, 1, CLOSE_LOOK));
    assert_eq!(process.asked.load(Ordering::SeqCst), 1);
    assert_eq!(process.look(), (Normal, 0, LOOK));
    let recorder = &process.pressure.recorder;
    assert_eq!(recorder.counted(Counter::MemorySheds), 1);
    assert_eq!(recorder.counted(Counter::MemoryShedBytes), 300_000);
    assert_eq!(recorder.gauge(Gauge::MemoryUsed), 630_000);
    assert_eq!(GIVEN_BACK.with(Cell::get), 1);
}

#[test]
fn what_cannot_be_spared_has_the_level_stay_until_it_is_gone() {
    let mut process = Process::holding(960_000, 0);
    let looks = LOOK.as_millis() / CLOSE_LOOK.as_millis();
    for _ in 0..looks * 3 {
        assert_eq!(process.look(), (Refuse, 2, CLOSE_LOOK));
    }
    assert_eq!(process.asked.load(Ordering::SeqCst), 2);
    // Free pages are given back now and then, not at every close look.
    assert_eq!(GIVEN_BACK.with(Cell::get), 3);
    assert_eq!(process.pressure.recorder.counted(Counter::MemorySheds), 0);
    process.used.store(925_000, Ordering::SeqCst);
    assert_eq!(process.look(), (Shed, 1, CLOSE_LOOK));
    process.used.store(850_000, Ordering::SeqCst);
    assert_eq!(process.look(), (Normal, 0, CLOSE_LOOK));
}

#[test]
fn it_is_looked_at_until_nobody_wants_that_any_more() {
    let Process { used, pressure, .. } = Process::holding(960_000, 0);
    let (memory, recorder) = (pressure.memory.clone(), Arc::clone(&pressure.recorder));
    let looking = pressure.watch().unwrap();
    for (holds, level) in [(960_000, Refuse), (500_000, Normal), (930_000, Shed)] {
        used.store(holds, Ordering::SeqCst);
        while memory.level() != level {
            std::thread::yield_now();
        }
    }
    assert_eq!(recorder.gauge(Gauge::MemoryBudget), i64::try_from(BUDGET).unwrap());
    drop(looking);
    // Nobody holds the reader of what is used any more.
    assert_eq!(Arc::strong_count(&used), 1);
}

#[test]
fn a_process_that_cannot_be_looked_at_is_refused_nothing_until_it_can() {
    let mut process = Process::holding(960_000, 0);
    assert_eq!(process.look(), (Refuse, 2, CLOSE_LOOK));
    process.used.store(0, Ordering::SeqCst);
    assert_eq!(process.look(), (Normal, 0, LOOK));
    assert!(process.pressure.is_blind);
    process.used.store(960_000, Ordering::SeqCst);
    assert_eq!(process.look(), (Refuse, 2, CLOSE_LOOK));
    assert!(!process.pressure.is_blind);
}
