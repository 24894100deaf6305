//! Random numbers of the operating system, made to be the same in every process.
//!
//! The seeds of hash maps and of tokio's choices come from `getrandom`. This one takes its place
//! when the program is linked, so that a process with the same seed goes the same way.

#![expect(unsafe_code, reason = "a C function is replaced")]

use std::sync::atomic::{AtomicU64, Ordering};

static STATE: AtomicU64 = AtomicU64::new(0x7469_6469_6e67_7321);

/// From here on the numbers are those of a seed.
pub(crate) fn seed(seed: u64) {
    STATE.store(seed ^ 0x7469_6469_6e67_7321, Ordering::Relaxed);
}

/// SplitMix64.
fn next() -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let state = STATE.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// As `getrandom(2)`, but for the randomness.
// SAFETY: the name and the signature are those of libc, and nothing else defines it in a program
// that is linked with this.
#[unsafe(no_mangle)]
extern "C" fn getrandom(buffer: *mut u8, length: usize, _flags: u32) -> isize {
    let mut at = 0;
    while at < length {
        let bytes = next().to_le_bytes();
        let count = bytes.len().min(length - at);
        // SAFETY: the caller gives a buffer of `length` bytes, and `at + count <= length`.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.add(at), count) };
        at += count;
    }
    isize::try_from(length).unwrap_or(isize::MAX)
}
