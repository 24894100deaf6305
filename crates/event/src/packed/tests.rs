//! What is packed comes back as it was, and bytes of any kind are refused without room for more
//! than they can hold.

use bytes::Bytes;
use proptest::prelude::*;

use super::{LZ4, PLAIN, UNPACKED_BYTES_MAX, UnpackError, pack, unpack};

/// An LZ4 block as its definition reads, byte by byte; nothing above `most` bytes.
fn naive(packed: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut input = packed.iter().copied();
    let mut out = Vec::new();
    let length = |input: &mut dyn Iterator<Item = u8>, nibble: u8| -> Option<usize> {
        let mut length = usize::from(nibble);
        let mut more = nibble == 15;
        while more {
            let byte = input.next()?;
            length += usize::from(byte);
            more = byte == 255;
        }
        Some(length)
    };
    loop {
        let token = input.next()?;
        for _ in 0..length(&mut input, token >> 4)? {
            out.push(input.next()?);
        }
        let Some(low) = input.next() else { return (out.len() <= most).then_some(out) };
        let back = usize::from(low) | usize::from(input.next()?) << 8;
        let matched = 4 + length(&mut input, token & 15)?;
        if back == 0 || back > out.len() || out.len() + matched > most {
            return None;
        }
        for _ in 0..matched {
            out.push(out[out.len() - back]);
        }
    }
}

fn framed(declared: usize, packed: &[u8]) -> Bytes {
    let mut bytes = u32::try_from(declared).unwrap().to_le_bytes().to_vec();
    bytes.extend_from_slice(packed);
    bytes.into()
}

#[test]
fn what_does_not_shrink_is_left_as_it_is() {
    for body in [&b""[..], b"a", b"abcdefgh"] {
        assert_eq!(pack(body), None);
    }
    let body = b"analysis/indicators/5m".repeat(40);
    let packed = pack(&body).unwrap();
    assert!(packed.len() * 8 < body.len(), "{} of {}", packed.len(), body.len());
    assert_eq!(unpack(packed, LZ4).unwrap(), body);
    assert_eq!(unpack(Bytes::from_static(b"xy"), PLAIN).unwrap(), "xy");
    assert_eq!(pack(&vec![0; UNPACKED_BYTES_MAX + 1]), None);
    assert!(pack(&vec![0; UNPACKED_BYTES_MAX]).is_some());
}

#[test]
fn wrong_bytes_are_refused_by_what_is_wrong() {
    let refused = |bytes: Bytes, codec| unpack(bytes, codec).unwrap_err();
    assert_eq!(refused(Bytes::from_static(b"xy"), 2), UnpackError::Codec(2));
    assert_eq!(refused(Bytes::from_static(b"xyz"), LZ4), UnpackError::Cut);
    // A few bytes that want the memory of a batch, and many that want more.
    let little = UnpackError::TooLong { bytes: 2, declared: UNPACKED_BYTES_MAX, most: 510 };
    assert_eq!(refused(framed(UNPACKED_BYTES_MAX, &[0x0F, 0]), LZ4), little);
    let declared = UNPACKED_BYTES_MAX + 1;
    let much = refused(framed(declared, &vec![0; 1 << 20]), LZ4);
    assert_eq!(much, UnpackError::TooLong { bytes: 1 << 20, declared, most: UNPACKED_BYTES_MAX });
    // One literal, which says that it is two, or none.
    for declared in [0, 2] {
        let bytes = framed(declared, &[0x10, b'a']);
        assert_eq!(refused(bytes, LZ4), UnpackError::Damaged { declared });
    }
    assert_eq!(unpack(framed(1, &[0x10, b'a']), LZ4).unwrap(), "a");
}

proptest! {
    #[test]
    fn what_is_packed_comes_back(
        words in proptest::collection::vec("[a-d]{0,9}", 0..200),
    ) {
        let body = words.concat().into_bytes();
        if let Some(packed) = pack(&body) {
            prop_assert!(packed.len() < body.len());
            prop_assert_eq!(naive(&packed[4..], body.len()), Some(body.clone()));
            prop_assert_eq!(unpack(packed, LZ4).unwrap(), body);
        }
    }

    #[test]
    fn any_bytes_are_read_as_the_definition_says_or_refused(
        declared in 0usize..600,
        packed in proptest::collection::vec(prop_oneof![0u8..24, any::<u8>()], 0..40),
    ) {
        if let Ok(body) = unpack(framed(declared, &packed), LZ4) {
            prop_assert_eq!(body.len(), declared);
            prop_assert_eq!(naive(&packed, declared), Some(body.to_vec()));
        }
    }
}
