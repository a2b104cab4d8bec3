//! The largest value of each window, and the way of its gradient back.

use super::{PerWindow, PoolShape, Window, for_each_band, for_each_gradient, for_each_window};
use crate::Context;
use crate::simd::{Kernel, Simd};
use core::ops::Range;

/// `y[i] = max over window i of x`, for `n` images.
///
/// x: `(n, h, w, padded(c))`; y: `(n, oh, ow, padded(c))`. Padding never wins, and a NaN in the
/// window does.
///
/// # Panics
/// If a slice has another length.
pub fn max_pool_forward(cx: &Context, n: usize, shape: &PoolShape, x: &[f32], y: &mut [f32]) {
    shape.check(n, &[x.len()], &[y.len()]);
    for_each_band(cx, n, shape, y, |image, rows, y| {
        let x = &x[image * shape.input_len()..][..shape.input_len()];
        cx.isa().run(Forward { shape, rows, x, y });
    });
}

/// The gradient with respect to x: each `dy[i]` goes to the place of the largest value of window i.
///
/// x, dx: `(n, h, w, padded(c))`; dy: `(n, oh, ow, padded(c))`. Of equal values the first in row-major
/// order counts, of several NaN the last, as in PyTorch. With `gate`, x is the output of a ReLU and dx
/// becomes the gradient before it. The place is found again here rather than kept by the forward
/// pass: reading x once more costs less than an index buffer.
///
/// # Panics
/// If a slice has another length.
pub fn max_pool_backward(
    cx: &Context,
    n: usize,
    shape: &PoolShape,
    gate: bool,
    x: &[f32],
    dy: &[f32],
    dx: &mut [f32],
) {
    shape.check(n, &[x.len(), dx.len()], &[dy.len()]);
    for_each_gradient(cx, n, shape, dx, |image, dx| {
        let x = &x[image * shape.input_len()..][..shape.input_len()];
        let dy = &dy[image * shape.output_len()..][..shape.output_len()];
        cx.isa().run(Backward { shape, gate, x, dy, dx });
    });
}

/// The output rows `rows` of one image; `y` starts with the first of them.
struct Forward<'a> {
    shape: &'a PoolShape,
    rows: Range<usize>,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let first_pixel = self.rows.start * self.shape.columns.output;
        let work = Largest { x: self.x.as_ptr(), y: self.y.as_mut_ptr(), first_pixel };
        for oy in self.rows {
            // SAFETY: x is an image's input, y are its output's rows from the first pixel on.
            unsafe { for_each_window(s, self.shape, oy, &work) };
        }
    }
}

struct Largest {
    x: *const f32,
    y: *mut f32,
    /// The pixel that `y` starts with.
    first_pixel: usize,
}

impl PerWindow for Largest {
    #[inline(always)]
    unsafe fn window<S: Simd>(&self, s: S, window: Window, pixel: usize) {
        let mut i = 0;
        while i < window.c {
            // SAFETY: `i` runs over the channels of a pixel, a multiple of the lanes.
            unsafe {
                let (max, _) = largest(s, self.x.add(i), window);
                s.store(self.y.add((pixel - self.first_pixel) * window.c + i), max);
            }
            i += S::LANES;
        }
    }
}

/// One image's gradient.
struct Backward<'a> {
    shape: &'a PoolShape,
    gate: bool,
    x: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut zeroed = 0;
        for oy in 0..self.shape.rows.output {
            // Rows are zeroed when the first window reaches them, so that they are in cache.
            let rows = self.shape.rows.span(oy);
            let reached = (rows.start + rows.len) * self.shape.input_row();
            self.dx[zeroed..reached].fill(0.0);
            zeroed = reached;
            let work = Scatter {
                gate: self.gate,
                x: self.x.as_ptr(),
                dy: self.dy.as_ptr(),
                dx: self.dx.as_mut_ptr(),
            };
            // SAFETY: x and dx are an image's input, dy is its output.
            unsafe { for_each_window(s, self.shape, oy, &work) };
        }
        self.dx[zeroed..].fill(0.0);
    }
}

struct Scatter {
    gate: bool,
    x: *const f32,
    dy: *const f32,
    dx: *mut f32,
}

impl PerWindow for Scatter {
    #[inline(always)]
    unsafe fn window<S: Simd>(&self, s: S, window: Window, pixel: usize) {
        let zero = s.splat(0.0);
        let mut i = 0;
        while i < window.c {
            // SAFETY: `i` runs over the channels of a pixel, a multiple of the lanes, and `ky`, `kx` over
            // the pixels of the window.
            unsafe {
                let (max, place) = largest(s, self.x.add(i), window);
                let mut g = s.load(self.dy.add(pixel * window.c + i));
                if self.gate {
                    g = s.gate(max, g);
                }
                for ky in 0..window.h {
                    for kx in 0..window.w {
                        let here = s.eq(place, s.splat((ky * window.w + kx) as f32));
                        let d = self.dx.add(window.at(ky, kx) + i);
                        s.store(d, s.load(d) + s.select(here, g, zero));
                    }
                }
            }
            i += S::LANES;
        }
    }
}

/// The largest values of a window, and their places in it, counted row by row.
///
/// # Safety
/// The window must lie on the input that `x` points into.
#[inline(always)]
unsafe fn largest<S: Simd>(s: S, x: *const f32, window: Window) -> (S::V, S::V) {
    // SAFETY: the first pixel of the window.
    let mut max = unsafe { s.load(x.add(window.start)) };
    let mut place = s.splat(0.0);
    for ky in 0..window.h {
        for kx in 0..window.w {
            // SAFETY: a pixel of the window.
            let v = unsafe { s.load(x.add(window.at(ky, kx))) };
            let better = s.or(s.gt(v, max), s.is_nan(v));
            max = s.select(better, v, max);
            place = s.select(better, s.splat((ky * window.w + kx) as f32), place);
        }
    }
    (max, place)
}
