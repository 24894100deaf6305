//! Every string is what the library says it is.

use proptest::prelude::*;

use super::read;

#[test]
fn a_byte_above_ascii_is_seen_wherever_it_stands() {
    for length in 0..40 {
        assert_eq!(read(&vec![b'a'; length]), Ok("a".repeat(length).as_str()));
        for at in 0..length {
            for byte in [0x80, 0xC3, 0xFF] {
                let mut bytes = vec![b'a'; length];
                bytes[at] = byte;
                assert_eq!(read(&bytes), std::str::from_utf8(&bytes), "{byte} at {at} of {length}");
                assert!(read(&bytes).is_err());
            }
        }
    }
}

proptest! {
    #[test]
    fn it_is_what_the_library_says(bytes in prop::collection::vec(any::<u8>(), 0..40), text: String) {
        prop_assert_eq!(read(&bytes), std::str::from_utf8(&bytes));
        prop_assert_eq!(read(text.as_bytes()), Ok(text.as_str()));
    }
}
