//! A library that is preloaded (`LD_PRELOAD`) into the real service and stands between it and the C
//! library: calls on files below one directory fail, are cut short, wait, or do nothing, and the wall
//! clock jumps, as a page of shared memory says. Everything else passes through untouched.
//!
//! The page is a file that `TIDINGS_SHIM` names; `page` has its layout, and whoever steers writes to
//! that file while the service runs. Only calls that go through the C library are seen: nothing that
//! io_uring or a static binary does.
#![expect(unsafe_code, reason = "it takes the place of functions of the C library")]

mod clock;
mod control;
mod files;
mod naming;
mod opening;
mod page;
mod real;
mod syncing;
mod transfer;
