//! The C library's own functions, found behind ours.

use std::ffi::CStr;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use libc::{c_int, c_void};

/// The next function of a name after ours. The process ends when there is none: nothing that this
/// library could answer would be true.
pub(crate) fn find(known: &AtomicPtr<c_void>, name: &CStr) -> *mut c_void {
    let found = known.load(Ordering::Relaxed);
    if !found.is_null() {
        return found;
    }
    // SAFETY: the name ends with a zero byte; `dlsym` keeps nothing of it.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    if found.is_null() {
        // SAFETY: ends the process, touching no memory of ours.
        unsafe { libc::abort() }
    }
    known.store(found, Ordering::Relaxed);
    found
}

/// Sets `errno` and gives what a failed call returns.
pub(crate) fn failed(errno: c_int) -> c_int {
    // SAFETY: the address is the calling thread's own `errno`, valid while the thread lives.
    unsafe { ptr::write(libc::__errno_location(), errno) };
    -1
}

/// The C library's function of this name, as a function of this type.
macro_rules! real {
    ($name:ident as $kind:ty) => {{
        static KNOWN: std::sync::atomic::AtomicPtr<libc::c_void> =
            std::sync::atomic::AtomicPtr::new(std::ptr::null_mut());
        let name = const {
            match std::ffi::CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                Ok(name) => name,
                Err(_) => panic!("a function's name has no zero byte"),
            }
        };
        // SAFETY: the address is that of the C library's function, and the type is the one that its
        // manual page gives.
        unsafe { std::mem::transmute::<*mut libc::c_void, $kind>($crate::real::find(&KNOWN, name)) }
    }};
}
pub(crate) use real;
