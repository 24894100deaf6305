//! The layout of the page: 64-bit words in the machine's order, then texts.
//!
//! Whoever steers takes this file into its own crate, so that there is one layout.

/// Bytes of the page.
pub(crate) const BYTES: usize = 8192;
/// What the first word is.
pub(crate) const MAGIC: u64 = 0x5449_4449_5348_494d;

/// Word: what the wall clock does, one of the `WALL_` values.
pub(crate) const WALL_MODE: usize = 1;
/// Word: seconds, signed, by which or at which it does so.
pub(crate) const WALL_SECONDS: usize = 2;
/// It shows the time.
pub(crate) const WALL_TRUE: u64 = 0;
/// It is off by so much.
pub(crate) const WALL_OFF: u64 = 1;
/// It stands still at this second since 1970.
pub(crate) const WALL_FROZEN: u64 = 2;
/// It jumps each second, to anywhere at most so far from the time.
pub(crate) const WALL_JUMPING: u64 = 3;

/// First word of the kinds of calls.
pub(crate) const KINDS_AT: usize = 8;
/// Words of a kind.
pub(crate) const KIND_WORDS: usize = 8;

/// Kinds of calls.
pub(crate) const OPEN: usize = 0;
/// read, pread and their vectored forms.
pub(crate) const READ: usize = 1;
/// write, pwrite and their vectored forms.
pub(crate) const WRITE: usize = 2;
/// fdatasync and sync_file_range: what a log does to its files.
pub(crate) const SYNC: usize = 3;
/// fsync: what a log does to its directories.
pub(crate) const SYNC_ALL: usize = 4;
/// ftruncate and fallocate.
pub(crate) const RESIZE: usize = 5;
/// rename.
pub(crate) const RENAME: usize = 6;
/// unlink.
pub(crate) const UNLINK: usize = 7;
/// How many there are.
pub(crate) const KINDS: usize = 8;

/// Words of a kind: calls seen.
pub(crate) const CALLS: usize = 0;
/// What happens to a call that is hit: 0 nothing, an errno, or one of the values below.
pub(crate) const ACTION: usize = 1;
/// Calls that pass, since the action was set, before the first that is hit.
pub(crate) const FIRST: usize = 2;
/// How many are hit.
pub(crate) const TIMES: usize = 3;
/// Calls since the action was set.
pub(crate) const SEEN: usize = 4;
/// Calls that were hit, ever.
pub(crate) const HIT: usize = 5;
/// Nanoseconds that every call waits before it is made.
pub(crate) const WAIT: usize = 6;
/// Calls that waited, ever.
pub(crate) const WAITED: usize = 7;

/// About half of what was asked is read or written.
pub(crate) const SHORT: u64 = 1 << 16;
/// Nothing is done, and success reported.
pub(crate) const PRETEND: u64 = 1 << 17;
/// The process is killed before the call.
pub(crate) const KILL: u64 = 1 << 18;
/// The call is made late: so many milliseconds as the upper half says.
pub(crate) const LATE: u64 = 1 << 19;

/// Word: how many bytes are at [`HOLDS_AT`].
pub(crate) const HOLDS_BYTES: usize = 120;
/// Byte where bytes begin that a write must hold in one piece to count.
pub(crate) const HOLDS_AT: usize = 3072;

/// Byte where the directory's path begins; it ends at the first zero byte.
pub(crate) const DIRECTORY_AT: usize = 1024;
/// Byte where a text begins that a path below the directory must contain to count; may be empty.
pub(crate) const ONLY_AT: usize = 2048;
/// Byte where a text begins that a path below the directory must end with to count; may be empty.
pub(crate) const ENDING_AT: usize = 4096;
/// Most bytes of each text.
pub(crate) const TEXT_MAX: usize = 1000;

/// The word of a kind.
pub(crate) const fn word(kind: usize, which: usize) -> usize {
    KINDS_AT + kind * KIND_WORDS + which
}

const _: () = assert!(word(KINDS, 0) <= HOLDS_BYTES, "the words of kinds end before the next one");
const _: () =
    assert!((HOLDS_BYTES + 1) * 8 <= DIRECTORY_AT, "the words end before the texts begin");
const _: () = assert!(ENDING_AT + TEXT_MAX <= BYTES, "the last text lies on the page");
