//! The mean of each channel over all pixels: a NiN's logits.

use crate::simd::{Element, Kernel, PANEL, Simd, padded};
use crate::{Context, DisjointMut};

#[cfg(all(test, feature = "std"))]
mod tests;

/// `logits[i][k] = mean over all pixels of channel k of x[i]`, for `n` images.
///
/// x: `(n, h, w, padded(c))`; logits: `(n, c)`, without padding. Rows are summed first and then their sums,
/// so that rounding grows with h + w rather than h · w.
///
/// # Panics
/// If a slice has another length, or there are no pixels.
pub fn global_avg_pool_forward<T: Element>(
    cx: &Context,
    n: usize,
    (c, h, w): (usize, usize, usize),
    x: &[T],
    logits: &mut [f32],
) {
    let len = check(n, (c, h, w), x.len(), logits.len());
    let logits = DisjointMut::new(logits);
    cx.for_each(n, x.len(), |image| {
        let x = &x[image * len..(image + 1) * len];
        // SAFETY: each task has its own image.
        let logits = unsafe { logits.part(image * c..(image + 1) * c) };
        cx.isa().run(Forward { shape: (h, w), x, logits });
    });
}

/// The gradient with respect to x: each pixel gets its channel's `dlogits / (h · w)`.
///
/// x, dx: `(n, h, w, padded(c))`; dlogits: `(n, c)`. With `gate`, x is the output of a ReLU and dx
/// becomes the gradient before it; otherwise x is not read.
///
/// # Panics
/// If a slice has another length, or there are no pixels.
pub fn global_avg_pool_backward<T: Element>(
    cx: &Context,
    n: usize,
    (c, h, w): (usize, usize, usize),
    gate: bool,
    x: &[T],
    dlogits: &[f32],
    dx: &mut [f32],
) {
    let len = check(n, (c, h, w), x.len(), dlogits.len());
    assert_eq!(x.len(), dx.len(), "x and dx have one shape");
    let dx = DisjointMut::new(dx);
    cx.for_each(n, x.len(), |image| {
        let x = &x[image * len..(image + 1) * len];
        let dlogits = &dlogits[image * c..(image + 1) * c];
        // SAFETY: each task has its own image.
        let dx = unsafe { dx.part(image * len..(image + 1) * len) };
        cx.isa().run(Backward { pixels: h * w, gate, x, dlogits, dx });
    });
}

/// Holds the buffers to their lengths and returns that of one image.
fn check(n: usize, (c, h, w): (usize, usize, usize), x: usize, logits: usize) -> usize {
    assert!(c > 0 && h > 0 && w > 0, "a mean needs values");
    let len = h.checked_mul(w).and_then(|pixels| pixels.checked_mul(padded(c)));
    assert_eq!(len.and_then(|len| len.checked_mul(n)), Some(x), "x is n × {h} × {w} × padded({c})");
    assert_eq!(n.checked_mul(c), Some(logits), "logits are n × {c}");
    x.checked_div(n).unwrap_or(0)
}

/// One image.
struct Forward<'a, T> {
    shape: (usize, usize),
    x: &'a [T],
    logits: &'a mut [f32],
}

impl<T: Element> Kernel for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (h, w) = self.shape;
        let c = padded(self.logits.len());
        let pixels = s.splat((h * w) as f32);
        for (k, logits) in self.logits.chunks_mut(PANEL).enumerate() {
            let mut means = [0.0; PANEL];
            let mut i = 0;
            while i < PANEL {
                let mut sum = s.splat(0.0);
                for row in self.x.chunks_exact(w * c) {
                    let mut row_sum = s.splat(0.0);
                    for x in 0..w {
                        // SAFETY: the lanes of pixel x from channel k · PANEL + i on lie in the row.
                        let v = unsafe { T::load(s, row.as_ptr().add(x * c + k * PANEL + i)) };
                        row_sum = row_sum + v;
                    }
                    sum = sum + row_sum;
                }
                // SAFETY: `i` runs over the panel, a multiple of the lanes.
                unsafe { s.store(means.as_mut_ptr().add(i), s.div(sum, pixels)) };
                i += S::LANES;
            }
            logits.copy_from_slice(&means[..logits.len()]);
        }
    }
}

/// One image's gradient.
struct Backward<'a, T> {
    pixels: usize,
    gate: bool,
    x: &'a [T],
    dlogits: &'a [f32],
    dx: &'a mut [f32],
}

impl<T: Element> Kernel for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let c = padded(self.dlogits.len());
        let pixels = s.splat(self.pixels as f32);
        for (k, dlogits) in self.dlogits.chunks(PANEL).enumerate() {
            let mut panel = [0.0; PANEL];
            panel[..dlogits.len()].copy_from_slice(dlogits);
            let mut i = 0;
            while i < PANEL {
                // SAFETY: `i` runs over the panel, a multiple of the lanes.
                let g = s.div(unsafe { s.load(panel.as_ptr().add(i)) }, pixels);
                for pixel in 0..self.pixels {
                    let at = pixel * c + k * PANEL + i;
                    // SAFETY: the lanes from channel k · PANEL + i on lie in the pixel.
                    unsafe {
                        let g = if self.gate {
                            s.gate(T::load(s, self.x.as_ptr().add(at)), g)
                        } else {
                            g
                        };
                        s.store(self.dx.as_mut_ptr().add(at), g);
                    }
                }
                i += S::LANES;
            }
        }
    }
}
