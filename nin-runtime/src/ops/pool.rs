//! Pooling: the largest value or the mean of each window, channel by channel.

mod average;
mod max;
#[cfg(all(test, feature = "std"))]
mod tests;

pub use average::{avg_pool_backward, avg_pool_forward};
pub use max::{max_pool_backward, max_pool_forward};

use crate::simd::{PANEL, Simd, padded};
use crate::{Context, DisjointMut};
use core::ops::Range;

/// The geometry of a pool; every pair is (rows, columns).
///
/// It exists only if every window lies within the padded input as PyTorch's rules demand, so that
/// the kernels need no checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolShape {
    c: usize,
    rows: Axis,
    columns: Axis,
}

/// The geometry along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Axis {
    input: usize,
    output: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
}

/// The part of a window that lies on the input, along one axis.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    len: usize,
    /// How many of these places the window before reaches too.
    shared: usize,
    /// Places of the window on the padded input, which is what an average divides by.
    counted: usize,
}

impl Span {
    fn end(&self) -> usize {
        self.start + self.len
    }
}

impl PoolShape {
    /// The pool of `c` channels from `input` to `output`.
    ///
    /// # Panics
    /// If a size, the kernel or the stride is zero, the padding is more than half the kernel, or
    /// `output` is larger than the size rounded up, as with PyTorch's `ceil_mode`. The last windows
    /// may be left out.
    #[must_use]
    pub const fn new(
        c: usize,
        input: (usize, usize),
        output: (usize, usize),
        kernel: (usize, usize),
        stride: (usize, usize),
        padding: (usize, usize),
    ) -> Self {
        let rows = Axis::new(input.0, output.0, kernel.0, stride.0, padding.0);
        let columns = Axis::new(input.1, output.1, kernel.1, stride.1, padding.1);
        assert!(c > 0, "a pool has at least one channel");
        let fits = match input.0.checked_mul(input.1) {
            Some(pixels) => pixels.checked_mul(padded(c)).is_some(),
            None => false,
        };
        assert!(fits, "the input of a pool can be addressed");
        Self { c, rows, columns }
    }

    /// Elements of one image's input.
    #[must_use]
    pub const fn input_len(&self) -> usize {
        self.rows.input * self.input_row()
    }

    /// Elements of one image's output.
    #[must_use]
    pub const fn output_len(&self) -> usize {
        self.rows.output * self.output_row()
    }

    /// Elements of one input row.
    const fn input_row(&self) -> usize {
        self.columns.input * padded(self.c)
    }

    /// Elements of one output row.
    const fn output_row(&self) -> usize {
        self.columns.output * padded(self.c)
    }

    /// Elements that one image's windows read in all.
    const fn work(&self) -> usize {
        self.output_len().saturating_mul(self.rows.kernel * self.columns.kernel)
    }

    /// Holds the buffers of `n` images to their lengths, on which the kernels' pointers rely.
    fn check(&self, n: usize, inputs: &[usize], outputs: &[usize]) {
        for &len in inputs {
            assert_eq!(Some(len), n.checked_mul(self.input_len()), "input of {n} images, {self:?}");
        }
        for &len in outputs {
            assert_eq!(Some(len), n.checked_mul(self.output_len()), "output of {n}, {self:?}");
        }
    }
}

impl Axis {
    const fn new(
        input: usize,
        output: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> Self {
        assert!(input > 0 && kernel > 0 && stride > 0, "sizes and strides are positive");
        assert!(padding <= kernel / 2, "the padding is at most half the kernel");
        assert!(kernel <= input + 2 * padding, "the kernel fits the padded input");
        let room = input + 2 * padding - kernel;
        let ceil = room.div_ceil(stride) + 1;
        assert!(0 < output && output <= ceil, "the output has at most PyTorch's size, rounded up");
        assert!((output - 1) * stride < input + padding, "no window starts behind the input");
        Self { input, output, kernel, stride, padding }
    }

    /// Where the window of output `out` lies. The constructor has seen to it that it starts before
    /// the input ends and ends after the input starts.
    #[inline(always)]
    fn span(&self, out: usize) -> Span {
        let place = out * self.stride;
        let padded_end = (place + self.kernel).min(self.input + 2 * self.padding);
        let on_input = |place: usize| place.saturating_sub(self.padding).min(self.input);
        let (start, end) = (on_input(place), on_input(padded_end));
        let reached = if out > 0 { on_input(place - self.stride + self.kernel) } else { 0 };
        Span {
            start,
            len: end - start,
            shared: reached.saturating_sub(start).min(end - start),
            counted: padded_end - place,
        }
    }

    /// The places before the window of output `out` that no window reaches.
    fn gap(&self, out: usize) -> Range<usize> {
        let reached = if out > 0 { self.span(out - 1).end() } else { 0 };
        reached..self.span(out).start.max(reached)
    }

    /// The windows of three places that share one with the next each: all but those that hang over, if the pool
    /// has such.
    fn threes(&self) -> Range<usize> {
        if (self.kernel, self.stride) != (3, 2) {
            return 0..0;
        }
        let whole = |out: &usize| self.span(*out).len == 3;
        let first = (0..self.output).find(whole).unwrap_or(self.output);
        first..(first..self.output).rev().find(whole).map_or(first, |last| last + 1)
    }

    /// The places after the last window.
    fn rest(&self) -> Range<usize> {
        self.span(self.output - 1).end()..self.input
    }
}

/// A window as far as it lies on the input.
#[derive(Clone, Copy)]
struct Window {
    /// The place of its first pixel in the image's input.
    start: usize,
    h: usize,
    w: usize,
    /// Its first rows and columns that earlier windows reach as well.
    shared: (usize, usize),
    /// Elements of a pixel.
    c: usize,
    /// Elements of an input row.
    row: usize,
    /// Pixels on the padded input.
    counted: usize,
}

impl Window {
    /// The place of its pixel (`ky`, `kx`) in the image's input.
    #[inline(always)]
    fn at(&self, ky: usize, kx: usize) -> usize {
        self.start + ky * self.row + kx * self.c
    }

    /// Whether no earlier window reaches its pixel (`ky`, `kx`).
    #[inline(always)]
    fn is_first_at(&self, ky: usize, kx: usize) -> bool {
        ky >= self.shared.0 && kx >= self.shared.1
    }
}

/// What a pool does with each of its windows.
trait PerWindow {
    /// Works on one window, whose output pixel is `pixel`, counted in the whole image.
    ///
    /// # Safety
    /// The window must lie on the input and the pixel on the output that `self` points into.
    unsafe fn window<S: Simd>(&self, s: S, window: Window, pixel: usize);
}

/// Goes through the windows of output row `oy` and the columns `of`.
///
/// # Safety
/// `work` must point into an input and an output of this shape.
#[inline(always)]
unsafe fn for_each_window<S: Simd>(
    s: S,
    shape: &PoolShape,
    oy: usize,
    of: Range<usize>,
    work: &impl PerWindow,
) {
    let (rows, row, c) = (shape.rows.span(oy), shape.input_row(), padded(shape.c));
    for ox in of {
        let columns = shape.columns.span(ox);
        let window = Window {
            start: rows.start * row + columns.start * c,
            h: rows.len,
            w: columns.len,
            shared: (rows.shared, columns.shared),
            c,
            row,
            counted: rows.counted * columns.counted,
        };
        let pixel = oy * shape.columns.output + ox;
        // SAFETY: spans lie on the input by the shape's constructor. The common sizes are compiled
        // apart, so that the loops over them unroll.
        unsafe {
            match (window.h, window.w) {
                (3, 3) => work.window(s, Window { h: 3, w: 3, ..window }, pixel),
                (2, 2) => work.window(s, Window { h: 2, w: 2, ..window }, pixel),
                _ => work.window(s, window, pixel),
            }
        }
    }
}

/// Zeroes what no window reaches of the rows that output row `oy` is the first to reach, of those before
/// them, and after the last windows, in some channels. All else is first written by its first window.
fn zero_gaps(shape: &PoolShape, oy: usize, dx: &mut Gradient<'_>) {
    let (rows, columns) = (&shape.rows, &shape.columns);
    let mut zero = |y: usize, gap: Range<usize>| {
        for x in gap {
            dx.pixel(shape, y * columns.input + x).fill(0.0);
        }
    };
    for y in rows.gap(oy) {
        zero(y, 0..columns.input);
    }
    // Windows that touch leave no gaps between them.
    let apart = if columns.kernel < columns.stride { columns.output } else { 0 };
    let span = rows.span(oy);
    for y in span.start + span.shared..span.end() {
        for gap in (0..apart).map(|ox| columns.gap(ox)).chain([columns.rest()]) {
            zero(y, gap);
        }
    }
    if oy + 1 == rows.output {
        for y in rows.rest() {
            zero(y, 0..columns.input);
        }
    }
}

/// Calls `f(image, rows, y)` for bands of output rows that cover `n` images, on all threads.
///
/// With fewer images than threads, an image is cut into several bands.
fn for_each_band<T: Send>(
    cx: &Context,
    n: usize,
    shape: &PoolShape,
    y: &mut [T],
    f: impl Fn(usize, Range<usize>, &mut [T]) + Sync,
) {
    let (rows, row) = (shape.rows.output, shape.output_row());
    let bands = if n < cx.threads() { rows.min(2 * cx.threads()) } else { 1 };
    let y = DisjointMut::new(y);
    // Threads that have shared what a pool reads save more by sharing the pool than its few operations.
    let work = n.saturating_mul(4 * shape.work());
    cx.for_each(n * bands, work, |task| {
        let (image, band) = (task / bands, task % bands);
        let band = band * rows / bands..(band + 1) * rows / bands;
        let first = image * shape.output_len();
        // SAFETY: bands do not overlap.
        let y = unsafe { y.part(first + band.start * row..first + band.end * row) };
        f(image, band, y);
    });
}

/// The gradient of some channels of an image, which a task writes.
struct Gradient<'a> {
    dx: &'a DisjointMut<'a, f32>,
    image: usize,
    channels: Range<usize>,
}

impl Gradient<'_> {
    /// The image's first element.
    fn as_mut_ptr(&self, shape: &PoolShape) -> *mut f32 {
        // SAFETY: `for_each_gradient` has held the gradient to the images' length.
        unsafe { self.dx.as_mut_ptr().add(self.image * shape.input_len()) }
    }

    /// The channels of a pixel.
    fn pixel(&mut self, shape: &PoolShape, pixel: usize) -> &mut [f32] {
        let start = self.image * shape.input_len() + pixel * padded(shape.c);
        // SAFETY: no other task has these channels of this image.
        unsafe { self.dx.part(start + self.channels.start..start + self.channels.end) }
    }
}

/// Calls `f` with parts that cover the input gradient of `n` images, on all threads.
///
/// With fewer images than threads, an image's channels are shared.
fn for_each_gradient(
    cx: &Context,
    n: usize,
    shape: &PoolShape,
    dx: &mut [f32],
    f: impl Fn(Gradient<'_>) + Sync,
) {
    shape.check(n, &[dx.len()], &[]);
    let panels = padded(shape.c) / PANEL;
    let parts = cx.threads().div_ceil(n.max(1)).min(panels);
    let dx = DisjointMut::new(dx);
    cx.for_each(n * parts, n.saturating_mul(shape.work()), |task| {
        let (image, part) = (task / parts, task % parts);
        let channels = part * panels / parts * PANEL..(part + 1) * panels / parts * PANEL;
        f(Gradient { dx: &dx, image, channels });
    });
}
