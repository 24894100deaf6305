//! The length of a message is known as soon as its prefix is there, in whatever pieces.

use axum::body::Bytes;

use super::message_bytes;

#[test]
fn a_length_is_known_once_its_last_byte_is_there() {
    let message = [0, 0, 1, 0, 2, 9, 9, 9];
    for cut in 1..message.len() {
        let pieces = [&message[..cut], &message[cut..]].map(Bytes::copy_from_slice);
        assert_eq!(message_bytes(&pieces[..1]), (cut >= 5).then_some(65_538), "cut at {cut}");
        assert_eq!(message_bytes(&pieces), Some(65_538), "cut at {cut}");
    }
    assert_eq!(message_bytes(&[]), None);
}
