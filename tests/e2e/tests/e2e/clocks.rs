//! The wall clock jumps, stands still or runs wild under the running service: times on display change,
//! and nothing else: neither order nor repeats, retries, deadlines, what is kept, what is delivered.

use serde_json::{Value, json};
use tidings_e2e::{Desk, Server, Shim, Wall, ask, indicator};
use tidings_event::{Clock, SystemClock, Timestamp};

const JSON: &str = "application/json";
const TOPICS: &[&str] = &["analysis/**"];
const HOUR: i64 = 3_600;
const YEARS: i64 = 10 * 365 * 86_400;

/// What clocks do, and some of what they cannot.
const WALLS: [Wall; 9] = [
    Wall::Off(HOUR),
    Wall::Off(-HOUR),
    Wall::Off(YEARS),
    Wall::Off(-YEARS),
    Wall::Frozen(1_700_000_000),
    Wall::Frozen(-86_400),
    // Beyond 2262, where signed nanoseconds end.
    Wall::Frozen(10_000_000_000),
    Wall::Jumping(YEARS),
    Wall::True,
];

/// Publishes an event that is of no use two hours from now.
fn publish(server: &Server, number: u64) -> Value {
    let text = tidings_event::json::to_json(&indicator("AAPL", "1m", number)).unwrap();
    let mut event: Value = serde_json::from_str(&text).unwrap();
    let in_two_hours = SystemClock::new().wall().0 + 7_200_000_000_000;
    event["expires_at"] = json!(Timestamp(in_two_hours).to_string());
    let answer = ask(server, "POST /api/v1/events", JSON, event.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["results"][0].clone()
}

#[test]
fn whatever_the_wall_clock_shows_events_are_numbered_deduplicated_retried_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let shim = Shim::over(&data);
    let mut command = shim.command();
    command.env("TIDINGS_LOG__TRIM_INTERVAL_SECONDS", "1");
    let server = Server::start_by(command, &data);
    // Deadlines, delays and ends of subscriptions go by the other clock.
    let more =
        json!({"expires_after_ms": 3_600_000, "retry": {"min_backoff_ms": 1, "max_backoff_ms": 5}});
    let desk = Desk::open(&server, "desk", TOPICS, &more);
    let mut expected = 0;
    for wall in WALLS {
        shim.wall(wall);
        for _ in 0..3 {
            let placed = publish(&server, expected);
            assert_eq!(placed["offset"], expected, "{wall:?}: {placed}");
            let again = publish(&server, expected);
            assert_eq!((&again["offset"], &again["duplicate"]), (&json!(expected), &json!(true)));
            expected += 1;
        }
        let pulled = desk.pull(10);
        assert_eq!(pulled[0].attempt(), 1, "{wall:?}");
        let _given_back = desk.nack(&pulled[..1]);
        let mut open = pulled;
        // What failed comes again at once, once, and what it held back after it.
        let first = open.remove(0);
        assert!(desk.ack(&open).iter().all(|state| state == "confirmed"), "{wall:?}");
        let again = desk.pull(10);
        assert_eq!((again[0].number, again[0].attempt()), (first.number, 2), "{wall:?}");
        assert!(desk.ack(&again).iter().all(|state| state == "confirmed"), "{wall:?}");
        while desk.status()["lag_events"] != 0 {
            let rest = desk.pull_within(10, 100);
            assert!(desk.ack(&rest).iter().all(|state| state == "confirmed"), "{wall:?}");
        }
        assert_eq!(desk.letters(), [] as [Value; 0], "{wall:?}: retries are not used up");
    }
    // Everything is still there.
    let all = Desk::open(&server, "all", TOPICS, &json!({}));
    let mut numbers = Vec::new();
    while (numbers.len() as u64) < expected {
        let pulled = all.pull(1000);
        assert!(all.ack(&pulled).iter().all(|state| state == "confirmed"));
        numbers.extend(pulled.iter().map(|event| event.number));
    }
    assert_eq!(numbers, (0..expected).collect::<Vec<_>>());
    assert_eq!(server.terminate().code, Some(0));
}

#[test]
fn a_jump_across_a_restart_takes_nothing_away() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let shim = Shim::over(&data);
    let start = || {
        let mut command = shim.command();
        command.env("TIDINGS_LOG__TRIM_INTERVAL_SECONDS", "1");
        Server::start_by(command, &data)
    };
    let server = start();
    for number in 0..5 {
        publish(&server, number);
    }
    // Before retention ran even once.
    server.kill();
    for (life, wall) in (1..).zip([Wall::Off(YEARS), Wall::Off(-YEARS), Wall::True]) {
        shim.wall(wall);
        let server = start();
        let desk = Desk::open(&server, &format!("desk-{life}"), TOPICS, &json!({}));
        if wall != Wall::True {
            until_doubted(&server);
        }
        let pulled = desk.pull(1000);
        let numbers: Vec<u64> = pulled.iter().map(|event| event.number).collect();
        assert_eq!(numbers, (0..4 + life).collect::<Vec<_>>(), "{wall:?}");
        let again = publish(&server, 0);
        assert_eq!((&again["offset"], &again["duplicate"]), (&json!(0), &json!(true)), "{wall:?}");
        publish(&server, 4 + life);
        assert_eq!(server.terminate().code, Some(0));
    }
}

/// Waits until retention ran and says that it doubts the clock.
fn until_doubted(server: &Server) {
    let doubts =
        || ask(server, "GET /metrics", "", b"").body.contains("tidings_log_wall_doubted 1");
    while !doubts() {}
}
