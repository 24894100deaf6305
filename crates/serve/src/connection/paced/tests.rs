//! While memory is short a piece is made when those before are written, and otherwise at once.

use std::convert::Infallible;
use std::pin::pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use futures::stream;
use futures::task::{ArcWake, waker};
use tidings_telemetry::{Memory, MemoryLevel};

use super::Paced;

#[derive(Default)]
struct Woken(std::sync::atomic::AtomicUsize);

impl ArcWake for Woken {
    fn wake_by_ref(this: &std::sync::Arc<Self>) {
        this.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

fn check(level: MemoryLevel, is_paced: bool) {
    let memory = Memory::default();
    memory.set(level);
    let pieces = ["one", "two", "three"].map(|text| Ok::<_, Infallible>(Bytes::from(text)));
    let mut body = pin!(Paced::new(Body::from_stream(stream::iter(pieces)), memory.clone()));
    let woken = std::sync::Arc::<Woken>::default();
    let waker = waker(std::sync::Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    let mut next = || match body.as_mut().poll_frame(&mut cx) {
        Poll::Ready(Some(Ok(frame))) => Some(frame.into_data().unwrap()),
        Poll::Ready(other) => panic!("{other:?}"),
        Poll::Pending => None,
    };
    let times = || woken.0.load(std::sync::atomic::Ordering::SeqCst);
    let one = next().unwrap();
    let two = next();
    assert_eq!(one, "one");
    assert_eq!(two.is_none(), is_paced, "{level:?}");
    if !is_paced {
        return;
    }
    let (same, before) = (one.clone(), times());
    drop(one);
    assert!(next().is_none(), "a part of it is not written");
    drop(same);
    assert_eq!(times(), before + 1, "it is told that all is written");
    let two = next().unwrap();
    assert_eq!(two, "two");
    memory.set(MemoryLevel::Normal);
    assert_eq!(next().unwrap(), "three", "it runs ahead again");
    drop(two);
}

#[test]
fn an_answer_waits_for_its_reader_while_memory_is_short() {
    check(MemoryLevel::Shed, true);
    check(MemoryLevel::Refuse, true);
}

#[test]
fn an_answer_runs_ahead_while_there_is_memory() {
    check(MemoryLevel::Normal, false);
}
