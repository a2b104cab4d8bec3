//! NEON, which every 64-bit Arm processor has.

use super::{Simd, Vector};
use core::arch::aarch64::*;
use core::ops::{Add, Mul, Sub};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

/// The token for NEON.
#[derive(Clone, Copy)]
pub struct Neon(());

impl Neon {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self(())
    }
}

/// Four floats in a `v` register.
#[derive(Clone, Copy)]
pub struct F32x4(float32x4_t);

impl Add for F32x4 {
    type Output = Self;
    #[inline(always)]
    fn add(self, b: Self) -> Self {
        // SAFETY: NEON is part of the architecture; so below.
        Self(unsafe { vaddq_f32(self.0, b.0) })
    }
}

impl Sub for F32x4 {
    type Output = Self;
    #[inline(always)]
    fn sub(self, b: Self) -> Self {
        // SAFETY: NEON is part of the architecture.
        Self(unsafe { vsubq_f32(self.0, b.0) })
    }
}

impl Mul for F32x4 {
    type Output = Self;
    #[inline(always)]
    fn mul(self, b: Self) -> Self {
        // SAFETY: NEON is part of the architecture.
        Self(unsafe { vmulq_f32(self.0, b.0) })
    }
}

impl Vector for F32x4 {
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        // SAFETY: NEON is part of the architecture.
        Self(unsafe { vfmaq_f32(b.0, self.0, a.0) })
    }

    #[inline(always)]
    fn scale(self, c: f32) -> Self {
        // SAFETY: NEON is part of the architecture.
        Self(unsafe { vmulq_n_f32(self.0, c) })
    }

    #[inline(always)]
    fn scale_add(self, c: f32, b: Self) -> Self {
        // SAFETY: NEON is part of the architecture.
        Self(unsafe { vfmaq_n_f32(b.0, self.0, c) })
    }
}

impl Simd for Neon {
    type V = F32x4;
    type Mask = uint32x4_t;
    const LANES: usize = 4;
    const REGISTERS: usize = 32;
    // 24 sums, four vectors of weights and one broadcast: 29 of 32 registers.
    const TILE_ROWS: &'static [usize] = &[6];
    const SKIP_ROWS: usize = 6;

    #[inline(always)]
    fn splat(self, x: f32) -> F32x4 {
        // SAFETY: NEON is part of the architecture; so below.
        F32x4(unsafe { vdupq_n_f32(x) })
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> F32x4 {
        // SAFETY: the caller vouches for four values.
        F32x4(unsafe { vld1q_f32(p) })
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: F32x4) {
        // SAFETY: the caller vouches for four values.
        unsafe { vst1q_f32(p, v.0) }
    }

    // Rust's half-precision NEON intrinsics are not stable; `half` has them in assembly.
    #[inline(always)]
    unsafe fn load_f16(self, p: *const f16) -> F32x4 {
        let mut wide = [0.0; 4];
        // SAFETY: the caller vouches for four values.
        let narrow = unsafe { core::slice::from_raw_parts(p, 4) };
        narrow.convert_to_f32_slice(&mut wide);
        // SAFETY: `wide` holds four values.
        unsafe { self.load(wide.as_ptr()) }
    }

    #[inline(always)]
    unsafe fn store_f16(self, p: *mut f16, v: F32x4) {
        let mut wide = [0.0; 4];
        // SAFETY: `wide` holds four values.
        unsafe { self.store(wide.as_mut_ptr(), v) };
        // SAFETY: the caller vouches for four values.
        let narrow = unsafe { core::slice::from_raw_parts_mut(p, 4) };
        narrow.convert_from_f32_slice(&wide);
    }

    #[inline(always)]
    unsafe fn load_bf16(self, p: *const bf16) -> F32x4 {
        // SAFETY: the caller vouches for four values of 16 bits.
        F32x4(unsafe { vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(p.cast()))) })
    }

    #[inline(always)]
    unsafe fn store_bf16(self, p: *mut bf16, v: F32x4) {
        // SAFETY: the caller vouches for four values of 16 bits.
        unsafe {
            let bits = vreinterpretq_u32_f32(v.0);
            let odd = vandq_u32(vshrq_n_u32::<16>(bits), vdupq_n_u32(1));
            let rounded = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
            let nan = vmvnq_u32(vceqq_f32(v.0, v.0));
            let quiet = vorrq_u32(bits, vdupq_n_u32(1 << 22));
            vst1_u16(p.cast(), vshrn_n_u32::<16>(vbslq_u32(nan, quiet, rounded)));
        }
    }

    #[inline(always)]
    fn relu(self, v: F32x4) -> F32x4 {
        // `fmax` gives NaN where either is NaN.
        // SAFETY: NEON is part of the architecture.
        F32x4(unsafe { vmaxq_f32(v.0, vdupq_n_f32(0.0)) })
    }

    #[inline(always)]
    fn max(self, a: F32x4, b: F32x4) -> F32x4 {
        // SAFETY: NEON is part of the architecture.
        F32x4(unsafe { vmaxq_f32(a.0, b.0) })
    }

    #[inline(always)]
    fn div(self, a: F32x4, b: F32x4) -> F32x4 {
        // SAFETY: NEON is part of the architecture.
        F32x4(unsafe { vdivq_f32(a.0, b.0) })
    }

    #[inline(always)]
    fn sqrt(self, v: F32x4) -> F32x4 {
        // SAFETY: NEON is part of the architecture.
        F32x4(unsafe { vsqrtq_f32(v.0) })
    }

    #[inline(always)]
    fn not_le(self, a: F32x4, b: F32x4) -> uint32x4_t {
        // SAFETY: NEON is part of the architecture.
        unsafe { vmvnq_u32(vcleq_f32(a.0, b.0)) }
    }

    #[inline(always)]
    fn eq(self, a: F32x4, b: F32x4) -> uint32x4_t {
        // SAFETY: NEON is part of the architecture.
        unsafe { vceqq_f32(a.0, b.0) }
    }

    #[inline(always)]
    fn unordered(self, a: F32x4, b: F32x4) -> uint32x4_t {
        // SAFETY: NEON is part of the architecture.
        unsafe { vmvnq_u32(vandq_u32(vceqq_f32(a.0, a.0), vceqq_f32(b.0, b.0))) }
    }

    #[inline(always)]
    fn any(self, mask: uint32x4_t) -> bool {
        // SAFETY: NEON is part of the architecture.
        unsafe { vmaxvq_u32(mask) != 0 }
    }

    #[inline(always)]
    fn or(self, a: uint32x4_t, b: uint32x4_t) -> uint32x4_t {
        // SAFETY: NEON is part of the architecture.
        unsafe { vorrq_u32(a, b) }
    }

    #[inline(always)]
    fn select(self, mask: uint32x4_t, a: F32x4, b: F32x4) -> F32x4 {
        // SAFETY: NEON is part of the architecture.
        F32x4(unsafe { vbslq_f32(mask, a.0, b.0) })
    }

    #[inline(always)]
    fn or_bits(self, a: F32x4, b: F32x4) -> F32x4 {
        // SAFETY: NEON is part of the architecture.
        F32x4(unsafe {
            vreinterpretq_f32_u32(vorrq_u32(vreinterpretq_u32_f32(a.0), vreinterpretq_u32_f32(b.0)))
        })
    }
}
