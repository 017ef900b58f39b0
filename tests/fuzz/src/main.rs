//! The libFuzzer binary: runs the target that `HAPA_FUZZ_TARGET` names. Built and started by `cargo xtask fuzz`.

#![no_main]

use std::sync::LazyLock;

use fuzz::{TARGETS, Target};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("HAPA_FUZZ_TARGET").expect("`cargo xtask fuzz` sets HAPA_FUZZ_TARGET");
    TARGETS.iter().find(|target| target.name == name).expect("HAPA_FUZZ_TARGET is the name of a target")
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));
