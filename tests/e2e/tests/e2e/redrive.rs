//! Dead letters on their way back: one, a range, all, in strict order while new events of the key come;
//! and those that nobody wants any more.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tidings_e2e::{Desk, Pulled, Server, ask, indicator};

const TOPICS: &[&str] = &["analysis/**"];
const BAD: &str = "KEY3";

fn publish(server: &Server, key: &str, numbers: std::ops::Range<u64>) {
    let text = |number| tidings_event::json::to_json(&indicator(key, "1m", number)).unwrap();
    let body = format!("[{}]", numbers.map(text).collect::<Vec<_>>().join(","));
    let answer = ask(server, "POST /api/v1/events", "application/json", body.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// A subscription of which the first so many events of the bad key are dead letters.
fn with_letters<'a>(server: &'a Server, letters: u64) -> Desk<'a> {
    let once = json!({"retry": {"max_attempts": 1}});
    let desk = Desk::open(server, "desk", TOPICS, &once);
    publish(server, BAD, 0..letters);
    while (desk.letters().len() as u64) < letters {
        let refused = desk.pull_within(100, 1_000);
        desk.nack(&refused);
    }
    desk
}

fn start() -> (tempfile::TempDir, Server) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    (dir, server)
}

fn numbers(events: &[Pulled]) -> Vec<u64> {
    events.iter().map(|event| event.number).collect()
}

/// So many events, as they come, all acknowledged.
fn take(desk: &Desk<'_>, count: usize) -> Vec<u64> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let pulled = desk.pull(7);
        taken.extend(numbers(&pulled));
        assert!(desk.ack(&pulled).iter().all(|state| state == "confirmed"));
    }
    taken
}

fn positions(desk: &Desk<'_>) -> Vec<Value> {
    desk.letters().iter().map(|letter| letter["position"].clone()).collect()
}

#[test]
fn redriven_letters_come_in_strict_order_while_new_events_of_the_key_are_published() {
    const LETTERS: u64 = 5;
    const NEW: u64 = 60;
    let (_dir, server) = start();
    let desk = with_letters(&server, LETTERS);
    let redriven = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in LETTERS..LETTERS + NEW {
                publish(&server, BAD, number..number + 1);
                // The last ones come while the letters are on their way.
                while number == LETTERS + NEW / 2 && !redriven.load(Ordering::Acquire) {
                    std::thread::yield_now();
                }
            }
        });
        let changed = desk.call("POST", "/dead-letters/redrive", &json!({"all": true}));
        redriven.store(true, Ordering::Release);
        assert_eq!(changed["letters"], LETTERS, "{changed}");
        take(&desk, (LETTERS + NEW) as usize)
    });
    // New ones may be sent before the letters are on their way; from then on they wait.
    let from = seen.iter().position(|&number| number == 0).unwrap();
    let (before, rest) = seen.split_at(from);
    let (letters, after) = rest.split_at(LETTERS as usize);
    assert_eq!(letters, (0..LETTERS).collect::<Vec<_>>(), "{seen:?}");
    assert_eq!([before, after].concat(), (LETTERS..LETTERS + NEW).collect::<Vec<_>>());
    assert_eq!(positions(&desk), [] as [Value; 0], "they were delivered after all");
    assert_eq!(desk.status()["lag_events"], 0);
}

#[test]
fn one_a_range_and_all_are_redriven_and_what_is_discarded_stays_away() {
    let (_dir, server) = start();
    let desk = with_letters(&server, 8);
    let all = positions(&desk);
    let redrive = |chosen: Value| desk.call("POST", "/dead-letters/redrive", &chosen);
    let discard = |chosen: Value| desk.call("POST", "/dead-letters/discard", &chosen);

    assert_eq!(redrive(json!({"positions": [all[2]]}))["letters"], 1);
    assert_eq!(take(&desk, 1), [2]);
    assert_eq!(redrive(json!({"from": all[3], "to": all[4]}))["letters"], 2);
    assert_eq!(take(&desk, 2), [3, 4]);
    assert_eq!(discard(json!({"positions": [all[0]]}))["letters"], 1);
    let missing = redrive(json!({"positions": [all[0]]}));
    assert_eq!((&missing["letters"], &missing["missing"]), (&json!(0), &json!([all[0]])));
    assert_eq!(redrive(json!({"all": true}))["letters"], 4);
    assert_eq!(take(&desk, 4), [1, 5, 6, 7]);
    assert_eq!(positions(&desk), [] as [Value; 0]);
    // Nothing of it comes again.
    publish(&server, BAD, 8..9);
    assert_eq!(take(&desk, 1), [8]);
}

#[test]
fn a_redriven_letter_that_fails_again_is_dead_again_with_all_its_attempts_over_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    let desk = with_letters(&server, 1);
    assert_eq!(desk.letters()[0]["attempts"].as_array().unwrap().len(), 1);
    let _changed = desk.call("POST", "/dead-letters/redrive", &json!({"all": true}));
    let again = desk.pull(10);
    assert_eq!((numbers(&again), again[0].attempt()), (vec![0], 2));
    desk.nack(&again);
    let letter = loop {
        let letter = desk.letters().remove(0);
        if letter["state"] == "dead" {
            break letter;
        }
    };
    assert_eq!(letter["attempts"].as_array().unwrap().len(), 2, "{letter}");
    let _changed = desk.call("POST", "/dead-letters/redrive", &json!({"all": true}));
    server.kill();

    let server = Server::start(&data);
    let desk = Desk::of(&server, "desk", "desk");
    assert_eq!(desk.letters()[0]["state"], "redriving");
    assert_eq!(take(&desk, 1), [0]);
    assert_eq!(positions(&desk), [] as [Value; 0]);
}

#[test]
fn what_is_said_with_a_nack_is_shown_with_the_letter() {
    let (dir, server) = start();
    let desk =
        Desk::open(&server, "desk", &["analysis/**"], &json!({"retry": {"max_attempts": 1}}));
    publish(&server, BAD, 0..1);
    let ids: Vec<_> = desk.pull(1).iter().map(Pulled::ack_id).collect();
    let said = json!({"ack_ids": ids, "detail": "no such position"});
    assert_eq!(desk.call("POST", "/nack", &said)["results"][0]["state"], "confirmed");
    let letter = loop {
        if let Some(letter) = desk.letters().pop() {
            break letter;
        }
    };
    assert_eq!(letter["attempts"][0]["detail"], "no such position");
    let position = letter["position"].as_str().unwrap();
    let shown = ["dead-letter", "show", "desk", position, "--server", server.url()];
    let shown = tidings_e2e::run(dir.path(), &shown);
    assert!(shown.stdout.contains("NACKED by desk: no such position"), "{shown:?}");
}
