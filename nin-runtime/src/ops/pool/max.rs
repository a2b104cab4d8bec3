//! The largest value of each window, and the way of its gradient back.

use super::{
    Gradient, PerWindow, PoolShape, Window, for_each_band, for_each_gradient, for_each_window,
    zero_gaps,
};
use crate::Context;
use crate::simd::{Element, Kernel, Simd, Vector, padded};
use core::ops::Range;

/// `y[i] = max over window i of x`, for `n` images.
///
/// x: `(n, h, w, padded(c))`; y: `(n, oh, ow, padded(c))`. Padding never wins, and a NaN in the
/// window does.
///
/// # Panics
/// If a slice has another length.
pub fn max_pool_forward<T: Element>(
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

/// The gradient with respect to x: each `dy[i]` goes to the place of the largest value of window i.
///
/// x, dx: `(n, h, w, padded(c))`; dy: `(n, oh, ow, padded(c))`. Of equal values the first in row-major
/// order counts, of several NaN the last, as in PyTorch. With `gate`, x is the output of a ReLU and dx
/// becomes the gradient before it. The place is found again here rather than kept by the forward
/// pass: reading x once more costs less than an index buffer.
///
/// # Panics
/// If a slice has another length.
pub fn max_pool_backward<T: Element>(
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
        let Self { shape, rows, x, y } = self;
        let first_pixel = rows.start * shape.columns.output;
        let work = Largest { x: x.as_ptr(), y: y.as_mut_ptr(), first_pixel };
        // Code for whole rows would grow large where a vector takes several registers.
        let is_near = padded(shape.c) <= NARROW && !S::IS_WIDE;
        let whole = if is_near { shape.columns.threes() } else { 0..0 };
        for oy in rows {
            let threes = if shape.rows.span(oy).len == 3 { whole.clone() } else { 0..0 };
            let others = [0..threes.start, threes.end..shape.columns.output];
            // SAFETY: x is an image's input, y are its output's rows from the first pixel on.
            unsafe {
                let again = if work.threes(s, shape, oy, threes.clone()) { 0..0 } else { threes };
                for of in others.into_iter().chain([again]) {
                    for_each_window(s, shape, oy, of, &work);
                }
            }
        }
    }
}

/// Channels of pixels that are near enough for those of a row to be read register by register.
const NARROW: usize = 128;

struct Largest<T> {
    x: *const T,
    y: *mut T,
    /// The pixel that `y` starts with.
    first_pixel: usize,
}

impl<T: Element> PerWindow for Largest<T> {
    #[inline(always)]
    unsafe fn window<S: Simd>(&self, s: S, window: Window, pixel: usize) {
        let mut i = 0;
        while i < window.c {
            // SAFETY: `i` runs over the channels of a pixel, a multiple of the lanes.
            unsafe {
                let (max, _) = largest(s, self.x.add(i), window);
                T::store(s, self.y.add((pixel - self.first_pixel) * window.c + i), max);
            }
            i += S::LANES;
        }
    }
}

impl<T: Element> Largest<T> {
    /// Works on windows of 3×3, each 2 pixels right of the one before: their columns' largest values are found
    /// once, and are those of two windows where these share a column. A NaN is looked for in sums of products alone,
    /// which is half the work of comparisons, and which infinities may turn into NaN as well. Whether there is none;
    /// else the outputs are not to be used.
    ///
    /// # Safety
    /// As for [`PerWindow::window`], for the windows `of` output row `oy`, which must be 3 rows high and among the
    /// [`threes`](super::Axis::threes) of the columns.
    #[inline(always)]
    unsafe fn threes<S: Simd>(&self, s: S, shape: &PoolShape, oy: usize, of: Range<usize>) -> bool {
        if of.is_empty() {
            return true;
        }
        let (row, c) = (shape.input_row(), padded(shape.c));
        let start = shape.rows.span(oy).start * row + shape.columns.span(of.start).start * c;
        let pixel = oy * shape.columns.output + of.start - self.first_pixel;
        let mut sum = s.splat(0.0);
        for i in (0..c).step_by(S::LANES) {
            // SAFETY: `i` runs over the channels of a pixel, a multiple of the lanes; the windows lie on the
            // input and their pixels on the output.
            unsafe {
                let (x, y) = (self.x.add(start + i), self.y.add(pixel * c + i));
                let column = |x: *const T| [0, 1, 2].map(|ky| T::load(s, x.add(ky * row)));
                let largest = |[a, b, c]: [S::V; 3]| s.max(a, s.max(b, c));
                let left = column(x);
                // Three sums, none of which waits for another.
                let mut sums = [left[0].mul_add(left[1], sum), left[2].mul_add(left[2], sum), sum];
                let mut left = largest(left);
                for window in 0..of.len() {
                    let x = x.add(2 * window * c);
                    let (middle, right) = (column(x.add(c)), column(x.add(2 * c)));
                    sums[0] = middle[0].mul_add(middle[1], sums[0]);
                    sums[1] = middle[2].mul_add(right[0], sums[1]);
                    sums[2] = right[1].mul_add(right[2], sums[2]);
                    let (middle, right) = (largest(middle), largest(right));
                    T::store(s, y.add(window * c), s.max(left, s.max(middle, right)));
                    left = right;
                }
                sum = sums[0] + sums[1] + sums[2];
            }
        }
        !s.any(s.is_nan(sum))
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
        for oy in 0..self.shape.rows.output {
            zero_gaps(self.shape, oy, &mut self.dx);
            let work = Scatter {
                gate: self.gate,
                x: self.x.as_ptr(),
                dy: self.dy.as_ptr(),
                dx: self.dx.as_mut_ptr(self.shape),
                channels: self.dx.channels.clone(),
            };
            // SAFETY: x and dx are an image's input, dy is its output.
            unsafe { for_each_window(s, self.shape, oy, 0..self.shape.columns.output, &work) };
        }
    }
}

struct Scatter<T> {
    gate: bool,
    x: *const T,
    dy: *const f32,
    dx: *mut f32,
    channels: Range<usize>,
}

impl<T: Element> PerWindow for Scatter<T> {
    #[inline(always)]
    unsafe fn window<S: Simd>(&self, s: S, window: Window, pixel: usize) {
        let zero = s.splat(0.0);
        let mut i = self.channels.start;
        while i < self.channels.end {
            // SAFETY: `i` runs over channels of a pixel, a multiple of the lanes, and `ky`, `kx` over
            // the pixels of the window.
            unsafe {
                let x = self.x.add(i);
                let (max, nan) = largest(s, x, window);
                let mut g = s.load(self.dy.add(pixel * window.c + i));
                if self.gate {
                    g = s.gate(max, g);
                }
                // The first of equal values takes the gradient; none equals NaN.
                let mut left = g;
                for ky in 0..window.h {
                    for kx in 0..window.w {
                        let at = window.at(ky, kx);
                        let here = s.eq(T::load(s, x.add(at)), max);
                        let d = self.dx.add(at + i);
                        let sum = if window.is_first_at(ky, kx) { zero } else { s.load(d) };
                        s.store(d, sum + s.select(here, left, zero));
                        left = s.select(here, zero, left);
                    }
                }
                if s.any(nan) {
                    self.to_last_nan(s, window, i, s.select(nan, g, zero));
                }
            }
            i += S::LANES;
        }
    }
}

impl<T: Element> Scatter<T> {
    /// Adds the gradients `g` at the last NaN of a window; they are zero where there is none.
    ///
    /// # Safety
    /// As for [`PerWindow::window`], for the lanes from channel `i` on.
    #[inline(always)]
    unsafe fn to_last_nan<S: Simd>(&self, s: S, window: Window, i: usize, g: S::V) {
        let zero = s.splat(0.0);
        let mut left = g;
        for ky in (0..window.h).rev() {
            for kx in (0..window.w).rev() {
                // SAFETY: a pixel of the window.
                unsafe {
                    let at = window.at(ky, kx) + i;
                    let here = s.is_nan(T::load(s, self.x.add(at)));
                    let d = self.dx.add(at);
                    s.store(d, s.load(d) + s.select(here, left, zero));
                    left = s.select(here, zero, left);
                }
            }
        }
    }
}

/// The largest values of a window, NaN where it has one, and where that is.
///
/// # Safety
/// The window must lie on the input that `x` points into.
#[inline(always)]
unsafe fn largest<S: Simd, T: Element>(s: S, x: *const T, window: Window) -> (S::V, S::Mask) {
    let mut max = s.splat(f32::NEG_INFINITY);
    let mut nan = s.is_nan(max);
    for ky in 0..window.h {
        // In pairs, so that one comparison finds a NaN in either.
        for kx in (0..window.w).step_by(2) {
            let next = (kx + 1).min(window.w - 1);
            // SAFETY: pixels of the window.
            let (a, b) = unsafe {
                (T::load(s, x.add(window.at(ky, kx))), T::load(s, x.add(window.at(ky, next))))
            };
            max = s.max(max, s.max(a, b));
            nan = s.or(nan, s.unordered(a, b));
        }
    }
    (s.select(nan, s.splat(f32::NAN), max), nan)
}
