//! The wall clock. The monotonic one is never touched.

use std::sync::atomic::Ordering;

use libc::{c_int, clockid_t, time_t, timespec};

use crate::control;
use crate::page;
use crate::real::real;

type GetTime = unsafe extern "C" fn(clockid_t, *mut timespec) -> c_int;

/// A number at most so far from zero that looks like none before it.
fn anywhere(seed: time_t, most: i64) -> i64 {
    let mixed = seed.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let span = most.unsigned_abs().saturating_mul(2).saturating_add(1);
    ((mixed ^ (mixed >> 29)) % span).cast_signed() - most
}

/// `clock_gettime(2)`.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn clock_gettime(clock: clockid_t, into: *mut timespec) -> c_int {
    let get = real!(clock_gettime as GetTime);
    // SAFETY: the caller's own arguments.
    let done = unsafe { get(clock, into) };
    let is_wall = clock == libc::CLOCK_REALTIME || clock == libc::CLOCK_REALTIME_COARSE;
    if done != 0 || !is_wall || into.is_null() {
        return done;
    }
    let (Some(mode), Some(seconds)) =
        (control::word(page::WALL_MODE), control::word(page::WALL_SECONDS))
    else {
        return done;
    };
    let seconds = seconds.load(Ordering::SeqCst).cast_signed();
    // SAFETY: the call before filled it in.
    let time = unsafe { &mut *into };
    match mode.load(Ordering::SeqCst) {
        page::WALL_TRUE => {}
        page::WALL_OFF => time.tv_sec = time.tv_sec.saturating_add(seconds),
        page::WALL_FROZEN => *time = timespec { tv_sec: seconds, tv_nsec: 0 },
        page::WALL_JUMPING => {
            time.tv_sec = time.tv_sec.saturating_add(anywhere(time.tv_sec, seconds));
        }
        _ => {}
    }
    done
}
