//! Which vector instructions an x86-64 processor has, and the operating system lets programs use.

/// The instruction sets that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Features {
    /// AVX2, FMA, F16C and POPCNT.
    pub(super) avx2: bool,
    /// These, and the foundation of AVX-512.
    pub(super) avx512f: bool,
}

impl Features {
    #[cfg(feature = "std")]
    pub(super) fn get() -> Self {
        use std::is_x86_feature_detected as has;
        let avx2 = has!("avx2") && has!("fma") && has!("f16c") && has!("popcnt");
        Self { avx2, avx512f: avx2 && has!("avx512f") }
    }

    /// Asked once: a virtual machine takes microseconds to answer.
    #[cfg(not(feature = "std"))]
    pub(super) fn get() -> Self {
        use core::sync::atomic::{AtomicU8, Ordering::Relaxed};
        const ASKED: u8 = 1;
        static ANSWER: AtomicU8 = AtomicU8::new(0);
        let mut answer = ANSWER.load(Relaxed);
        if answer & ASKED == 0 {
            let Self { avx2, avx512f } = Self::ask();
            answer = ASKED | u8::from(avx2) << 1 | u8::from(avx512f) << 2;
            ANSWER.store(answer, Relaxed);
        }
        Self { avx2: answer & 2 != 0, avx512f: answer & 4 != 0 }
    }

    /// Asks the processor, where there is no `std` to do it. The bits are those of Intel's manual: CPUID in
    /// volume 2, XCR0 in volume 1, 13.3.
    #[cfg(any(not(feature = "std"), test))]
    #[allow(unused_unsafe, reason = "`__cpuid` is unsafe for older compilers that we support")]
    fn ask() -> Self {
        use core::arch::x86_64::{__cpuid, __cpuid_count};
        // FMA, POPCNT, OSXSAVE and F16C.
        const FIRST: u32 = 1 << 12 | 1 << 23 | 1 << 27 | 1 << 29;
        const AVX2: u32 = 1 << 5;
        const AVX512F: u32 = 1 << 16;
        // What the system saves of each program: the registers of SSE and AVX, and those of AVX-512.
        const YMM: u64 = 0b110;
        const ZMM: u64 = 0b1110_0110;
        let neither = Self { avx2: false, avx512f: false };
        // SAFETY: every x86-64 processor has the instruction.
        let (leaves, first) = unsafe { (__cpuid(0).eax, __cpuid(1).ecx) };
        if leaves < 7 || first & FIRST != FIRST {
            return neither;
        }
        // SAFETY: the system has switched the instruction on, says OSXSAVE.
        let saved = unsafe { saved_registers() };
        // SAFETY: the processor has this leaf.
        let seventh = unsafe { __cpuid_count(7, 0).ebx };
        let avx2 = saved & YMM == YMM && seventh & AVX2 != 0;
        Self { avx2, avx512f: avx2 && saved & ZMM == ZMM && seventh & AVX512F != 0 }
    }
}

/// The registers that the operating system saves for each program, as bits.
#[cfg(any(not(feature = "std"), test))]
#[target_feature(enable = "xsave")]
fn saved_registers() -> u64 {
    // SAFETY: this function is entered only where the instruction is there; register 0 always is.
    unsafe { core::arch::x86_64::_xgetbv(0) }
}

#[cfg(all(test, feature = "std"))]
#[test]
fn the_processor_is_seen_as_std_sees_it() {
    assert_eq!(Features::ask(), Features::get());
}
