//! However the bytes come, the same messages are heard; what a service never sends is refused.

use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::*;

use super::{Frames, Heard};
use crate::connection::MESSAGE_BYTES_MAX;

fn frame(out: &mut BytesMut, first: u8, payload: &[u8]) {
    out.put_u8(first);
    match payload.len() {
        short @ 0..126 => out.put_u8(u8::try_from(short).unwrap()),
        middle @ 126..65_536 => {
            out.put_u8(126);
            out.put_u16(u16::try_from(middle).unwrap());
        }
        long => {
            out.put_u8(127);
            out.put_u64(long as u64);
        }
    }
    out.put_slice(payload);
}

/// What is heard of bytes that come in pieces of these lengths, again and again.
fn heard(bytes: &[u8], pieces: &[usize]) -> Result<Vec<Heard>, crate::ClientError> {
    let (mut frames, mut heard) = (Frames::default(), Vec::new());
    let (mut rest, mut pieces) = (bytes, pieces.iter().cycle());
    while !rest.is_empty() {
        let room = frames.room();
        let most = room.capacity() - room.len();
        assert!(most > 0, "there is always room to read");
        let piece = (*pieces.next().unwrap()).min(rest.len()).min(most);
        room.extend_from_slice(&rest[..piece]);
        rest = &rest[piece..];
        while let Some(one) = frames.next()? {
            heard.push(one);
        }
    }
    Ok(heard)
}

proptest! {
    #[test]
    fn messages_are_whole_however_they_come(
        sizes in proptest::collection::vec(
            prop_oneof![0usize..200, 65_500usize..65_600, Just(300_000usize)], 1..8,
        ),
        cuts in proptest::collection::vec(0usize..4, 8),
        pieces in proptest::collection::vec(
            prop_oneof![1usize..9, 1_000usize..100_000, Just(1 << 20)], 1..6,
        ),
    ) {
        let (mut bytes, mut expected) = (BytesMut::new(), Vec::new());
        for (number, (size, cut)) in (0u8..).zip(sizes.into_iter().zip(cuts)) {
            let message = vec![number; size];
            // As one frame, or as some with a ping in between.
            let part = (size / (cut + 1)).max(1);
            let mut parts: Vec<&[u8]> = message.chunks(part).collect();
            if parts.is_empty() {
                parts.push(&[]);
            }
            for (at, part) in parts.iter().enumerate() {
                let last = if at + 1 == parts.len() { 0x80 } else { 0 };
                frame(&mut bytes, last | if at == 0 { 2 } else { 0 }, part);
                if last == 0 {
                    frame(&mut bytes, 0x89, b"there?");
                    expected.push(Heard::Ping(Bytes::from_static(b"there?")));
                }
            }
            expected.push(Heard::Message(message.into()));
        }
        frame(&mut bytes, 0x8A, b"");
        frame(&mut bytes, 0x88, &[3, 232]);
        expected.extend([Heard::Pong, Heard::Close]);
        prop_assert!(heard(&bytes, &pieces).unwrap() == expected);
    }

    #[test]
    fn any_bytes_are_heard_or_refused(
        bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0x82), Just(2)], 0..300),
        piece in 1usize..50,
    ) {
        let _heard_or_refused = heard(&bytes, &[piece]);
    }
}

#[test]
fn what_a_service_never_sends_is_refused() {
    let too_long = (MESSAGE_BYTES_MAX as u64 + 1).to_be_bytes();
    let huge = [&[0x82, 127][..], &u64::MAX.to_be_bytes()].concat();
    for bytes in [
        &b"\x82\x80\0\0\0\0"[..],
        b"\x81\x01a",
        b"\xC2\x00",
        b"\x80\x00",
        b"\x02\x01a\x82\x01b",
        b"\x09\x00",
        b"\x89\x7e\x00\x7e",
        b"\x83\x00",
        &[&[0x82, 127][..], &too_long].concat(),
        &huge,
        &[&[2, 1, b'a', 0x80, 127][..], &(MESSAGE_BYTES_MAX as u64).to_be_bytes()].concat(),
    ] {
        assert!(heard(bytes, &[3]).is_err(), "{bytes:?}");
    }
}

#[test]
fn a_long_message_is_given_room_as_it_comes() {
    let mut frames = Frames::default();
    frames
        .room()
        .put_slice(&[&[0x82, 127][..], &(MESSAGE_BYTES_MAX as u64).to_be_bytes()].concat());
    assert_eq!(frames.next(), Ok(None));
    assert!(frames.room().capacity() <= 2 << 20);
}

#[test]
fn a_message_is_not_copied() {
    let mut bytes = BytesMut::new();
    frame(&mut bytes, 0x82, &[7; 1_000]);
    let mut frames = Frames::default();
    frames.room().extend_from_slice(&bytes);
    let read = frames.unread.as_ptr_range();
    let Ok(Some(Heard::Message(message))) = frames.next() else { panic!("no message") };
    assert!(read.contains(&message.as_ptr()));
}
