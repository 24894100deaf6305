//! A batch is read back as it was written.

use prost::Message;

use super::said::Said;
use super::{batch, events, take_sized};

#[test]
fn a_batch_holds_its_events_in_order() {
    let bytes = batch(7, &[b"one", b"", b"three"]);
    let (whole, rest) = take_sized(&bytes).unwrap();
    assert!(rest.is_empty());
    let (command, payload) = take_sized(whole).unwrap();
    let send = Said::decode(command).unwrap().send.unwrap();
    assert_eq!((send.sequence, send.events), (7, Some(3)));
    let mut came = Vec::new();
    let mut seen = |event: &[u8]| {
        came.push(event.to_vec());
        came.len() < 3
    };
    assert_eq!(events(payload, &mut seen), Some((3, false)));
    assert_eq!(came, [&b"one"[..], b"", b"three"]);
    assert_eq!(events(&payload[..payload.len() - 1], &mut |_| true), None);
}
