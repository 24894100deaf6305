//! Commands are written and ids are read as Redis has them.

use super::{command, stream_id};

#[test]
fn a_command_is_an_array_of_bulks() {
    assert_eq!(command(&[b"DEL", b"ab"]), b"*2\r\n$3\r\nDEL\r\n$2\r\nab\r\n");
}

#[test]
fn ids_are_ordered_by_time_then_number() {
    assert_eq!(stream_id(b"17-3"), Some((17, 3)));
    assert!(stream_id(b"17-10") > stream_id(b"17-9"));
    assert!(stream_id(b"18-0") > stream_id(b"17-9"));
    assert_eq!(stream_id(b"17"), None);
}
