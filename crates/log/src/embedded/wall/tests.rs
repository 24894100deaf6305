//! Whatever the wall clock does, nothing is older than it is.

use proptest::prelude::*;

use super::*;

const DAY: Duration = Duration::from_secs(86_400);
const YEARS: Duration = Duration::from_secs(10 * 365 * 86_400);
const START: Timestamp = Timestamp(1_700_000_000_000_000_000);

fn later(time: Timestamp, by: Duration) -> Timestamp {
    Timestamp(time.0 + nanos(by))
}

#[test]
fn a_clock_that_is_ahead_is_followed_when_it_is_stable_and_makes_nothing_older() {
    let mut guard = WallGuard::default();
    let seconds = Duration::from_secs;
    assert!(!guard.look(START, seconds(0)).doubted);
    let leapt = later(START, YEARS);
    for at in [1, 300, 600] {
        let now = guard.look(later(leapt, seconds(at)), seconds(at));
        assert_eq!((now.time, now.doubted), (later(START, seconds(at)), true));
    }
    let now = guard.look(later(leapt, seconds(601)), seconds(601));
    assert_eq!((now.time, now.doubted), (later(leapt, seconds(601)), false));
    assert!(!now.is_older(START, DAY), "it is ten minutes old");
    let later_on = guard.look(later(leapt, DAY + seconds(1)), DAY + seconds(1));
    assert!(later_on.is_older(START, DAY), "it is a day old");
    assert!(!later_on.is_older(leapt, DAY + seconds(2)), "what was stored since ages as ever");
    assert!(later_on.is_older(leapt, DAY));
}

#[test]
fn a_clock_that_is_behind_stands_or_creeps_is_not_followed() {
    let seconds = Duration::from_secs;
    for wall in [Timestamp(0), Timestamp(START.0 - nanos(YEARS)), START] {
        let mut guard = WallGuard::default();
        assert!(!guard.look(START, seconds(0)).doubted);
        for hour in 2..100 {
            let now = guard.look(wall, seconds(hour * 3600));
            assert_eq!((now.time, now.doubted), (later(START, seconds(hour * 3600)), true));
        }
    }
    let (mut guard, mut wall) = (WallGuard::default(), START);
    for minute in 0..9 {
        let now = guard.look(wall, seconds(minute * 60));
        assert!(now.time <= later(START, seconds(3600 + minute * 60)), "{now:?}");
        wall = later(wall, seconds(3000));
    }
}

#[test]
fn a_week_may_pass_at_a_restart_and_ten_years_may_not() {
    let seconds = Duration::from_secs;
    let after = |stop: Duration| {
        let mut guard = WallGuard::after(Some(START), Leap::default(), seconds(5));
        guard.look(later(START, stop), seconds(6))
    };
    assert_eq!(after(6 * DAY).time, later(START, 6 * DAY));
    let jumped = after(YEARS);
    assert_eq!((jumped.time, jumped.doubted), (later(START, seconds(1)), true));
    // Once it has agreed, a week is a jump as well.
    let mut guard = WallGuard::after(Some(START), Leap::default(), seconds(5));
    assert!(!guard.look(later(START, DAY), seconds(6)).doubted);
    assert!(guard.look(later(START, 3 * DAY), seconds(7)).doubted);
    let record = (START, Leap::default());
    assert!(WallGuard::is_news(None, &jumped) && WallGuard::is_news(Some(record), &after(DAY)));
    assert!(!WallGuard::is_news(Some(record), &jumped));
}

#[test]
fn a_leap_before_a_restart_makes_nothing_older_after_it() {
    let seconds = Duration::from_secs;
    let leap = Leap { before: later(START, seconds(600)), nanos: nanos(YEARS) };
    let wall = later(START, YEARS);
    let mut guard = WallGuard::after(Some(wall), leap, seconds(5));
    let now = guard.look(later(wall, DAY), seconds(6));
    assert_eq!(now, Now { time: later(wall, DAY), leap, doubted: false });
    assert!(!now.is_older(START, 2 * DAY), "stored before it leapt: it is a day old");
    assert!(now.is_older(START, DAY - seconds(1)));
    // And what is recorded next still tells of it.
    assert!(!WallGuard::is_news(Some((wall, leap)), &Now { time: wall, ..now }));
    assert!(WallGuard::is_news(Some((wall, Leap::default())), &Now { time: wall, ..now }));
    // As it does in doubt, and at the next leap it adds up.
    let mut guard = WallGuard::after(Some(wall), leap, seconds(0));
    let again = later(wall, YEARS);
    assert_eq!(guard.look(again, seconds(0)), Now { time: wall, leap, doubted: true });
    let now = guard.look(later(again, seconds(600)), seconds(600));
    assert_eq!((now.doubted, now.leap.nanos), (false, 2 * nanos(YEARS)));
    assert!(!now.is_older(START, DAY));
}

proptest! {
    /// Blocks are stamped as admission does, by a clock of its own that makes of the wall what this
    /// one makes of it; none is taken for older than it is by the hour that is tolerated.
    #[test]
    fn nothing_is_ever_taken_for_older_than_it_is(
        walls in prop::collection::vec((0_i64..3, -20_i64..20, 1_u64..30), 1..60),
        age in 3_u64..300,
    ) {
        let (mut guard, mut stamps, mut passed) = (WallGuard::default(), Vec::new(), 0);
        let (mut off, mut last) = (0_i64, Timestamp(0));
        for (kind, hours, minutes) in walls {
            // Jumps by hours, small steps by minutes, or none.
            off += match kind { 0 => hours * 3600, 1 => hours * 60, _ => 0 };
            passed += minutes * 60;
            let true_time = later(START, Duration::from_secs(passed));
            let wall = Timestamp(true_time.0.saturating_add_signed(off * 1_000_000_000));
            let now = guard.look(wall, Duration::from_secs(passed));
            last = last.max(now.time);
            for (stamp, at) in &stamps {
                let really = Duration::from_secs(passed - at);
                let asked = Duration::from_secs(age * 3600);
                if now.is_older(*stamp, asked) {
                    prop_assert!(really + 2 * TOLERANCE >= asked, "{really:?} old, not {asked:?}");
                }
            }
            stamps.push((last, passed));
        }
    }
}
