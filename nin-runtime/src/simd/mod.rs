//! The vector abstraction: the one place that knows instruction sets.
//!
//! A kernel is written once, as a [`Kernel`], generic over a [`Simd`] token. [`Isa::run`] enters a
//! function compiled for the processor's instructions and hands the kernel the token that belongs
//! to them. A token, and so a vector, exists only where the processor has the instructions: that
//! is why arithmetic on vectors is safe.
//!
//! Everything a kernel calls must be `#[inline(always)]`; only then is it compiled with the
//! instructions of the function that it ends up in.
//!
//! Why not a crate: panels are 16 floats wide on every machine, so that weights have one layout,
//! and register tiles are chosen per instruction set; both want little more than the operations
//! below, and the runtime stays free of dependencies that a user would have to compile.

#[cfg(target_arch = "x86_64")]
mod cpuid;
mod denormals;
mod element;
mod isa;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(feature = "parallel")]
pub(crate) use denormals::FloatMode;
pub(crate) use denormals::FlushDenormals;
pub(crate) use element::{Convert, as_f32, as_f32_mut, convert};
pub use element::{Element, Format, kept, kept_mut};
pub use isa::Isa;
#[cfg(all(test, target_arch = "x86_64"))]
pub(crate) use x86::Avx512;

use core::ops::{Add, Mul, Sub};

/// Width of a weight panel and unit of channel padding, in elements.
pub const PANEL: usize = 16;

/// Floats in a cache line.
pub(crate) const LINE: usize = 16;

/// Nothing, with the alignment of a cache line.
#[repr(align(64))]
pub(crate) struct CacheLineAligned;

/// `n` rounded up to a multiple of [`PANEL`].
#[must_use]
pub const fn padded(n: usize) -> usize {
    n.div_ceil(PANEL) * PANEL
}

/// Some lanes of `f32`.
///
/// Values come from a [`Simd`] token, so whoever holds one may use the instructions.
pub trait Vector:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Send + Sync + 'static
{
    /// `self · a + b`, fused where the processor can.
    #[must_use]
    fn mul_add(self, a: Self, b: Self) -> Self;

    /// Each lane times `c`.
    #[must_use]
    fn scale(self, c: f32) -> Self;

    /// `self · c + b`, fused where the processor can.
    #[must_use]
    fn scale_add(self, c: f32, b: Self) -> Self;
}

/// A processor's vector instructions, as a token that exists only where they do.
pub trait Simd: Copy + Send + Sync + 'static {
    /// A register of `f32`.
    type V: Vector;
    /// One truth value a lane.
    type Mask: Copy;
    /// `f32` lanes in a register; divides [`PANEL`].
    const LANES: usize;
    /// Vector registers.
    const REGISTERS: usize;
    /// Rows of the largest register tile that is one panel wide, two, and so on as far as registers last.
    const TILE_ROWS: &'static [usize];
    /// Rows of the register tiles that leave out products of zeros; 0 if there are none.
    const SKIP_ROWS: usize = 0;
    /// How often the inner loop of a product is written out. Counting and moving on are up to a sixth of its
    /// instructions, which tell on a core whose other thread is busy.
    const UNROLL: usize = 1;
    /// The sums, in vectors, of a register tile from which on that is done.
    const TALL: usize = 10;
    /// Whether a vector takes more than one register, so that code written out many times grows large.
    const IS_WIDE: bool = false;

    /// `x` in every lane.
    fn splat(self, x: f32) -> Self::V;

    /// Reads [`LANES`](Self::LANES) values.
    ///
    /// # Safety
    /// `p` must be valid for reading that many values; no alignment is asked for.
    unsafe fn load(self, p: *const f32) -> Self::V;

    /// Writes [`LANES`](Self::LANES) values.
    ///
    /// # Safety
    /// `p` must be valid for writing that many values; no alignment is asked for.
    unsafe fn store(self, p: *mut f32, v: Self::V);

    /// [`store`](Self::store) past the caches: for what they could not hold until it is read. Other threads may
    /// read it after [`finish_stores`](Self::finish_stores).
    ///
    /// # Safety
    /// `p` must be valid for writing that many values, and a multiple of their size.
    #[inline(always)]
    unsafe fn store_past_caches(self, p: *mut f32, v: Self::V) {
        // SAFETY: the caller's promise.
        unsafe { self.store(p, v) };
    }

    /// Waits until what was stored past the caches is there for all.
    #[inline(always)]
    fn finish_stores(self) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        // SAFETY: every x86-64 processor has it.
        unsafe {
            core::arch::x86_64::_mm_sfence();
        }
    }

    /// Reads [`LANES`](Self::LANES) half-precision values and widens them.
    ///
    /// # Safety
    /// `p` must be valid for reading that many values; no alignment is asked for.
    unsafe fn load_f16(self, p: *const half::f16) -> Self::V;

    /// Rounds to half precision, to nearest even, and writes [`LANES`](Self::LANES) values.
    ///
    /// # Safety
    /// `p` must be valid for writing that many values; no alignment is asked for.
    unsafe fn store_f16(self, p: *mut half::f16, v: Self::V);

    /// Reads [`LANES`](Self::LANES) values of `bf16` and widens them.
    ///
    /// # Safety
    /// `p` must be valid for reading that many values; no alignment is asked for.
    unsafe fn load_bf16(self, p: *const half::bf16) -> Self::V;

    /// Rounds to `bf16`, to nearest even, and writes [`LANES`](Self::LANES) values.
    ///
    /// # Safety
    /// `p` must be valid for writing that many values; no alignment is asked for.
    unsafe fn store_bf16(self, p: *mut half::bf16, v: Self::V);

    /// Brings the cache line at `p`, which need not be valid, into the second cache.
    #[inline(always)]
    fn prefetch_to_second(self, p: *const f32) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        // SAFETY: a prefetch of any address is harmless.
        unsafe {
            core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T1 }>(p.cast());
        }
        #[cfg(not(all(target_arch = "x86_64", not(miri))))]
        let _ = p;
    }

    /// Brings the cache line at `p`, which need not be valid, nearer.
    #[inline(always)]
    fn prefetch<T>(self, p: *const T) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        // SAFETY: a prefetch of any address is harmless.
        unsafe {
            core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(p.cast());
        }
        #[cfg(any(miri, not(target_arch = "x86_64")))]
        let _ = p;
    }

    /// Brings the cache line at `p`, which need not be valid, nearer, as one that will be written: no other processor
    /// keeps a copy, for which the write would have to wait.
    #[inline(always)]
    #[cfg_attr(
        all(target_arch = "x86_64", not(miri)),
        expect(clippy::pointers_in_nomem_asm_block, reason = "a hint reads and writes nothing")
    )]
    fn prefetch_to_write<T>(self, p: *mut T) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        // SAFETY: a prefetch of any address is harmless, and one that a processor does not know does nothing.
        unsafe {
            core::arch::asm!(
                "prefetchw byte ptr [{}]",
                in(reg) p,
                options(nomem, nostack, preserves_flags)
            );
        }
        #[cfg(any(miri, not(target_arch = "x86_64")))]
        let _ = p;
    }

    /// `p`, of which the compiler knows nothing before: it finds addresses beyond it where they are used, and does
    /// not keep those of a loop ready ahead of it, for which there are no registers.
    #[inline(always)]
    #[cfg_attr(
        all(target_arch = "x86_64", not(miri)),
        expect(clippy::pointers_in_nomem_asm_block, reason = "there is no instruction")
    )]
    fn afresh<T>(self, mut p: *const T) -> *const T {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        // SAFETY: it does nothing.
        unsafe {
            core::arch::asm!("/* {} */", inout(reg) p, options(nomem, nostack, preserves_flags));
        }
        p
    }

    /// `p`, which the compiler takes to depend on `v`, so that it reads nothing there before it has computed `v`.
    /// It would otherwise read early, and keep more values than there are registers.
    #[inline(always)]
    fn once_known(self, v: &mut Self::V, p: *const f32) -> *const f32 {
        let _ = v;
        p
    }

    /// `max(v, 0)`; NaN stays NaN.
    fn relu(self, v: Self::V) -> Self::V;

    /// The larger of each pair; NaN where `b` is, and either of them where only `a` is.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;

    /// `a / b`, rounded correctly.
    fn div(self, a: Self::V, b: Self::V) -> Self::V;

    /// The square root, rounded correctly.
    fn sqrt(self, v: Self::V) -> Self::V;

    /// Where `a > b`, or either is NaN.
    fn not_le(self, a: Self::V, b: Self::V) -> Self::Mask;

    /// Where `a == b`; false where either is NaN.
    fn eq(self, a: Self::V, b: Self::V) -> Self::Mask;

    /// Where `a` or `b` is NaN.
    fn unordered(self, a: Self::V, b: Self::V) -> Self::Mask;

    /// Whether any lane is true.
    fn any(self, mask: Self::Mask) -> bool;

    /// Where either is true.
    fn or(self, a: Self::Mask, b: Self::Mask) -> Self::Mask;

    /// `a` where the mask is true, else `b`.
    fn select(self, mask: Self::Mask, a: Self::V, b: Self::V) -> Self::V;

    /// A bit for each lane of `v`, set where that is not zero. NaN is not.
    #[inline(always)]
    fn nonzero(self, v: Self::V) -> u32 {
        let mut lanes = [0.0; PANEL];
        // SAFETY: a panel is at least one register.
        unsafe { self.store(lanes.as_mut_ptr(), v) };
        let lanes = lanes[..Self::LANES].iter().enumerate();
        lanes.fold(0, |bits, (i, &lane)| bits | u32::from(lane != 0.0) << i)
    }

    /// Each bit of a lane that is set in `a` or in `b`.
    fn or_bits(self, a: Self::V, b: Self::V) -> Self::V;

    /// Writes how far each one of [`LANES`](Self::LANES) bits is from the one before, and whatever behind: the first
    /// is so far from the bit that stands `gap` places before them all. Returns how far the last one is from the bit
    /// behind them.
    ///
    /// # Safety
    /// `to` must be valid for writing as many numbers as there are lanes.
    #[inline(always)]
    unsafe fn store_steps(self, bits: u32, mut gap: u16, mut to: *mut u16) -> u16 {
        for first in (0..Self::LANES).step_by(4) {
            let four = (bits >> first & 0b1111) as usize;
            let (mut steps, after) = STEPS[four];
            steps[0] += gap;
            // SAFETY: the caller's promise; of the lanes before, no more numbers were kept.
            unsafe {
                to.cast::<[u16; 4]>().write_unaligned(steps);
                to = to.add(four.count_ones() as usize);
            }
            gap = if four == 0 { gap + after } else { after };
        }
        gap
    }

    /// Transposes [`LANES`](Self::LANES) rows of as many values, `from_row` apart, to rows `to_row` apart.
    ///
    /// # Safety
    /// The rows must be valid for reading and writing, and must not overlap.
    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
        for i in 0..Self::LANES {
            for j in 0..Self::LANES {
                // SAFETY: the caller's promise.
                unsafe { *to.add(j * to_row + i) = *from.add(i * from_row + j) };
            }
        }
    }

    /// Where `v` is NaN.
    #[inline(always)]
    fn is_nan(self, v: Self::V) -> Self::Mask {
        self.unordered(v, v)
    }

    /// `v` where `gate` is positive or NaN, else 0: the derivative of the ReLU whose output is
    /// `gate`, as PyTorch's `threshold_backward` has it.
    #[inline(always)]
    fn gate(self, gate: Self::V, v: Self::V) -> Self::V {
        let zero = self.splat(0.0);
        self.select(self.not_le(gate, zero), v, zero)
    }
}

/// For four bits, the place of the first one and the steps from one to the next, and from the last one to
/// the bit behind these; of no ones, from the first place to there.
static STEPS: [([u16; 4], u16); 16] = {
    let mut all = [([0; 4], 4); 16];
    let mut bits = 0;
    while bits < all.len() {
        let (steps, after) = &mut all[bits];
        let (mut count, mut last, mut place) = (0, 0, 0);
        while place < 4 {
            if bits >> place & 1 == 1 {
                steps[count] = place - last;
                (count, last) = (count + 1, place);
                *after = 4 - place;
            }
            place += 1;
        }
        bits += 1;
    }
    all
};

/// Work that is written once and compiled for each instruction set.
///
/// Implementations mark `run` as `#[inline(always)]`.
pub trait Kernel {
    /// What the work gives.
    type Output;

    /// Does the work with the instructions that `simd` stands for.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

#[cfg(test)]
mod tests;
