//! The element types that products are compiled for.

use super::Gemm;
use super::zeros::Skipping;
use crate::simd::{Element, Isa};
use half::{bf16, f16};

/// A format of weights and outputs that there are kernels for.
///
/// They are compiled here, once, and not wherever a generic driver is used.
pub trait Operand: Element {
    /// Computes a product, whose innermost sum moves `A` by 1.
    ///
    /// # Safety
    /// Every address that the strides and counts give must lie in a live allocation: of `A` one
    /// element, of `B` and `C` (and the gate) a panel's 16, and of a row, if there is one, all panels'.
    /// Nothing else may write to them meanwhile, and `C` and the sums of columns overlap none of the
    /// others.
    #[doc(hidden)]
    unsafe fn multiply(isa: Isa, gemm: Gemm<'_, Self>);

    /// [`multiply`](Self::multiply) without products of zeros, if these are many.
    ///
    /// # Safety
    /// As for [`multiply`](Self::multiply).
    #[doc(hidden)]
    unsafe fn multiply_skipping(isa: Isa, gemm: Gemm<'_, Self>);
}

macro_rules! operand {
    ($($type:ident)*) => {
        $(impl Operand for $type {
            unsafe fn multiply(isa: Isa, gemm: Gemm<'_, Self>) {
                isa.run(gemm);
            }

            unsafe fn multiply_skipping(isa: Isa, gemm: Gemm<'_, Self>) {
                isa.run(Skipping::<Self, false> { isa, gemm, all: |isa, gemm| isa.run(gemm) });
            }
        })*
    };
}

operand!(f32 f16 bf16);
