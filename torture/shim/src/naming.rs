//! Renaming and removing files.

use libc::{c_char, c_int};

use crate::control::{self, Verdict};
use crate::page;
use crate::real::{failed, real};

/// `rename(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    let rename = real!(rename as unsafe extern "C" fn(*const c_char, *const c_char) -> c_int);
    match control::judge_path(page::RENAME, to) {
        Verdict::Fail(errno) => failed(errno),
        Verdict::Pretend => 0,
        // SAFETY: the caller's own arguments.
        _ => unsafe { rename(from, to) },
    }
}

/// `unlink(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    let unlink = real!(unlink as unsafe extern "C" fn(*const c_char) -> c_int);
    match control::judge_path(page::UNLINK, path) {
        Verdict::Fail(errno) => failed(errno),
        Verdict::Pretend => 0,
        // SAFETY: the caller's own arguments.
        _ => unsafe { unlink(path) },
    }
}
