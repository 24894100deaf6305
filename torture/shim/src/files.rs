//! Which open files lie below the directory.

use std::sync::atomic::{AtomicBool, Ordering};

use libc::c_int;

use crate::real::real;

/// Files with higher numbers are not watched.
const FILES_MAX: usize = 1 << 16;
static WATCHED: [AtomicBool; FILES_MAX] = [const { AtomicBool::new(false) }; FILES_MAX];

fn place(file: c_int) -> Option<&'static AtomicBool> {
    WATCHED.get(usize::try_from(file).ok()?)
}

/// Notes that a file was opened.
pub(crate) fn opened(file: c_int, watched: bool) -> c_int {
    if let Some(place) = place(file) {
        place.store(watched, Ordering::Relaxed);
    }
    file
}

/// Whether it lies below the directory.
pub(crate) fn is_watched(file: c_int) -> bool {
    place(file).is_some_and(|place| place.load(Ordering::Relaxed))
}

/// Writes `/proc/self/fd/<number>` and a zero byte.
pub(crate) fn link_of(file: c_int, into: &mut [u8; 32]) {
    let start = b"/proc/self/fd/";
    into[..start.len()].copy_from_slice(start);
    let (mut digits, mut at, mut rest) = ([0; 10], 10, file.unsigned_abs());
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let end = start.len() + digits.len() - at;
    into[start.len()..end].copy_from_slice(&digits[at..]);
    into[end] = 0;
}

/// `close(2)`: whoever gets the number next is not watched.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn close(file: c_int) -> c_int {
    opened(file, false);
    let close = real!(close as unsafe extern "C" fn(c_int) -> c_int);
    // SAFETY: the caller's own arguments.
    unsafe { close(file) }
}
