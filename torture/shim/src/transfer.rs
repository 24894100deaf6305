//! Reading and writing.

use libc::{c_int, c_void, iovec, off64_t, size_t, ssize_t};

use crate::control::{self, Verdict};
use crate::page;
use crate::real::{failed, real};

/// Makes a call for all of its bytes or, given `true`, for about half of them.
fn judged(kind: usize, file: c_int, bytes: usize, call: impl FnOnce(bool) -> ssize_t) -> ssize_t {
    match control::judge_file(kind, file) {
        Verdict::Fail(errno) => ssize_t::try_from(failed(errno)).unwrap_or(-1),
        Verdict::Pretend => ssize_t::try_from(bytes).unwrap_or(-1),
        Verdict::Pass => call(false),
        Verdict::Short => call(true),
    }
}

/// Half, but never nothing: that would be the end of the file.
fn part(count: size_t, short: bool) -> size_t {
    if short { count.div_ceil(2) } else { count }
}

/// # Safety
/// So many slices are there.
unsafe fn total(slices: *const iovec, count: c_int) -> usize {
    let slices = unsafe { std::slice::from_raw_parts(slices, usize::try_from(count).unwrap_or(0)) };
    slices.iter().map(|slice| slice.iov_len).sum()
}

/// Half of the slices; of a single one, half of its bytes.
///
/// # Safety
/// So many slices are there, at least one.
unsafe fn halved(slices: *const iovec, count: c_int) -> (iovec, c_int) {
    let first = unsafe { *slices };
    (iovec { iov_len: first.iov_len.div_ceil(2), ..first }, count / 2)
}

/// # Safety
/// So many bytes are there.
unsafe fn is_left_out(file: c_int, from: *const c_void, count: size_t) -> bool {
    !from.is_null()
        && control::is_left_out(file, unsafe { std::slice::from_raw_parts(from.cast(), count) })
}

type Read = unsafe extern "C" fn(c_int, *mut c_void, size_t) -> ssize_t;
type ReadAt = unsafe extern "C" fn(c_int, *mut c_void, size_t, off64_t) -> ssize_t;
type Write = unsafe extern "C" fn(c_int, *const c_void, size_t) -> ssize_t;
type WriteAt = unsafe extern "C" fn(c_int, *const c_void, size_t, off64_t) -> ssize_t;
type Slices = unsafe extern "C" fn(c_int, *const iovec, c_int) -> ssize_t;
type SlicesAt = unsafe extern "C" fn(c_int, *const iovec, c_int, off64_t) -> ssize_t;

/// `read(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn read(file: c_int, into: *mut c_void, count: size_t) -> ssize_t {
    let read = real!(read as Read);
    // SAFETY: the caller's own arguments, or fewer bytes.
    let call = |short| unsafe { read(file, into, part(count, short)) };
    judged(page::READ, file, count, call)
}

/// Reads at a place, by the C library's function of either name.
///
/// # Safety
/// As the C library's.
unsafe fn read_at(
    read: ReadAt,
    file: c_int,
    into: *mut c_void,
    count: size_t,
    at: off64_t,
) -> ssize_t {
    // SAFETY: the caller's own arguments, or fewer bytes.
    let call = |short| unsafe { read(file, into, part(count, short), at) };
    judged(page::READ, file, count, call)
}

/// `pread(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn pread(
    file: c_int,
    into: *mut c_void,
    count: size_t,
    at: off64_t,
) -> ssize_t {
    let read = real!(pread as ReadAt);
    // SAFETY: the caller's own arguments.
    unsafe { read_at(read, file, into, count, at) }
}

/// `pread(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn pread64(
    file: c_int,
    into: *mut c_void,
    count: size_t,
    at: off64_t,
) -> ssize_t {
    let read = real!(pread64 as ReadAt);
    // SAFETY: the caller's own arguments.
    unsafe { read_at(read, file, into, count, at) }
}

/// `write(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn write(file: c_int, from: *const c_void, count: size_t) -> ssize_t {
    let write = real!(write as Write);
    // SAFETY: the caller's own arguments, or fewer bytes.
    let call = |short| unsafe { write(file, from, part(count, short)) };
    // SAFETY: the caller gives so many bytes.
    if unsafe { is_left_out(file, from, count) } {
        return call(false);
    }
    judged(page::WRITE, file, count, call)
}

/// Writes at a place, by the C library's function of either name.
///
/// # Safety
/// As the C library's.
unsafe fn write_at(
    write: WriteAt,
    file: c_int,
    from: *const c_void,
    count: size_t,
    at: off64_t,
) -> ssize_t {
    // SAFETY: the caller's own arguments, or fewer bytes.
    let call = |short| unsafe { write(file, from, part(count, short), at) };
    // SAFETY: the caller gives so many bytes.
    if unsafe { is_left_out(file, from, count) } {
        return call(false);
    }
    judged(page::WRITE, file, count, call)
}

/// `pwrite(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn pwrite(
    file: c_int,
    from: *const c_void,
    count: size_t,
    at: off64_t,
) -> ssize_t {
    let write = real!(pwrite as WriteAt);
    // SAFETY: the caller's own arguments.
    unsafe { write_at(write, file, from, count, at) }
}

/// `pwrite(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn pwrite64(
    file: c_int,
    from: *const c_void,
    count: size_t,
    at: off64_t,
) -> ssize_t {
    let write = real!(pwrite64 as WriteAt);
    // SAFETY: the caller's own arguments.
    unsafe { write_at(write, file, from, count, at) }
}

/// Gives a call all slices or, when it is to be short, fewer.
///
/// # Safety
/// So many slices are there.
unsafe fn vectored(
    file: c_int,
    slices: *const iovec,
    count: c_int,
    call: impl Fn(*const iovec, c_int) -> ssize_t,
) -> ssize_t {
    if count < 1 {
        return call(slices, count);
    }
    // SAFETY: as the caller says.
    let all = unsafe { std::slice::from_raw_parts(slices, usize::try_from(count).unwrap_or(0)) };
    // SAFETY: each slice is of bytes that are there.
    let is_out = |slice: &iovec| unsafe { is_left_out(file, slice.iov_base, slice.iov_len) };
    if all.iter().all(is_out) {
        return call(slices, count);
    }
    // SAFETY: as the caller says; there is at least one.
    let (bytes, (half, fewer)) = unsafe { (total(slices, count), halved(slices, count)) };
    judged(page::WRITE, file, bytes, |short| match (short, fewer) {
        (true, 0) => call(&raw const half, 1),
        (true, fewer) => call(slices, fewer),
        (false, _) => call(slices, count),
    })
}

/// `writev(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn writev(file: c_int, slices: *const iovec, count: c_int) -> ssize_t {
    let write = real!(writev as Slices);
    // SAFETY: the caller's own slices, or fewer.
    unsafe { vectored(file, slices, count, |slices, count| write(file, slices, count)) }
}

/// `pwritev(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn pwritev(
    file: c_int,
    slices: *const iovec,
    count: c_int,
    at: off64_t,
) -> ssize_t {
    let write = real!(pwritev as SlicesAt);
    // SAFETY: the caller's own slices, or fewer.
    unsafe { vectored(file, slices, count, |slices, count| write(file, slices, count, at)) }
}

/// `pwritev(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn pwritev64(
    file: c_int,
    slices: *const iovec,
    count: c_int,
    at: off64_t,
) -> ssize_t {
    let write = real!(pwritev64 as SlicesAt);
    // SAFETY: the caller's own slices, or fewer.
    unsafe { vectored(file, slices, count, |slices, count| write(file, slices, count, at)) }
}
