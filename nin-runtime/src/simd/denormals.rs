//! Denormal numbers, which turn up in the gradients of nets that have learnt, and cost over a hundred
//! cycles each.
//!
//! Rust takes the processor's floating-point mode for the default one: to run its code in another is
//! undefined by its documentation (`_mm_setcsr` in `core::arch`; only an assembly block may change the
//! mode, and then until its end). Nothing else would keep denormals out of kernels that the compiler
//! makes, so this goes against the letter. What is relied on:
//!
//! * Of the mode only the treatment of denormals changes, never rounding or exceptions. Whether the
//!   compiler evaluates an operation itself, as if the mode were the default, or moves it past a
//!   change, decides only whether a result below 2⁻¹²⁶ is that or zero.
//! * No index, length, address or branch that memory safety depends on comes from a floating-point
//!   number, in kernels or in generated code.
//! * No code but the runtime's and a net's own runs in the mode: a caller's is called before, and a
//!   panic brings the old mode back.
//!
//! Miri refuses such assembly; under it denormals stay.

/// A thread's floating-point mode.
#[derive(Clone, Copy)]
pub(crate) struct FloatMode(register::Word);

impl FloatMode {
    /// The mode of the calling thread.
    #[cfg(feature = "parallel")]
    pub(crate) fn current() -> Self {
        Self(register::read())
    }

    /// The calling thread computes in this mode while the guard lives.
    pub(crate) fn enter(self) -> FloatModeGuard {
        let saved = register::read();
        register::write(self.0);
        FloatModeGuard { saved }
    }
}

/// Brings a thread's mode back when it is dropped, by a panic too.
pub(crate) struct FloatModeGuard {
    saved: register::Word,
}

impl Drop for FloatModeGuard {
    fn drop(&mut self) {
        register::write(self.saved);
    }
}

/// Denormal numbers are taken as zero, operands and results, while this lives.
pub(crate) struct FlushDenormals {
    _mode: FloatModeGuard,
}

impl FlushDenormals {
    pub(crate) fn new() -> Self {
        Self { _mode: FloatMode(register::read() | register::FLUSH).enter() }
    }
}

/// The SSE control and status register.
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod register {
    pub(super) type Word = u32;

    /// Bit 15: results that would be denormal are zero. Bit 6: so are operands.
    pub(super) const FLUSH: Word = 1 << 15 | 1 << 6;

    pub(super) fn read() -> Word {
        let mut word: Word = 0;
        // SAFETY: stores the register, which every x86-64 processor has, into a local.
        unsafe {
            core::arch::asm!("stmxcsr [{}]", in(reg) &raw mut word, options(nostack, preserves_flags));
        }
        word
    }

    pub(super) fn write(word: Word) {
        // SAFETY: as the module says: changes only how denormals are treated, or restores what was read.
        unsafe {
            core::arch::asm!("ldmxcsr [{}]", in(reg) &raw const word, options(nostack, preserves_flags));
        }
    }
}

/// The floating-point control register.
#[cfg(all(target_arch = "aarch64", not(miri)))]
mod register {
    pub(super) type Word = u64;

    /// Bit 24: operands and results that are denormal are zero.
    pub(super) const FLUSH: Word = 1 << 24;

    pub(super) fn read() -> Word {
        let word: Word;
        // SAFETY: reads a register that every 64-bit Arm processor has.
        unsafe {
            core::arch::asm!("mrs {}, fpcr", out(reg) word, options(nomem, nostack, preserves_flags));
        }
        word
    }

    pub(super) fn write(word: Word) {
        // SAFETY: as the module says: changes only how denormals are treated, or restores what was read.
        unsafe {
            core::arch::asm!("msr fpcr, {}", in(reg) word, options(nostack, preserves_flags));
        }
    }
}

/// Where there is no such register, or no access to it, the mode is always the default.
#[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod register {
    pub(super) type Word = u32;

    pub(super) const FLUSH: Word = 0;

    pub(super) fn read() -> Word {
        0
    }

    pub(super) fn write(_: Word) {}
}
