//! The shared page: what shall happen to a call, and what has happened so far.

use std::ffi::CStr;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use libc::{c_char, c_int, c_void};

use crate::page;
use crate::real::real;

/// The mapped page; null while nothing is steered. Never unmapped.
static PAGE: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());

/// What happens to a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is made.
    Pass,
    /// It is made for about half of its bytes.
    Short,
    /// It is not made, and succeeds.
    Pretend,
    /// It is not made, and fails.
    Fail(c_int),
}

/// Runs when the library is loaded, before `main` and before there is a second thread.
#[used]
#[unsafe(link_section = ".init_array")]
static AT_LOAD: extern "C" fn() = map;

extern "C" fn map() {
    // SAFETY: nothing changes the environment before `main`; the name ends with a zero byte.
    let path = unsafe { libc::getenv(c"TIDINGS_SHIM".as_ptr()) };
    if path.is_null() {
        return;
    }
    let open = real!(open64 as unsafe extern "C" fn(*const c_char, c_int, ...) -> c_int);
    // SAFETY: `getenv` gave a text that ends with a zero byte.
    let file = unsafe { open(path, libc::O_RDWR | libc::O_CLOEXEC) };
    if file < 0 {
        return;
    }
    let rights = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping, at a place of the system's choice, of a file that is open.
    let mapped =
        unsafe { libc::mmap(ptr::null_mut(), page::BYTES, rights, libc::MAP_SHARED, file, 0) };
    // The file may stay open: it is one for the life of the process.
    if mapped != libc::MAP_FAILED {
        let words = mapped.cast::<AtomicU64>();
        // SAFETY: the mapping has `BYTES` bytes and is aligned to a page.
        if unsafe { &*words }.load(Ordering::Relaxed) == page::MAGIC {
            PAGE.store(words, Ordering::Release);
        }
    }
}

/// A word of the page; `None` while nothing is steered.
pub(crate) fn word(index: usize) -> Option<&'static AtomicU64> {
    let words = PAGE.load(Ordering::Acquire);
    if words.is_null() || index >= page::BYTES / size_of::<AtomicU64>() {
        return None;
    }
    // SAFETY: the mapping stays for the life of the process, the index lies within it, and whoever
    // writes to the file from outside does so by whole aligned words.
    Some(unsafe { &*words.add(index) })
}

/// A text of the page, as far as its first zero byte; copied, for it may change meanwhile.
fn text(at: usize, into: &mut [u8; page::TEXT_MAX]) -> &[u8] {
    let words = PAGE.load(Ordering::Acquire);
    if words.is_null() {
        return &[];
    }
    // SAFETY: both texts lie within the mapping; bytes that change while they are copied give a text
    // that is part old and part new, which is what a reader of shared memory has to expect.
    unsafe { ptr::copy_nonoverlapping(words.cast::<u8>().add(at), into.as_mut_ptr(), into.len()) };
    let end = into.iter().position(|byte| *byte == 0).unwrap_or(into.len());
    &into[..end]
}

/// Whether a path lies below the directory.
pub(crate) fn is_below(path: *const c_char) -> bool {
    if path.is_null() || PAGE.load(Ordering::Acquire).is_null() {
        return false;
    }
    let mut copy = [0; page::TEXT_MAX];
    let directory = text(page::DIRECTORY_AT, &mut copy);
    // SAFETY: a path that is given to the C library ends with a zero byte.
    let path = unsafe { CStr::from_ptr(path) }.to_bytes();
    let rest = path.strip_prefix(directory);
    !directory.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

fn counts(path: &[u8]) -> bool {
    let mut copy = [0; page::TEXT_MAX];
    let only = text(page::ONLY_AT, &mut copy);
    if !only.is_empty() && !path.windows(only.len()).any(|part| part == only) {
        return false;
    }
    path.ends_with(text(page::ENDING_AT, &mut [0; page::TEXT_MAX]))
}

/// What happens to a call of a kind on a path below the directory.
pub(crate) fn judge_path(kind: usize, path: *const c_char) -> Verdict {
    // SAFETY: a path that is given to the C library ends with a zero byte.
    if is_below(path) && counts(unsafe { CStr::from_ptr(path) }.to_bytes()) {
        return judge(kind);
    }
    Verdict::Pass
}

/// The same of an open file that is watched.
pub(crate) fn judge_file(kind: usize, file: c_int) -> Verdict {
    if !crate::files::is_watched(file) {
        return Verdict::Pass;
    }
    let mut link = [0_u8; 32];
    let mut path = [0_u8; page::TEXT_MAX];
    crate::files::link_of(file, &mut link);
    // SAFETY: the link's name ends with a zero byte, and so many bytes of the path are ours.
    let length =
        unsafe { libc::readlink(link.as_ptr().cast(), path.as_mut_ptr().cast(), path.len()) };
    let length = usize::try_from(length).unwrap_or(0);
    if counts(&path[..length]) { judge(kind) } else { Verdict::Pass }
}

fn judge(kind: usize) -> Verdict {
    let of = |which| word(page::word(kind, which));
    let (Some(calls), Some(action), Some(wait)) =
        (of(page::CALLS), of(page::ACTION), of(page::WAIT))
    else {
        return Verdict::Pass;
    };
    calls.fetch_add(1, Ordering::SeqCst);
    let wait = wait.load(Ordering::SeqCst);
    if wait > 0 {
        of(page::WAITED).map(|waited| waited.fetch_add(1, Ordering::SeqCst));
        pause(wait);
    }
    let action = action.load(Ordering::SeqCst);
    let (Some(first), Some(times), Some(seen), true) =
        (of(page::FIRST), of(page::TIMES), of(page::SEEN), action != 0)
    else {
        return Verdict::Pass;
    };
    let number = seen.fetch_add(1, Ordering::SeqCst).checked_sub(first.load(Ordering::SeqCst));
    if number.is_none_or(|number| number >= times.load(Ordering::SeqCst)) {
        return Verdict::Pass;
    }
    of(page::HIT).map(|hit| hit.fetch_add(1, Ordering::SeqCst));
    match action {
        page::KILL => die(),
        page::SHORT => Verdict::Short,
        page::PRETEND => Verdict::Pretend,
        late if late & page::LATE != 0 => {
            pause((late >> 32).saturating_mul(1_000_000));
            Verdict::Pass
        }
        errno => Verdict::Fail(c_int::try_from(errno).unwrap_or(libc::EIO)),
    }
}

/// Whether a write of these bytes to a watched file does not count.
pub(crate) fn is_left_out(file: c_int, bytes: &[u8]) -> bool {
    let length = word(page::HOLDS_BYTES).map_or(0, |word| word.load(Ordering::SeqCst));
    let length = usize::try_from(length).unwrap_or(0).min(page::TEXT_MAX);
    if length == 0 || !crate::files::is_watched(file) {
        return false;
    }
    let words = PAGE.load(Ordering::Acquire);
    let mut wanted = [0_u8; page::TEXT_MAX];
    // SAFETY: the bytes lie within the mapping, which is not null while a word of it is there; they
    // may change meanwhile, as a reader of shared memory has to expect.
    unsafe {
        let from = words.cast::<u8>().add(page::HOLDS_AT);
        ptr::copy_nonoverlapping(from, wanted.as_mut_ptr(), length);
    };
    !bytes.windows(length).any(|part| part == &wanted[..length])
}

/// Ends the process as `kill -9` does.
fn die() -> Verdict {
    // SAFETY: a signal to this process, which cannot be caught.
    unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    Verdict::Pass
}

fn pause(nanos: u64) {
    let parts = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    let (Ok(tv_sec), Ok(tv_nsec)) = (parts.0.try_into(), parts.1.try_into()) else { return };
    let time = libc::timespec { tv_sec, tv_nsec };
    // SAFETY: the time is ours; no remaining time is asked for.
    unsafe { libc::nanosleep(&raw const time, ptr::null_mut::<c_void>().cast()) };
}
