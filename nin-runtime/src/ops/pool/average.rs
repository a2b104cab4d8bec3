//! The mean of each window, and the way of its gradient back.

use super::{
    Gradient, PerWindow, PoolShape, Window, for_each_band, for_each_gradient, for_each_window,
    zero_gaps,
};
use crate::Context;
use crate::ops::relu;
use crate::simd::{Element, Kernel, Simd, padded};
use core::ops::Range;

/// `y[i] = mean over window i of x`, for `n` images.
///
/// x: `(n, h, w, padded(c))`; y: `(n, oh, ow, padded(c))`. As in PyTorch's `AvgPool2d`, padding counts as
/// zeros, and what the last window has beyond the padding does not count.
///
/// # Panics
/// If a slice has another length.
pub fn avg_pool_forward<T: Element>(
    cx: &Context,
    n: usize,
    shape: &PoolShape,
    x: &[T],
    y: &mut [T],
) {
    shape.check(n, &[x.len()], &[y.len()]);
    for_each_band(cx, n, shape, y, |image, rows, y| {
        let x = &x[image * shape.input_len()..][..shape.input_len()];
        cx.isa().run(Forward { shape, rows, x, y });
    });
}

/// The gradient with respect to x: each `dy[i]`, divided as in the forward pass, goes to all of window i.
///
/// x, dx: `(n, h, w, padded(c))`; dy: `(n, oh, ow, padded(c))`. With `gate`, x is the output of a ReLU
/// and dx becomes the gradient before it; otherwise x is not read.
///
/// # Panics
/// If a slice has another length.
pub fn avg_pool_backward<T: Element>(
    cx: &Context,
    n: usize,
    shape: &PoolShape,
    gate: bool,
    x: &[T],
    dy: &[f32],
    dx: &mut [f32],
) {
    shape.check(n, &[x.len()], &[dy.len()]);
    for_each_gradient(cx, n, shape, dx, |dx| {
        let x = &x[dx.image * shape.input_len()..][..shape.input_len()];
        let dy = &dy[dx.image * shape.output_len()..][..shape.output_len()];
        cx.isa().run(Backward { shape, gate, x, dy, dx });
    });
}

/// The output rows `rows` of one image; `y` starts with the first of them.
struct Forward<'a, T> {
    shape: &'a PoolShape,
    rows: Range<usize>,
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Element> Kernel for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let first_pixel = self.rows.start * self.shape.columns.output;
        let work = Mean { x: self.x.as_ptr(), y: self.y.as_mut_ptr(), first_pixel };
        for oy in self.rows {
            // SAFETY: x is an image's input, y are its output's rows from the first pixel on.
            unsafe { for_each_window(s, self.shape, oy, 0..self.shape.columns.output, &work) };
        }
    }
}

struct Mean<T> {
    x: *const T,
    y: *mut T,
    /// The pixel that `y` starts with.
    first_pixel: usize,
}

impl<T: Element> PerWindow for Mean<T> {
    #[inline(always)]
    unsafe fn window<S: Simd>(&self, s: S, window: Window, pixel: usize) {
        let divisor = s.splat(window.counted as f32);
        let mut i = 0;
        while i < window.c {
            let mut sum = s.splat(0.0);
            for ky in 0..window.h {
                for kx in 0..window.w {
                    // SAFETY: a pixel of the window; `i` runs over its channels, a multiple of the lanes.
                    sum = sum + unsafe { T::load(s, self.x.add(window.at(ky, kx) + i)) };
                }
            }
            // SAFETY: as above, for a pixel of the output.
            unsafe {
                let y = self.y.add((pixel - self.first_pixel) * window.c + i);
                T::store(s, y, s.div(sum, divisor));
            }
            i += S::LANES;
        }
    }
}

/// The gradient of some channels of an image.
struct Backward<'a, T> {
    shape: &'a PoolShape,
    gate: bool,
    x: &'a [T],
    dy: &'a [f32],
    dx: Gradient<'a>,
}

impl<T: Element> Kernel for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let (shape, pixels) = (self.shape, self.shape.columns.input);
        let mut gated = 0;
        for oy in 0..shape.rows.output {
            zero_gaps(shape, oy, &mut self.dx);
            let work = Spread {
                dy: self.dy.as_ptr(),
                dx: self.dx.as_mut_ptr(shape),
                channels: self.dx.channels.clone(),
            };
            // SAFETY: dx is an image's input, dy is its output.
            unsafe { for_each_window(s, shape, oy, 0..shape.columns.output, &work) };
            if self.gate {
                // Rows are gated after the last window has left them, while they are in cache.
                let reached = shape.rows.span(oy).end();
                let left = match oy + 1 < shape.rows.output {
                    true => shape.rows.span(oy + 1).start.min(reached),
                    false => reached,
                };
                for pixel in gated * pixels..left * pixels {
                    let x = &self.x[pixel * padded(shape.c)..][self.dx.channels.clone()];
                    relu::run(s, x, self.dx.pixel(shape, pixel));
                }
                gated = left;
            }
        }
    }
}

struct Spread {
    dy: *const f32,
    dx: *mut f32,
    channels: Range<usize>,
}

impl PerWindow for Spread {
    #[inline(always)]
    unsafe fn window<S: Simd>(&self, s: S, window: Window, pixel: usize) {
        let divisor = s.splat(window.counted as f32);
        let mut i = self.channels.start;
        while i < self.channels.end {
            // SAFETY: `i` runs over channels of a pixel, a multiple of the lanes, and `ky`, `kx` over
            // the pixels of the window.
            unsafe {
                let g = s.div(s.load(self.dy.add(pixel * window.c + i)), divisor);
                for ky in 0..window.h {
                    for kx in 0..window.w {
                        let d = self.dx.add(window.at(ky, kx) + i);
                        let sum = if window.is_first_at(ky, kx) { s.splat(0.0) } else { s.load(d) };
                        s.store(d, sum + g);
                    }
                }
            }
            i += S::LANES;
        }
    }
}
