//! The allocator, and how it gives memory back.
//!
//! Events are freed on other threads than those that took them in: with a thousand consumers of narrow
//! filters the allocator of glibc spends a quarter of the processor time on its locks.

pub(crate) mod budget;
pub(crate) mod pressure;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What the allocator reads before anything runs: free pages go back to the system after a second,
/// also when nothing is allocated any more.
#[expect(unsafe_code, reason = "the allocator looks for this symbol")]
// SAFETY: the allocator takes the symbol as a pointer to a string that ends with a zero, which is what
// this begins with, and which lives for ever; nothing else has this name.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub(crate) static SETTINGS: &[u8] =
    b"background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0\0";

/// What it calls all of its arenas, to give back what none of them uses.
const PURGE_ALL: &[u8] = b"arena.4096.purge\0";

/// Returns free pages to the system at once.
#[expect(unsafe_code, reason = "the allocator has no other interface")]
pub(crate) fn give_back() {
    let none = std::ptr::null_mut();
    // SAFETY: the name ends with a zero, and a purge takes nothing and answers nothing; it works under
    // the allocator's own locks, on memory that nobody has.
    let error = unsafe {
        tikv_jemalloc_sys::mallctl(PURGE_ALL.as_ptr().cast(), none, std::ptr::null_mut(), none, 0)
    };
    debug_assert_eq!(error, 0, "it knows this name");
}

#[cfg(test)]
mod tests;
