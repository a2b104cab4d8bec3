//! The derivative of a ReLU, where no other kernel sees to it.

use crate::simd::{Element, Kernel, Simd};
use crate::{Context, DisjointMut};

/// `dx = dx` where `x`, the output of a ReLU, is positive or NaN, else 0; in place.
///
/// # Panics
/// If the lengths differ.
pub fn gate<X: Element>(cx: &Context, x: &[X], dx: &mut [f32]) {
    /// 32 KiB of gradients.
    const CHUNK: usize = 8192;
    assert_eq!(x.len(), dx.len(), "x and dx have one shape");
    let (len, dx) = (dx.len(), DisjointMut::new(dx));
    cx.for_each(len.div_ceil(CHUNK), len, |task| {
        let range = task * CHUNK..len.min((task + 1) * CHUNK);
        // SAFETY: tasks have different ranges.
        let dx = unsafe { dx.part(range.clone()) };
        cx.isa().run(Gate { x: &x[range], dx });
    });
}

struct Gate<'a, X> {
    x: &'a [X],
    dx: &'a mut [f32],
}

impl<X: Element> Kernel for Gate<'_, X> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        run(s, self.x, self.dx);
    }
}

/// [`gate`] in a kernel.
///
/// # Panics
/// If the slices differ in length.
#[inline(always)]
pub(super) fn run<S: Simd, X: Element>(s: S, x: &[X], dx: &mut [f32]) {
    assert_eq!(x.len(), dx.len(), "x and dx have one shape");
    // Without the sum the compiler makes this a masked store, which is microcode on AMD's AVX2.
    let zero = s.splat(0.0);
    let whole = dx.len() / S::LANES * S::LANES;
    for i in (0..whole).step_by(S::LANES) {
        // SAFETY: both slices have a register's length from `i` on.
        unsafe {
            let d = dx.as_mut_ptr().add(i);
            s.store(d, s.gate(X::load(s, x.as_ptr().add(i)), s.load(d) + zero));
        }
    }
    for (dx, x) in dx[whole..].iter_mut().zip(&x[whole..]) {
        if x.to_f32() <= 0.0 {
            *dx = 0.0;
        }
    }
}
