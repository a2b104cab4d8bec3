//! The gradients of a pointwise convolution by sums that leave out the zeros of its output's gradient.
//!
//! A max pool hands its gradient on to one pixel a window and channel: of 3×3 windows with stride 2, less than
//! a quarter of the gradient is not zero. So for each sum there is first found which values are not zero, as bits;
//! then the rows that these multiply are summed, some panels at a time, in registers.
//!
//! Both gradients are such sums. The input's sums rows of the transposed weights for each pixel. The
//! weights' sums pixels of the input for each output channel: its bits are those of transposed
//! squares of the gradient, and its sums come out transposed too.

mod bits;
mod sum;

use super::column_sums::ColumnSums;
use super::{ConvShape, InputGradient, Source, WeightGradient};
use crate::simd::{Element, Format, Kernel, LINE, PANEL, Simd, as_f32, padded};
use crate::{Context, DisjointMut};
use bits::{COLUMN, Columns, MAX_CHANNELS, PixelBits};
use core::ops::Range;
use sum::{ROWS, Rows, Width, by_width};

/// Pixels that the weights' gradient sums at a time, a row each.
const CHUNK: usize = ROWS;
/// How many pixels before its own a pixel's sum asks for the gate and for the gradient that it writes.
const SOON: usize = 8;
/// Of a product by whole matrices, about what these sums cost.
const COST: usize = 3;

impl ConvShape {
    /// Whether there are sparse gradients: of a pointwise convolution to not too many channels.
    #[must_use]
    pub const fn has_sparse_gradients(&self) -> bool {
        self.is_pointwise() && padded(self.co) <= MAX_CHANNELS
    }

    /// Elements of work space that the sparse weight gradient of `n` images, kept as `X`, needs.
    #[must_use]
    pub const fn sparse_weight_gradient_work<X: Element>(&self, n: usize) -> usize {
        let parts = self.sparse_parts::<X>(n);
        parts[0] + parts[1] + parts[2]
    }

    /// Elements of the input in panels, of the transposed sums, and of a chunk's gradient by channels.
    const fn sparse_parts<X: Element>(&self, n: usize) -> [usize; 3] {
        let (ci, co) = (padded(self.ci), padded(self.co));
        let chunks = (n * self.input.0 * self.input.1).div_ceil(CHUNK);
        let packed = if self.sums_in_place::<X>() { 0 } else { chunks * CHUNK * ci };
        [packed, co * ci, co * COLUMN]
    }

    /// Whether pixels are summed where they lie: those of more channels would, some panels at a time, get in
    /// each other's way in the first cache.
    const fn sums_in_place<X: Element>(&self) -> bool {
        matches!(X::FORMAT, Format::F32) && padded(self.ci) < 8 * PANEL
    }
}

impl InputGradient<'_> {
    /// Writes the gradient of the input of a pointwise convolution, from
    /// [transposed weights](ConvShape::transpose_weights), and leaves out the zeros of `dy`.
    ///
    /// # Panics
    /// If a slice does not have the length that the geometry says, or the convolution has no
    /// [sparse gradients](ConvShape::has_sparse_gradients).
    pub fn sparse(&self, cx: &Context, transposed: &[f32], dx: &mut [f32]) {
        self.check(dx);
        let shape = self.shape;
        assert!(shape.has_sparse_gradients(), "sparse gradients of {shape:?}");
        assert_eq!(transposed.len(), shape.transposed_len(), "transposed weights of {shape:?}");
        let pixels = self.n * shape.input.0 * shape.input.1;
        let (ci, co) = (padded(shape.ci), padded(shape.co));
        let share = pixels.div_ceil(cx.shares()).max(1);
        let dx = DisjointMut::new(dx);
        cx.for_each(pixels.div_ceil(share), self.n * shape.macs() / COST, |task| {
            let pixels = task * share..((task + 1) * share).min(pixels);
            let input = pixels.start * ci..pixels.end * ci;
            cx.isa().run(InputPart {
                channels: (shape.ci, shape.co),
                dy: &self.dy[pixels.start * co..pixels.end * co],
                transposed,
                gate: self.gate.map(|gate| &gate[input.clone()]),
                // SAFETY: each task has its own pixels.
                dx: unsafe { dx.part(input) },
            });
        });
    }
}

/// The input's gradient of some pixels.
struct InputPart<'a> {
    channels: (usize, usize),
    dy: &'a [f32],
    transposed: &'a [f32],
    gate: Option<&'a [f32]>,
    dx: &'a mut [f32],
}

impl Kernel for InputPart<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let (ci, co) = (padded(self.channels.0), padded(self.channels.1));
        let panel = self.channels.1 * PANEL;
        let mut bits = PixelBits::new(self.channels.1);
        let mut first = 0;
        while first < self.dy.len() / co {
            let pixels = bits.fill(s, &self.dy[first * co..], self.channels.1);
            for Width { panels, count } in Width::shares(s, ci / PANEL) {
                for word in 0..bits.words() {
                    let start = self.transposed[panels * panel + word * ROWS * PANEL..].as_ptr();
                    let rows = Rows { start, row: PANEL, panel };
                    let from = first * co + word * ROWS;
                    let at = first * ci + panels * PANEL;
                    let (is_first, is_last) = (word == 0, word + 1 == bits.words());
                    // SAFETY: bits are those of output channels, each of which is a row of the transposed weights'
                    // panels, and of pixels that are left.
                    unsafe {
                        by_width!(S, count, P => self.sum::<S, P>(
                            s, rows, bits.pixels(pixels, word), (from, at), (is_first, is_last),
                        ));
                    }
                }
            }
            first += pixels;
        }
    }
}

impl InputPart<'_> {
    /// Writes `P` panels of the gradient of some pixels, or adds to them, from their bits of some output channels.
    /// The first of them stands at these places in the output's gradient and in the input's.
    ///
    /// # Safety
    /// Bits must be those of rows; there must be as many pixels.
    #[inline(always)]
    unsafe fn sum<S: Simd, const P: usize>(
        &mut self,
        s: S,
        rows: Rows,
        pixels: impl Iterator<Item = u64>,
        (mut from, mut at): (usize, usize),
        (is_first, is_last): (bool, bool),
    ) {
        let (ci, co) = (padded(self.channels.0), padded(self.channels.1));
        let gate = self.gate.filter(|_| is_last);
        for bits in pixels {
            // SAFETY: the caller's promise; the gate has as many values as are written.
            unsafe {
                let to = self.dx.as_mut_ptr().add(at);
                let gate = gate.map(|gate| gate.as_ptr().add(at));
                for line in (0..P * PANEL).step_by(LINE) {
                    let later = SOON * ci + line;
                    if is_first {
                        s.prefetch_to_write(to.wrapping_add(later));
                    }
                    if let Some(gate) = gate {
                        s.prefetch(gate.wrapping_add(later));
                    }
                }
                let values = self.dy.as_ptr().add(from);
                rows.sum::<S, P>(s, (bits, values), !is_first, gate, to);
            }
            (from, at) = (from + co, at + ci);
        }
    }
}

impl<X: Element> WeightGradient<'_, X> {
    /// Adds the gradients of weights and bias of a pointwise convolution to `dw` and `db`, laid out as in the
    /// arena, and leaves out the zeros of `dy`.
    ///
    /// # Panics
    /// If a slice does not have the length that the geometry says, `work` at least
    /// [`sparse_weight_gradient_work`](ConvShape::sparse_weight_gradient_work), or the convolution has no
    /// [sparse gradients](ConvShape::has_sparse_gradients).
    pub fn sparse(&self, cx: &Context, dw: &mut [f32], db: &mut [f32], work: &mut [f32]) {
        self.check(dw, db);
        let Self { shape, n, dy, .. } = *self;
        assert!(shape.has_sparse_gradients(), "sparse gradients of {shape:?}");
        let Source::Activations(x) = self.x else { unreachable!("it reads no images") };
        let (ci, co) = (padded(shape.ci), padded(shape.co));

        let [packed, sums, columns] = shape.sparse_parts::<X>(n);
        let (packed, work) = work.split_at_mut(packed);
        let (sums, work) = work.split_at_mut(sums);
        let x = match as_f32(x) {
            Some(x) if shape.sums_in_place::<X>() => Pixels { x, row: ci, panel: PANEL },
            _ => {
                pack(cx, ci, x, packed);
                Pixels { x: packed, row: PANEL, panel: CHUNK * PANEL }
            }
        };

        let panels = shape.panels();
        // One task a thread: each brings the pixels near for its channels alone.
        let tasks = panels.min(cx.threads());
        let (dw, db, sums) = (DisjointMut::new(dw), DisjointMut::new(db), DisjointMut::new(sums));
        let columns = DisjointMut::new(&mut work[..columns]);
        cx.for_each(tasks, n * shape.macs() / COST, |task| {
            let panels = task * panels / tasks..(task + 1) * panels / tasks;
            let channels = panels.start * PANEL..panels.end * PANEL;
            // SAFETY: each task has its own output channels.
            cx.isa().run(unsafe {
                WeightPart {
                    input_channels: shape.ci,
                    channels: channels.clone(),
                    dy,
                    dy_row: co,
                    x,
                    sums: sums.part(channels.start * ci..channels.end * ci),
                    columns: Columns::new(
                        columns.part(channels.start * COLUMN..channels.end * COLUMN),
                    ),
                    db: db.part(channels),
                    dw: dw.part(panels.start * shape.ci * PANEL..panels.end * shape.ci * PANEL),
                }
            });
        });
    }
}

/// Writes activations of `c` padded channels as `[chunk][c / PANEL][CHUNK][PANEL]`, so that what a
/// sum of some panels reads is near.
fn pack<X: Element>(cx: &Context, c: usize, x: &[X], packed: &mut [f32]) {
    let packed = DisjointMut::new(packed);
    cx.for_each(x.len().div_ceil(CHUNK * c), x.len(), |chunk| {
        let len = CHUNK * c;
        let x = &x[chunk * len..((chunk + 1) * len).min(x.len())];
        // SAFETY: each task has its own chunk.
        let to = unsafe { packed.part(chunk * len..(chunk + 1) * len) };
        cx.isa().run(Pack { c, x, to });
    });
}

/// Writes one chunk's pixels.
struct Pack<'a, X> {
    c: usize,
    x: &'a [X],
    to: &'a mut [f32],
}

impl<X: Element> Kernel for Pack<'_, X> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (pixel, x) in self.x.chunks_exact(self.c).enumerate() {
            for (panel, x) in x.chunks_exact(PANEL).enumerate() {
                let to = &mut self.to[(panel * CHUNK + pixel) * PANEL..][..PANEL];
                for i in (0..PANEL).step_by(S::LANES) {
                    // SAFETY: a panel is whole registers.
                    unsafe { s.store(to[i..].as_mut_ptr(), X::load(s, x[i..].as_ptr())) };
                }
            }
        }
    }
}

/// Activations as the weights' gradient reads them.
#[derive(Clone, Copy)]
struct Pixels<'a> {
    x: &'a [f32],
    /// How far its pixels are apart, and its panels.
    row: usize,
    panel: usize,
}

/// What a chunk's sums ask for of the next chunk, a share each: pixels that come from memory would stall all sums that
/// are the first to read them.
struct Ahead<'a> {
    x: &'a [f32],
    dy: &'a [f32],
    /// Elements of a share, and pixels of the gradient.
    elements: usize,
    pixels: usize,
}

impl<'a> Ahead<'a> {
    fn new(x: &'a [f32], dy: &'a [f32], shares: usize) -> Self {
        let elements = x.len().div_ceil(shares).next_multiple_of(LINE);
        Self { x, dy, elements, pixels: CHUNK.div_ceil(shares) }
    }

    /// Asks for a share; of the gradient, whose pixels are `row` elements apart, for some channels.
    #[inline(always)]
    fn ask<S: Simd>(&mut self, s: S, row: usize, channels: &Range<usize>) {
        let (x, rest) = self.x.split_at(self.elements.min(self.x.len()));
        self.x = rest;
        x.chunks(LINE).for_each(|line| s.prefetch_to_second(line.as_ptr()));
        let (dy, rest) = self.dy.split_at((self.pixels * row).min(self.dy.len()));
        self.dy = rest;
        // That these are whole is not worth the division that `chunks_exact` starts with.
        for pixel in dy.chunks(row) {
            pixel[channels.clone()]
                .chunks(LINE)
                .for_each(|line| s.prefetch_to_second(line.as_ptr()));
        }
    }
}

/// The weights' gradient of some output channels.
struct WeightPart<'a> {
    input_channels: usize,
    channels: Range<usize>,
    dy: &'a [f32],
    dy_row: usize,
    x: Pixels<'a>,
    /// `[output channels][padded input channels]`.
    sums: &'a mut [f32],
    columns: Columns<'a>,
    dw: &'a mut [f32],
    db: &'a mut [f32],
}

impl Kernel for WeightPart<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let ci = padded(self.input_channels);
        let Pixels { x, row, panel } = self.x;
        let mut chunks = self.dy.chunks(CHUNK * self.dy_row).zip(x.chunks(CHUNK * ci)).peekable();
        let mut is_first = true;
        while let Some((dy, x)) = chunks.next() {
            let first = self.channels.start;
            self.columns.fill(s, dy, self.dy_row, first);
            ColumnSums { x: dy, stride: self.dy_row, first, sums: self.db }.run(s);
            let shares = Width::shares(s, ci / PANEL);
            let (x_next, dy_next) = chunks.peek().map_or((&[][..], &[][..]), |&(dy, x)| (x, dy));
            let mut ahead = Ahead::new(x_next, dy_next, shares.len() * self.channels.len());
            for Width { panels, count } in shares {
                let start = x[panels * panel..].as_ptr();
                let rows = Rows { start, row, panel };
                // SAFETY: bits are those of the chunk's pixels, each a row of its panels.
                unsafe {
                    by_width!(S, count, P => self.sum::<S, P>(s, rows, panels, !is_first, &mut ahead));
                }
            }
            is_first = false;
        }
        if !self.dy.is_empty() {
            self.add_transposed(s, ci);
        }
    }
}

impl WeightPart<'_> {
    /// Adds what a chunk's pixels contribute to the sums of `P` panels from number `panel` on.
    ///
    /// # Safety
    /// Bits must be those of rows.
    #[inline(always)]
    unsafe fn sum<S: Simd, const P: usize>(
        &mut self,
        s: S,
        rows: Rows,
        panel: usize,
        accumulate: bool,
        ahead: &mut Ahead<'_>,
    ) {
        let ci = padded(self.input_channels);
        let sums = self.sums.chunks_exact_mut(ci);
        for (sums, (bits, values)) in sums.zip(self.columns.channels()) {
            ahead.ask(s, self.dy_row, &self.channels);
            let to = sums[panel * PANEL..(panel + P) * PANEL].as_mut_ptr();
            // SAFETY: the caller's promise.
            unsafe { rows.sum::<S, P>(s, (bits, values.as_ptr()), accumulate, None, to) };
        }
    }

    /// Adds the sums to the gradient, whose panels are of output channels.
    #[inline(always)]
    fn add_transposed<S: Simd>(&mut self, s: S, ci: usize) {
        let panels = self.dw.chunks_exact_mut(self.input_channels * PANEL);
        for (sums, dw) in self.sums.chunks_exact(PANEL * ci).zip(panels) {
            for (k, dw) in dw.chunks_mut(PANEL * PANEL).enumerate() {
                let mut square = [0.0; PANEL * PANEL];
                bits::transpose(s, &sums[k * PANEL..], ci, &mut square, PANEL);
                for (dw, sum) in dw.iter_mut().zip(square) {
                    *dw += sum;
                }
            }
        }
    }
}
