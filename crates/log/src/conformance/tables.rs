//! Cases of tables: what commits change, when it shows, what comes back.

use bytes::Bytes;
use tidings_event::Term;

use super::Engine;
use super::fixture::{commit, delete, set};
use crate::{CommitError, Table};

/// Each its own commit.
pub async fn ten_thousand_commits_come_back(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let mut pending = Vec::new();
    for number in 0..10_000u32 {
        let change = set(Table::CURSORS, number.to_be_bytes(), number.to_string());
        pending.push(log.commit(log.term(), vec![change]).unwrap());
        if pending.len() == 1000 {
            for accepted in pending.drain(..) {
                accepted.await.unwrap();
            }
        }
    }
    log.close().await;
    let log = engine.open().await;
    let table = log.table(Table::CURSORS);
    assert_eq!(table.len(), 10_000);
    for (number, (key, value)) in (0..10_000u32).zip(table) {
        assert_eq!(
            (&key[..], &value[..]),
            (&number.to_be_bytes()[..], number.to_string().as_bytes())
        );
    }
}

/// Over commits, inside one, across tables, and after a removal.
pub async fn the_last_value_of_a_key_wins(engine: &mut dyn Engine) {
    let log = engine.open().await;
    commit(&*log, vec![set(Table::CATALOG, "a", "1"), set(Table::CATALOG, "b", "1")]).await;
    commit(&*log, vec![set(Table::CATALOG, "a", "2"), set(Table::CURSORS, "a", "other")]).await;
    commit(&*log, vec![delete(Table::CATALOG, "b"), delete(Table::CATALOG, "absent")]).await;
    let twice = vec![set(Table::CATALOG, "c", "1"), set(Table::CATALOG, "c", "2")];
    commit(&*log, twice).await;
    commit(&*log, vec![set(Table::CATALOG, "empty", "")]).await;
    for opening in 0..3 {
        let log = engine.open().await;
        let get = |table, key: &str| log.get(table, key.as_bytes());
        assert_eq!(get(Table::CATALOG, "a").as_deref(), Some(&b"2"[..]), "opening {opening}");
        assert_eq!(get(Table::CATALOG, "b"), None);
        assert_eq!(get(Table::CATALOG, "c").as_deref(), Some(&b"2"[..]));
        assert_eq!(get(Table::CATALOG, "empty"), Some(Bytes::new()));
        assert_eq!(get(Table::CURSORS, "a").as_deref(), Some(&b"other"[..]));
        assert_eq!(log.table(Table::CATALOG).len(), 3);
        assert!(log.table(Table::PRODUCERS).is_empty());
    }
}

/// By the bytes of the keys, the same at every look.
pub async fn a_table_is_sorted_and_stable(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let keys: [&[u8]; 6] = [b"", b"\0", b"a", b"a\0", b"b", b"\xff"];
    let changes = keys.iter().rev().map(|key| set(Table(99), key, "value")).collect();
    commit(&*log, changes).await;
    let listed: Vec<Bytes> = log.table(Table(99)).into_keys().collect();
    assert_eq!(listed, keys);
    log.close().await;
    let log = engine.open().await;
    assert_eq!(log.table(Table(99)).into_keys().collect::<Vec<_>>(), keys);
}

/// Past one snapshot's worth, overwritten and partly removed.
pub async fn a_hundred_thousand_keys_open_again(engine: &mut dyn Engine) {
    const KEYS: u32 = 100_000;
    let log = engine.open().await;
    for round in 0..2u32 {
        let mut pending = Vec::new();
        for first in (0..KEYS).step_by(5000) {
            let numbers = first..first + 5000;
            let changes = numbers.map(|number| match round {
                1 if number % 3 == 0 => delete(Table::CURSORS, number.to_be_bytes()),
                _ => set(Table::CURSORS, number.to_be_bytes(), (number + round).to_be_bytes()),
            });
            pending.push(log.commit(log.term(), changes.collect()).unwrap());
        }
        for accepted in pending {
            accepted.await.unwrap();
        }
    }
    log.close().await;
    let log = engine.open().await;
    let want = (0..KEYS).filter(|number| number % 3 != 0);
    let table = log.table(Table::CURSORS);
    assert_eq!(table.len(), want.clone().count());
    for (number, (key, value)) in want.zip(table) {
        assert_eq!(key, &number.to_be_bytes()[..]);
        assert_eq!(value, &(number + 1).to_be_bytes()[..]);
    }
}

/// The term before, and one that never was.
pub async fn a_commit_with_an_old_token_is_refused(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let old = log.term();
    commit(&*log, vec![set(Table::CURSORS, "key", "old")]).await;
    log.close().await;
    let log = engine.open().await;
    for given in [old, Term(0)] {
        let refused = log.commit(given, vec![set(Table::CURSORS, "key", "new")]).unwrap_err();
        assert!(matches!(refused, CommitError::Fenced { given: g, .. } if g == given), "{refused}");
    }
    commit(&*log, vec![set(Table::CURSORS, "other", "")]).await;
    assert_eq!(log.get(Table::CURSORS, b"key").as_deref(), Some(&b"old"[..]));
}

/// A key above 1 KiB, or all above 900 KiB; the limits themselves fit.
pub async fn a_commit_too_large_is_refused_whole(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let long_key = set(Table::CURSORS, [7; 1025], "");
    let half =
        |key: &str, more: usize| set(Table::CURSORS, key, vec![1; 450 * 1024 - key.len() + more]);
    let small = || set(Table::CURSORS, "small", "");
    for changes in [vec![small(), long_key], vec![half("a", 0), half("b", 1)]] {
        let refused = log.commit(log.term(), changes).unwrap_err();
        assert!(matches!(refused, CommitError::TooLarge { .. }), "{refused}");
    }
    let largest = vec![half("a", 0), half("b", 0)];
    commit(&*log, largest).await;
    commit(&*log, vec![set(Table::CURSORS, [7; 1024], "fits")]).await;
    assert_eq!(log.table(Table::CURSORS).len(), 3);
    assert_eq!(log.get(Table::CURSORS, b"small"), None);
}

/// All of it, then; none of it before.
pub async fn a_commit_is_visible_only_when_durable(engine: &mut dyn Engine) {
    let log = engine.open().await;
    commit(&*log, vec![set(Table::CURSORS, "key", "old"), set(Table::CURSORS, "gone", "")]).await;
    if !engine.hold() {
        return;
    }
    let changes = vec![
        set(Table::CURSORS, "key", "new"),
        set(Table::CATALOG, "more", ""),
        delete(Table::CURSORS, "gone"),
    ];
    let pending = log.commit(log.term(), changes).unwrap();
    assert_eq!(log.get(Table::CURSORS, b"key").as_deref(), Some(&b"old"[..]));
    assert_eq!((log.table(Table::CURSORS).len(), log.table(Table::CATALOG).len()), (2, 0));
    engine.release();
    pending.await.unwrap();
    assert_eq!(log.get(Table::CURSORS, b"key").as_deref(), Some(&b"new"[..]));
    assert_eq!((log.table(Table::CURSORS).len(), log.table(Table::CATALOG).len()), (1, 1));
}
