//! Opening files. The C library takes the mode as a variable argument; on Linux's 64-bit machines that
//! is passed as any other.

use libc::{c_char, c_int, mode_t};

use crate::control::{self, Verdict};
use crate::files::opened;
use crate::page;
use crate::real::{failed, real};

type Open = unsafe extern "C" fn(*const c_char, c_int, ...) -> c_int;
type OpenAt = unsafe extern "C" fn(c_int, *const c_char, c_int, ...) -> c_int;

fn judged(path: *const c_char, open: impl FnOnce() -> c_int) -> c_int {
    match control::judge_path(page::OPEN, path) {
        Verdict::Fail(errno) => failed(errno),
        _ => opened(open(), control::is_below(path)),
    }
}

/// `open(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    let open = real!(open as Open);
    // SAFETY: the caller's own arguments.
    judged(path, || unsafe { open(path, flags, mode) })
}

/// `open(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    let open = real!(open64 as Open);
    // SAFETY: the caller's own arguments.
    judged(path, || unsafe { open(path, flags, mode) })
}

/// `openat(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn openat(
    at: c_int,
    path: *const c_char,
    flags: c_int,
    mode: mode_t,
) -> c_int {
    let open = real!(openat as OpenAt);
    // SAFETY: the caller's own arguments.
    judged(path, || unsafe { open(at, path, flags, mode) })
}

/// `openat(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn openat64(
    at: c_int,
    path: *const c_char,
    flags: c_int,
    mode: mode_t,
) -> c_int {
    let open = real!(openat64 as OpenAt);
    // SAFETY: the caller's own arguments.
    judged(path, || unsafe { open(at, path, flags, mode) })
}
