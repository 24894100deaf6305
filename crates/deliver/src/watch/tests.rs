//! A session is listed once, and no change is lost.

use super::*;

fn listed(watch: &Watch) -> Vec<u32> {
    let mut numbers = Vec::new();
    watch.take(&mut numbers);
    numbers
}

#[tokio::test]
async fn a_session_is_listed_once_until_its_turn() {
    let watch = Arc::new(Watch::default());
    let (first, second) = (Watched::new(&watch, 1), Watched::new(&watch, 2));
    second.list();
    first.list();
    second.list();
    watch.changed().await;
    assert_eq!(listed(&watch), [2, 1]);
    second.list();
    assert!(listed(&watch).is_empty(), "its turn has not come yet");
    second.attend();
    second.list();
    watch.changed().await;
    assert_eq!(listed(&watch), [2]);
}

#[tokio::test]
async fn a_change_during_a_turn_is_not_lost() {
    let watch = Arc::new(Watch::default());
    let watched = Watched::new(&watch, 7);
    watched.list();
    watch.changed().await;
    let _before = listed(&watch);
    watched.attend();
    watched.list();
    let waited = tokio::time::timeout(std::time::Duration::from_secs(5), watch.changed());
    waited.await.expect("it is listed");
    assert_eq!(listed(&watch), [7]);
}
