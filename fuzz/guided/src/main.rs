//! libFuzzer on one target of `tidings-fuzz`, chosen by `TIDINGS_FUZZ_TARGET`; built and run by
//! `cargo xtask fuzz`.
#![no_main]

use std::sync::OnceLock;

use tidings_fuzz::{TARGETS, Target};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    static TARGET: OnceLock<&Target> = OnceLock::new();
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("TIDINGS_FUZZ_TARGET").unwrap_or_default();
        TARGETS.iter().find(|target| target.name == name).expect("TIDINGS_FUZZ_TARGET names one")
    });
    (target.run)(input);
});
