//! Content comes out as it went in, up to the bound; damage is refused.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tidings_event::{Code, Refusal};

use super::Inflating;

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn inflate(stream: &[u8], max: usize, piece: usize) -> Result<Vec<u8>, Refusal> {
    let mut inflating = Inflating::new(max);
    stream.chunks(piece).try_for_each(|piece| inflating.push(piece))?;
    inflating.end().map(Vec::from)
}

#[test]
fn a_bomb_ends_at_the_bound() {
    let bomb = gzip(&vec![b' '; 8 << 20]);
    assert!(bomb.len() < 64 << 10);
    assert_eq!(inflate(&bomb, 8 << 20, 1_000).unwrap().len(), 8 << 20);
    assert_eq!(inflate(&bomb, (8 << 20) - 1, 1_000).unwrap_err().code, Code::DecompressedTooLarge);
    assert_eq!(inflate(&bomb, 100, 1).unwrap_err().code, Code::DecompressedTooLarge);
}

#[test]
fn what_is_no_whole_stream_is_refused() {
    let whole = gzip(b"events");
    let mut wrong_sum = whole.clone();
    let at = wrong_sum.len() - 8;
    wrong_sum[at] ^= 1;
    for stream in [&b"{}"[..], &whole[..whole.len() - 1], &whole[..5], &wrong_sum, b""] {
        let refusal = inflate(stream, 100, 3).unwrap_err();
        assert_eq!(refusal.code, Code::RequestMalformed, "{stream:?}");
    }
}

proptest! {
    #[test]
    fn content_comes_out_as_it_went_in(
        first in any::<Vec<u8>>(), second in any::<Vec<u8>>(), piece in 1..50usize,
    ) {
        // Two streams after each other are one.
        let stream = [gzip(&first), gzip(&second)].concat();
        prop_assert_eq!(inflate(&stream, 1 << 20, piece).unwrap(), [first, second].concat());
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in any::<Vec<u8>>(), at in any::<usize>()) {
        let _refused = inflate(&bytes, 1_000, 7);
        let mut damaged = gzip(&bytes);
        let at = at % damaged.len();
        damaged[at] ^= 0x41;
        let _outcome = inflate(&damaged, 1_000, 7);
    }
}
