//! Plain Rust for every processor: four lanes that the optimizer may turn into vectors.

use super::{Simd, Vector};
use core::ops::{Add, Mul, Sub};
use half::{bf16, f16};

const LANES: usize = 4;

/// The token for plain Rust.
#[derive(Clone, Copy)]
pub struct Scalar;

/// Four floats.
#[derive(Clone, Copy)]
pub struct F32x4([f32; LANES]);

#[inline(always)]
fn zip(a: F32x4, b: F32x4, f: impl Fn(f32, f32) -> f32) -> F32x4 {
    F32x4(core::array::from_fn(|i| f(a.0[i], b.0[i])))
}

impl Add for F32x4 {
    type Output = Self;
    #[inline(always)]
    fn add(self, b: Self) -> Self {
        zip(self, b, |a, b| a + b)
    }
}

impl Sub for F32x4 {
    type Output = Self;
    #[inline(always)]
    fn sub(self, b: Self) -> Self {
        zip(self, b, |a, b| a - b)
    }
}

impl Mul for F32x4 {
    type Output = Self;
    #[inline(always)]
    fn mul(self, b: Self) -> Self {
        zip(self, b, |a, b| a * b)
    }
}

impl Vector for F32x4 {
    // Not `f32::mul_add`: without the instruction that is a slow call into the mathematics library.
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        self * a + b
    }

    #[inline(always)]
    fn scale(self, c: f32) -> Self {
        F32x4(self.0.map(|x| x * c))
    }

    #[inline(always)]
    fn scale_add(self, c: f32, b: Self) -> Self {
        self.scale(c) + b
    }
}

/// A lane alone, for the few values that are not worth a kernel.
impl Vector for f32 {
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        self * a + b
    }

    #[inline(always)]
    fn scale(self, c: f32) -> Self {
        self * c
    }

    #[inline(always)]
    fn scale_add(self, c: f32, b: Self) -> Self {
        self * c + b
    }
}

impl Simd for Scalar {
    type V = F32x4;
    type Mask = [bool; LANES];
    const LANES: usize = LANES;
    const REGISTERS: usize = 16;
    const TILE_ROWS: &'static [usize] = &[3];
    const IS_WIDE: bool = true;

    #[inline(always)]
    fn splat(self, x: f32) -> F32x4 {
        F32x4([x; LANES])
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> F32x4 {
        // SAFETY: the caller vouches for four values; an array needs only the alignment of `f32`.
        F32x4(unsafe { p.cast::<[f32; LANES]>().read() })
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: F32x4) {
        // SAFETY: as for `load`.
        unsafe { p.cast::<[f32; LANES]>().write(v.0) }
    }

    #[inline(always)]
    unsafe fn load_f16(self, p: *const f16) -> F32x4 {
        // SAFETY: as for `load`.
        F32x4(unsafe { p.cast::<[f16; LANES]>().read() }.map(f16::to_f32))
    }

    #[inline(always)]
    unsafe fn store_f16(self, p: *mut f16, v: F32x4) {
        // SAFETY: as for `load`.
        unsafe { p.cast::<[f16; LANES]>().write(v.0.map(f16::from_f32)) }
    }

    #[inline(always)]
    unsafe fn load_bf16(self, p: *const bf16) -> F32x4 {
        // SAFETY: as for `load`.
        F32x4(unsafe { p.cast::<[bf16; LANES]>().read() }.map(bf16::to_f32))
    }

    #[inline(always)]
    unsafe fn store_bf16(self, p: *mut bf16, v: F32x4) {
        // SAFETY: as for `load`.
        unsafe { p.cast::<[bf16; LANES]>().write(v.0.map(bf16::from_f32)) }
    }

    #[inline(always)]
    fn relu(self, v: F32x4) -> F32x4 {
        F32x4(v.0.map(|x| if x < 0.0 { 0.0 } else { x }))
    }

    #[inline(always)]
    fn max(self, a: F32x4, b: F32x4) -> F32x4 {
        zip(a, b, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn div(self, a: F32x4, b: F32x4) -> F32x4 {
        zip(a, b, |a, b| a / b)
    }

    #[inline(always)]
    fn sqrt(self, v: F32x4) -> F32x4 {
        F32x4(v.0.map(sqrt))
    }

    #[inline(always)]
    fn not_le(self, a: F32x4, b: F32x4) -> Self::Mask {
        core::array::from_fn(|i| a.0[i] > b.0[i] || a.0[i].is_nan() || b.0[i].is_nan())
    }

    #[inline(always)]
    fn eq(self, a: F32x4, b: F32x4) -> Self::Mask {
        core::array::from_fn(|i| a.0[i] == b.0[i])
    }

    #[inline(always)]
    fn unordered(self, a: F32x4, b: F32x4) -> Self::Mask {
        core::array::from_fn(|i| a.0[i].is_nan() || b.0[i].is_nan())
    }

    #[inline(always)]
    fn any(self, mask: Self::Mask) -> bool {
        mask.contains(&true)
    }

    #[inline(always)]
    fn or(self, a: Self::Mask, b: Self::Mask) -> Self::Mask {
        core::array::from_fn(|i| a[i] || b[i])
    }

    #[inline(always)]
    fn select(self, mask: Self::Mask, a: F32x4, b: F32x4) -> F32x4 {
        F32x4(core::array::from_fn(|i| if mask[i] { a.0[i] } else { b.0[i] }))
    }

    #[inline(always)]
    fn or_bits(self, a: F32x4, b: F32x4) -> F32x4 {
        zip(a, b, |a, b| f32::from_bits(a.to_bits() | b.to_bits()))
    }
}

#[cfg(feature = "std")]
fn sqrt(x: f32) -> f32 {
    x.sqrt()
}

/// Rounds to the same `f32` as the instruction: `core` has no square root.
#[cfg(not(feature = "std"))]
fn sqrt(x: f32) -> f32 {
    crate::math::sqrt(f64::from(x)) as f32
}
