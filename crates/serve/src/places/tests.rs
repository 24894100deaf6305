//! Places follow the limit, up and down.

use futures::FutureExt;

use super::*;
use crate::limits::Limits;

fn limited(connections: usize) -> Limits {
    Limits { connections, ..Limits::default() }
}

#[tokio::test]
async fn a_place_is_free_below_the_limit_and_after_one_ends() {
    let places = Places::new(limited(1).into(), Recorder::new());
    places.free().await;
    let place = places.take();
    let mut waiting = Box::pin(places.free());
    assert_eq!(waiting.as_mut().now_or_never(), None);
    drop(place);
    waiting.await;
    assert_eq!(places.recorder.gauge(Gauge::ServeConnections), 0);
}

#[tokio::test]
async fn a_new_limit_counts_at_once() {
    let limits = LiveLimits::from(limited(1));
    let places = Places::new(limits.clone(), Recorder::new());
    let first = places.take();
    let mut waiting = Box::pin(places.free());
    assert_eq!(waiting.as_mut().now_or_never(), None);
    limits.replace(limited(2));
    waiting.await;
    let second = places.take();
    limits.replace(limited(1));
    drop(first);
    assert_eq!(places.free().now_or_never(), None, "one is still there, and one is the limit");
    drop(second);
    places.free().await;
}
