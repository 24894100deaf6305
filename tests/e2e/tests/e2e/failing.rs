//! Events that fail, on the real executable: only what failed comes again, only its key waits, and
//! what is given up lies among the dead letters, from where it comes back in order.

use serde_json::{Value, json};
use tidings_e2e::{Desk, Pulled, Server, ask, indicator};

const TOPICS: &[&str] = &["analysis/**"];
const BAD: &str = "KEY3";

/// Publishes events by key and number, in order, and waits until they are durable.
fn publish<'a>(server: &Server, events: impl IntoIterator<Item = (&'a str, u64)>) {
    let text = |(key, number): (&str, u64)| {
        tidings_event::json::to_json(&indicator(key, "1m", number)).unwrap()
    };
    let body = format!("[{}]", events.into_iter().map(text).collect::<Vec<_>>().join(","));
    let answer = ask(server, "POST /api/v1/events", "application/json", body.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn start() -> (tempfile::TempDir, Server) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    (dir, server)
}

fn numbers(events: &[Pulled]) -> Vec<u64> {
    events.iter().map(|event| event.number).collect()
}

/// Gives back every event of the bad key, acknowledges the others, until one of it comes that is
/// not `first`; answers how often the first one came, and the next one.
fn fail_until_the_next(desk: &Desk<'_>, first: u64, others_wanted: u64) -> (Vec<Pulled>, Pulled) {
    let (mut others_seen, mut tries) = (0, Vec::<Pulled>::new());
    loop {
        let (bad, others): (Vec<_>, _) =
            desk.pull(10).into_iter().partition(|event| event.instrument == BAD);
        others_seen += others.len() as u64;
        assert!(desk.ack(&others).iter().all(|state| state == "confirmed"));
        if let Some(next) = bad.iter().find(|event| event.number != first) {
            assert_eq!(others_seen, others_wanted);
            return (tries, next.clone());
        }
        desk.nack(&bad);
        tries.extend(bad);
        if others_seen == others_wanted && tries.len() < 7 {
            assert_eq!(desk.letters(), [] as [Value; 0], "the others were done meanwhile");
        }
    }
}

#[test]
fn nine_keys_pass_one_that_always_fails_and_ends_in_dead_letters_nobody_configured() {
    const EACH: u64 = 20;
    let (_dir, server) = start();
    let keys: Vec<String> = (0..10).map(|n| format!("KEY{n}")).collect();
    publish(&server, [(BAD, 0)]);
    let desk = Desk::open(&server, "desk", TOPICS, &json!({}));
    let first = desk.pull(10);
    desk.nack(&first);
    // Everything that follows comes while it fails.
    let all = (0..EACH).flat_map(|n| keys.iter().map(move |key| (key.as_str(), n)));
    publish(&server, all.filter(|&event| event != (BAD, 0)));
    let (tries, next) = fail_until_the_next(&desk, 0, 9 * EACH);
    let tries = [first, tries].concat();
    let attempts: Vec<u64> = tries.iter().map(Pulled::attempt).collect();
    assert_eq!(attempts, (1..=8).collect::<Vec<_>>());
    assert_eq!((next.number, next.attempt()), (1, 1), "the key goes on");
    let skipped = json!([tries[0].item["offset"]]);
    assert_eq!(next.item["skipped_to_dead_letter"], skipped, "and says what it goes on without");

    let letters = desk.letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    let letter = &letters[0];
    assert_eq!(letter["event"], tries[0].item["event"], "as it was published");
    assert_eq!(letter["position"], tries[0].position());
    assert_eq!(
        (&letter["reason"], &letter["state"]),
        (&json!("ATTEMPTS_EXHAUSTED"), &json!("dead"))
    );
    let attempts = letter["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 8, "{letter}");
    for attempt in attempts {
        assert_eq!((&attempt["outcome"], &attempt["consumer"]), (&json!("NACKED"), &json!("desk")));
    }
    let position = letter["position"].as_str().unwrap();
    assert_eq!(desk.call("GET", &format!("/dead-letters/{position}"), &Value::Null), *letter);
}

#[test]
fn of_a_batch_of_a_hundred_only_the_one_that_was_given_back_comes_again() {
    let (_dir, server) = start();
    publish(&server, (0..100).map(|n| ("AAPL", n)));
    let desk = Desk::open(&server, "desk", TOPICS, &json!({}));
    let batch = desk.pull(100);
    assert_eq!(numbers(&batch), (0..100).collect::<Vec<_>>());
    let (bad, good): (Vec<_>, _) = batch.into_iter().partition(|event| event.number == 37);
    assert_eq!(desk.nack(&bad).len(), 1);
    assert_eq!(desk.ack(&good), vec!["confirmed"; 99]);
    let again = desk.pull(100);
    assert_eq!(numbers(&again), [37]);
    assert_eq!((again[0].attempt(), &again[0].item["redelivered"]), (2, &json!(true)));
    assert_eq!(desk.ack(&again), ["confirmed"]);
    // What comes after it is the next event, not one of the ninety-nine.
    publish(&server, [("AAPL", 100)]);
    assert_eq!(numbers(&desk.pull(100)), [100]);
    assert_eq!(desk.letters(), [] as [Value; 0]);
}
