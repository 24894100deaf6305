//! The allocator runs with our settings, and gives memory back when asked.

#![expect(unsafe_code, reason = "the allocator has no other interface")]

fn number(name: &[u8]) -> isize {
    assert!(name.ends_with(b"\0"));
    let mut value = 0isize;
    let mut bytes = size_of::<isize>();
    // SAFETY: the name ends with a zero; the value has the size that the setting has, which is asserted.
    let error = unsafe {
        tikv_jemalloc_sys::mallctl(
            name.as_ptr().cast(),
            (&raw mut value).cast(),
            &raw mut bytes,
            std::ptr::null_mut(),
            0,
        )
    };
    assert_eq!((error, bytes), (0, size_of::<isize>()), "{}", String::from_utf8_lossy(name));
    value
}

#[test]
fn the_settings_are_in_force() {
    assert_eq!(number(b"opt.dirty_decay_ms\0"), 1000);
    assert_eq!(number(b"opt.muzzy_decay_ms\0"), 0);
}

#[test]
fn what_is_free_can_be_given_back() {
    super::give_back();
}
