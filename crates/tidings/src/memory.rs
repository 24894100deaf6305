//! How the allocator gives memory back. Left to itself glibc takes the first large body as a sign
//! that all that follow should be kept, and a few that were refused left 120 MiB behind.

/// Pieces of this size are mapped by themselves and return to the system when they are freed.
const MAPPED_FROM: libc::c_int = 4 << 20;

/// So much free memory at the end of a heap is kept for what comes next.
const KEPT: libc::c_int = 4 << 20;

/// Sets the bounds; before anything else runs.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "the allocator has no other interface")]
pub(crate) fn set_bounds() {
    // SAFETY: `mallopt` sets numbers of the allocator under its own lock and touches no memory of
    // ours.
    let set = unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_FROM)
            & libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT)
    };
    debug_assert_eq!(set, 1, "both are within what it takes");
}

/// Returns whole pages that are free, wherever they lie in a heap.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "the allocator has no other interface")]
pub(crate) fn give_back() {
    // SAFETY: `malloc_trim` works under the allocator's own locks, on memory that nobody has.
    let _was_any = unsafe { libc::malloc_trim(0) };
}

/// Other allocators give back what is freed, or have bounds of their own.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn set_bounds() {}

/// As above.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn give_back() {}
