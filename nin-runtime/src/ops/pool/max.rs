//! The largest value of each window, and the way of its gradient back.

use super::{
    Gradient, PerWindow, PoolShape, Window, for_each_band, for_each_gradient, for_each_window,
    zero_gaps,
};
use crate::Context;
use crate::simd::{Element, Kernel, Simd};
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
        let first_pixel = self.rows.start * self.shape.columns.output;
        let work = Largest { x: self.x.as_ptr(), y: self.y.as_mut_ptr(), first_pixel };
        for oy in self.rows {
            // SAFETY: x is an image's input, y are its output's rows from the first pixel on.
            unsafe { for_each_window(s, self.shape, oy, &work) };
        }
    }
}

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

    #[inline(always)]
    unsafe fn threes<S: Simd>(&self, s: S, first: Window, pixel: usize, count: usize) {
        let Window { start, c, row, .. } = first;
        for i in (0..c).step_by(S::LANES) {
            // SAFETY: `i` runs over the channels of a pixel, a multiple of the lanes; the windows lie on the
            // input and their pixels on the output.
            unsafe {
                let (x, y) = (self.x.add(start + i), self.y.add((pixel - self.first_pixel) * c + i));
                let mut left = Column::load(s, x, row).peak(s);
                for window in 0..count {
                    let x = x.add(2 * window * c);
                    let middle = Column::load(s, x.add(c), row).peak(s);
                    let right = Column::load(s, x.add(2 * c), row).peak(s);
                    let (max, _) = Peak::of(s, [left, middle, right]);
                    T::store(s, y.add(window * c), max);
                    left = right;
                }
            }
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
            unsafe { for_each_window(s, self.shape, oy, &work) };
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

    /// What windows share stays in registers: the values of a column, and the gradients there.
    #[inline(always)]
    unsafe fn threes<S: Simd>(&self, s: S, first: Window, pixel: usize, count: usize) {
        if S::TILE_ROWS.len() < 3 {
            // There are too few registers for that.
            // SAFETY: the caller's promise.
            first.threes(count, |i, window| unsafe { self.window(s, window, pixel + i) });
            return;
        }
        let Window { start, c, row, shared, .. } = first;
        let zero = s.splat(0.0);
        for i in self.channels.clone().step_by(S::LANES) {
            // SAFETY: `i` runs over channels of a pixel, a multiple of the lanes; the windows lie on the
            // input and their pixels on the output.
            unsafe {
                let dy = self.dy.add(pixel * c + i);
                let (x, dx) = (self.x.add(start + i), self.dx.add(start + i));
                let mut left = Column::load(s, x, row);
                let mut left_peak = left.peak(s);
                let mut left_sums = [0, 1, 2].map(|ky| match ky < shared.0 || shared.1 > 0 {
                    true => s.load(dx.add(ky * row)),
                    false => zero,
                });
                for window in 0..count {
                    let (x, dx) = (x.add(2 * window * c), dx.add(2 * window * c));
                    let middle = Column::load(s, x.add(c), row);
                    let right = Column::load(s, x.add(2 * c), row);
                    let right_peak = right.peak(s);
                    let (max, nan) = Peak::of(s, [left_peak, middle.peak(s), right_peak]);
                    let mut g = s.load(dy.add(window * c));
                    if self.gate {
                        g = s.gate(max, g);
                    }
                    let mut shares = shares(s, [left, middle, right], (max, nan), g);
                    if shared.0 > 0 {
                        shares[1][0] = s.load(dx.add(c)) + shares[1][0];
                        shares[2][0] = s.load(dx.add(2 * c)) + shares[2][0];
                    }
                    for ky in 0..3 {
                        let dx = dx.add(ky * row);
                        s.store(dx, left_sums[ky] + shares[0][ky]);
                        s.store(dx.add(c), shares[1][ky]);
                    }
                    (left, left_peak, left_sums) = (right, right_peak, shares[2]);
                }
                let dx = dx.add(2 * count * c);
                for (ky, sum) in left_sums.into_iter().enumerate() {
                    s.store(dx.add(ky * row), sum);
                }
            }
        }
    }
}

/// Where in a window's columns its gradient `g` goes, given the largest values and where one is NaN.
#[expect(clippy::needless_range_loop, reason = "ky and kx are a pixel's row and column throughout")]
#[inline(always)]
fn shares<S: Simd>(
    s: S,
    columns: [Column<S::V>; 3],
    (max, nan): (S::V, S::Mask),
    g: S::V,
) -> [[S::V; 3]; 3] {
    let zero = s.splat(0.0);
    let mut shares = [[zero; 3]; 3];
    // The first of equal values takes the gradient; none equals NaN.
    let mut left = g;
    for ky in 0..3 {
        for kx in 0..3 {
            let here = s.eq(columns[kx].0[ky], max);
            shares[kx][ky] = s.select(here, left, zero);
            left = s.select(here, zero, left);
        }
    }
    if s.any(nan) {
        // Of several NaN it is the last.
        let mut left = s.select(nan, g, zero);
        for ky in (0..3).rev() {
            for kx in (0..3).rev() {
                let here = s.is_nan(columns[kx].0[ky]);
                shares[kx][ky] = s.select(here, left, shares[kx][ky]);
                left = s.select(here, zero, left);
            }
        }
    }
    shares
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

/// Three values, one below the other, in each lane.
#[derive(Clone, Copy)]
struct Column<V>([V; 3]);

impl<V: Copy> Column<V> {
    /// # Safety
    /// Rows that are `row` elements apart must be readable from `x` on, a register of each.
    #[inline(always)]
    unsafe fn load<S: Simd<V = V>, T: Element>(s: S, x: *const T, row: usize) -> Self {
        // SAFETY: the caller's promise.
        Self([0, 1, 2].map(|ky| unsafe { T::load(s, x.add(ky * row)) }))
    }

    #[inline(always)]
    fn peak<S: Simd<V = V>>(self, s: S) -> Peak<V, S::Mask> {
        let [a, b, c] = self.0;
        Peak { max: s.max(a, s.max(b, c)), nan: s.or(s.unordered(a, b), s.is_nan(c)) }
    }
}

/// The largest of some values, not counting NaN, and whether one is.
#[derive(Clone, Copy)]
struct Peak<V, M> {
    max: V,
    nan: M,
}

impl<V: Copy, M: Copy> Peak<V, M> {
    /// Of three columns: the largest values, NaN where there is one, and where that is.
    #[inline(always)]
    fn of<S: Simd<V = V, Mask = M>>(s: S, [a, b, c]: [Self; 3]) -> (V, M) {
        let nan = s.or(a.nan, s.or(b.nan, c.nan));
        (s.select(nan, s.splat(f32::NAN), s.max(a.max, s.max(b.max, c.max))), nan)
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
