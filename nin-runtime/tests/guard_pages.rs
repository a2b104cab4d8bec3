//! Every operation on buffers that touch pages which nobody may read or write: a kernel that leaves its
//! buffers by one element kills the process. And wrong lengths, which must panic before that.

#![cfg(all(feature = "parallel", target_os = "linux"))]

#[path = "guard/buffer.rs"]
mod buffer;
#[path = "guard/cases.rs"]
mod cases;
#[path = "guard/convolutions.rs"]
mod convolutions;

/// What transforms refer to.
mod rt {
    pub use core::clone::Clone;
    pub use core::marker::Copy;
    pub use core::option::Option::{self, None, Some};
    pub use nin_runtime::ops::conv::winograd::Transform;
    pub use nin_runtime::simd::Vector;
}

nin_macros::transforms!(F2x3, F2x5, F4x3, F4x5, F6x3, F4x3With1, F1x3With4);

use buffer::{Guarded, Side};
use nin_runtime::Context;
use nin_runtime::simd::Isa;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Every instruction set of this processor, or the one that `NIN_ISA` names.
fn contexts() -> impl Iterator<Item = Context> {
    let one = std::env::var_os("NIN_ISA").is_some().then(Isa::get);
    let isas = Isa::available().filter(move |isa| one.is_none_or(|one| one == *isa));
    isas.flat_map(|isa| [1, 2].map(|threads| Context::with_threads(isa, threads)))
}

#[test]
fn no_operation_leaves_its_buffers() {
    for case in cases::all() {
        for cx in contexts() {
            let results: Vec<Vec<Vec<u32>>> =
                [Side::After, Side::Before].map(|side| case.run(&cx, side, None)).into();
            assert!(results[0] == results[1], "{}: results depend on addresses", case.name());
        }
    }
}

#[test]
fn a_buffer_of_another_length_panics() {
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let cx = Context::sequential(Isa::available().last().expect("there is plain Rust"));
    let mut wrong = Vec::new();
    for case in cases::all() {
        for buffer in 0..case.buffers() {
            for by in [-1, 1, -16] {
                let run = || case.run(&cx, Side::After, Some((buffer, by)));
                let panicked = catch_unwind(AssertUnwindSafe(run)).is_err();
                // Work space may be longer than is needed.
                if !(panicked || by > 0 && case.is_work(buffer)) {
                    wrong.push(format!("{}: buffer {buffer} longer by {by}", case.name()));
                }
            }
        }
    }
    std::panic::set_hook(quiet);
    assert!(wrong.is_empty(), "taken as they are: {wrong:#?}");
}

#[test]
fn the_guard_pages_guard() {
    const SIDE: &str = "NIN_GUARD_SIDE";
    if let Ok(side) = std::env::var(SIDE) {
        let (side, offset) = if side == "after" { (Side::After, 5) } else { (Side::Before, -1) };
        let buffer = Guarded::new(&[1.0; 5], side);
        // SAFETY: none; this is the access that must kill the process.
        let value = unsafe { buffer.as_ptr().offset(offset).read_volatile() };
        panic!("read {value} beyond a buffer");
    }
    for side in ["after", "before"] {
        let program = std::env::current_exe().expect("a path");
        let child = std::process::Command::new(program)
            .args(["--exact", "the_guard_pages_guard"])
            .env(SIDE, side)
            .output()
            .expect("the test can be run");
        let signal = std::os::unix::process::ExitStatusExt::signal(&child.status);
        assert_eq!(signal, Some(libc::SIGSEGV), "{side}");
    }
}
