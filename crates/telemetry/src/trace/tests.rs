//! Contexts are read as the standard says; a queue that is full drops and says so.

use tokio::sync::mpsc;

use super::{Span, TraceContext, Traces};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn on(ratio: f64, queue: usize) -> (Traces, mpsc::Receiver<opentelemetry_sdk::trace::SpanData>) {
    let (sender, receiver) = mpsc::channel(queue);
    (Traces { queue: Some(sender), ratio }, receiver)
}

#[test]
fn contexts_are_read_strictly() {
    let (context, is_sampled) = TraceContext::parse(PARENT).unwrap();
    assert!(is_sampled);
    assert_eq!(context.trace_id[..2], [0x4b, 0xf9]);
    assert_eq!(context.span_id, [0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]);
    assert!(!TraceContext::parse(&PARENT.replace("-01", "-00")).unwrap().1);
    assert!(TraceContext::parse(&format!("01{}-more", &PARENT[2..])).is_some());
    let bad = [
        "".to_owned(),
        PARENT[..54].to_owned(),
        format!("{PARENT}-more"),
        PARENT.to_uppercase(),
        PARENT.replace("00-4b", "ff-4b"),
        PARENT.replace("00f067aa0ba902b7", "0000000000000000"),
        PARENT.replace('-', "_"),
        "ü".repeat(40),
    ];
    for text in bad {
        assert!(TraceContext::parse(&text).is_none(), "{text}");
    }
}

#[test]
fn the_callers_choice_goes_before_the_ratio() {
    let (all, _kept) = on(1.0, 1);
    let (context, parent) = all.begin(Some(PARENT)).unwrap();
    let (caller, _) = TraceContext::parse(PARENT).unwrap();
    assert_eq!((context.trace_id, parent), (caller.trace_id, Some(caller.span_id)));
    assert!(all.begin(Some(&PARENT.replace("-01", "-00"))).is_none());
    assert!(all.begin(None).unwrap().1.is_none());
    assert!(all.begin(Some("nonsense")).unwrap().1.is_none());
    let (none, _kept) = on(0.0, 1);
    assert!(none.begin(Some(PARENT)).is_some() && none.begin(None).is_none());
    assert!(Traces::default().begin(Some(PARENT)).is_none());
}

#[test]
fn a_full_queue_drops() {
    let (traces, mut queue) = on(1.0, 1);
    let (context, _) = traces.begin(None).unwrap();
    let span = Span {
        name: "publish",
        context,
        parent: None,
        start: 5,
        end: 3,
        about: vec![("topic", "t".to_owned())],
        is_error: true,
    };
    assert!(traces.end(span.clone()));
    assert!(!traces.end(span));
    let sent = queue.try_recv().unwrap();
    assert_eq!((sent.name.as_ref(), sent.start_time), ("publish", sent.end_time));
}
