//! Making bytes durable, and making room for them.

use libc::{c_int, c_uint, off64_t};

use crate::control::{self, Verdict};
use crate::page;
use crate::real::{failed, real};

fn judged(kind: usize, file: c_int, call: impl FnOnce() -> c_int) -> c_int {
    match control::judge_file(kind, file) {
        Verdict::Fail(errno) => failed(errno),
        Verdict::Pretend => 0,
        Verdict::Pass | Verdict::Short => call(),
    }
}

/// `fdatasync(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fdatasync(file: c_int) -> c_int {
    let sync = real!(fdatasync as unsafe extern "C" fn(c_int) -> c_int);
    // SAFETY: the caller's own arguments.
    judged(page::SYNC, file, || unsafe { sync(file) })
}

/// `sync_file_range(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn sync_file_range(
    file: c_int,
    at: off64_t,
    length: off64_t,
    flags: c_uint,
) -> c_int {
    type Sync = unsafe extern "C" fn(c_int, off64_t, off64_t, c_uint) -> c_int;
    let sync = real!(sync_file_range as Sync);
    // SAFETY: the caller's own arguments.
    judged(page::SYNC, file, || unsafe { sync(file, at, length, flags) })
}

/// `fsync(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fsync(file: c_int) -> c_int {
    let sync = real!(fsync as unsafe extern "C" fn(c_int) -> c_int);
    // SAFETY: the caller's own arguments.
    judged(page::SYNC_ALL, file, || unsafe { sync(file) })
}

/// `ftruncate(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ftruncate(file: c_int, length: off64_t) -> c_int {
    let resize = real!(ftruncate as unsafe extern "C" fn(c_int, off64_t) -> c_int);
    // SAFETY: the caller's own arguments.
    judged(page::RESIZE, file, || unsafe { resize(file, length) })
}

/// `ftruncate(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn ftruncate64(file: c_int, length: off64_t) -> c_int {
    let resize = real!(ftruncate64 as unsafe extern "C" fn(c_int, off64_t) -> c_int);
    // SAFETY: the caller's own arguments.
    judged(page::RESIZE, file, || unsafe { resize(file, length) })
}

/// `fallocate(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fallocate(
    file: c_int,
    mode: c_int,
    at: off64_t,
    length: off64_t,
) -> c_int {
    type Allocate = unsafe extern "C" fn(c_int, c_int, off64_t, off64_t) -> c_int;
    let allocate = real!(fallocate as Allocate);
    // SAFETY: the caller's own arguments.
    judged(page::RESIZE, file, || unsafe { allocate(file, mode, at, length) })
}
