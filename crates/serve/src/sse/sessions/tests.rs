//! Ids are known while their session lasts and five minutes after, and lead to the newest.

use std::time::Duration;

use tidings_deliver::SessionId;

use super::{ENDED_MAX, Sessions};

fn id(text: &str) -> SessionId {
    text.parse().unwrap()
}

fn place() -> super::Place {
    ("t".into(), "s".to_owned())
}

fn latest(sessions: &Sessions, of: &str, now: u64) -> Option<SessionId> {
    sessions.find(id(of), "t", "s", Duration::from_secs(now)).map(|known| known.latest)
}

#[test]
fn an_id_is_known_for_five_minutes_after_the_end_and_leads_to_the_newest() {
    let sessions = Sessions::default();
    sessions.sign_on(id("1"), place(), None);
    assert_eq!(latest(&sessions, "1", 10_000), Some(id("1")));
    sessions.sign_off(id("1"), Duration::from_secs(10_000));
    sessions.sign_on(id("2"), place(), Some(id("1")));
    sessions.sign_on(id("3"), place(), Some(id("1")));
    for old in ["1", "2", "3"] {
        assert_eq!(latest(&sessions, old, 10_299), Some(id("3")));
    }
    assert!(sessions.find(id("1"), "t", "other", Duration::ZERO).is_none());
    assert!(sessions.find(id("1"), "other", "s", Duration::ZERO).is_none());
    assert_eq!(latest(&sessions, "1", 10_300), None);
    assert_eq!(latest(&sessions, "2", 99_999), Some(id("3")));
}

#[test]
fn ended_sessions_are_bounded() {
    let sessions = Sessions::default();
    for number in 1..=ENDED_MAX + 5 {
        let id = id(&format!("{number:x}"));
        sessions.sign_on(id, place(), None);
        sessions.sign_off(id, Duration::ZERO);
    }
    assert_eq!(latest(&sessions, "5", 0), None);
    assert_eq!(latest(&sessions, "6", 0), Some(id("6")));
    assert_eq!(sessions.lock().by_id.len(), ENDED_MAX);
}
