//! Convolution by direct sums: the product of windows, as they lie in memory, and weights.
//!
//! A row of windows is a matrix whose rows are `stride` pixels apart and overlap; along a kernel's
//! row the values of a window are contiguous. So [`Gemm`]'s strides reach everything, and nothing
//! is copied but for padding, which becomes a border of zeros.

use super::border::Border;
use super::{ConvShape, Forward, InputGradient, WeightGradient};
use crate::gemm::{Ahead, Axis, Finish, Gemm, Output, Start};
use crate::simd::{Isa, Kernel, PANEL, Simd, padded};
use crate::{Context, DisjointMut, Order};
use core::ops::Range;

/// Elements of one operand's block that should stay in the second cache while all panels pass: 256 KiB.
const BLOCK: usize = 1 << 16;

impl ConvShape {
    /// The input with the padding as its border.
    const fn border(&self) -> Border {
        let pixel = self.pixel();
        Border {
            planes: self.planes(),
            rows: self.input.0,
            row: self.input.1 * pixel,
            vertical: (self.padding.0, self.padding.0),
            horizontal: (self.padding.1 * pixel, self.padding.1 * pixel),
        }
    }

    /// The gradient of the output with a border of zeros for the windows that hang over.
    const fn gradient_border(&self) -> Border {
        let (h, w) = self.output();
        let pixel = padded(self.co);
        let vertical = overhang(self.input.0, h, self.kernel.0, self.stride.0, self.padding.0);
        let horizontal = overhang(self.input.1, w, self.kernel.1, self.stride.1, self.padding.1);
        Border {
            planes: 1,
            rows: h,
            row: w * pixel,
            vertical,
            horizontal: (horizontal.0 * pixel, horizontal.1 * pixel),
        }
    }

    /// Elements of work space that the direct forward pass and weight gradient of `n` images need.
    #[must_use]
    pub const fn direct_work(&self, n: usize) -> usize {
        if self.border().is_empty() { 0 } else { n * self.border().len() }
    }

    /// Elements of work space that the direct input gradient of `n` images needs.
    #[must_use]
    pub const fn direct_input_gradient_work(&self, n: usize) -> usize {
        if self.gradient_border().is_empty() { 0 } else { n * self.gradient_border().len() }
    }

    /// The loops over one window's values, as `A` (input) and `B` (weights) see them.
    const fn window_loops(&self, pitch: usize, plane: usize) -> [Axis; 3] {
        let (kh, kw) = self.kernel;
        match self.order {
            Order::Planar => [
                Axis { count: self.ci, a: plane, b: kh * kw * PANEL },
                Axis { count: kh, a: pitch, b: kw * PANEL },
                Axis { count: kw, a: 1, b: PANEL },
            ],
            // Without padded channels a kernel's row is one run.
            Order::ChannelsLast if self.ci == padded(self.ci) => [
                Axis::ONCE,
                Axis { count: kh, a: pitch, b: kw * self.ci * PANEL },
                Axis { count: kw * self.ci, a: 1, b: PANEL },
            ],
            Order::ChannelsLast => [
                Axis { count: kh, a: pitch, b: kw * self.ci * PANEL },
                Axis { count: kw, a: padded(self.ci), b: self.ci * PANEL },
                Axis { count: self.ci, a: 1, b: PANEL },
            ],
        }
    }
}

/// Zeros before and after an axis of the output's gradient, so that every input pixel finds each of
/// its taps there.
const fn overhang(
    input: usize,
    output: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
) -> (usize, usize) {
    let before = kernel.div_ceil(stride) - 1;
    // The last output pixel that an input pixel asks for; where strides cut rows off, it is beyond.
    let last = (input - 1 + padding) / stride;
    let after = (last + 1).saturating_sub(output);
    (before, after)
}

/// Splits `rows` into blocks of whole rows of `width` elements, each at most [`BLOCK`] elements, and into
/// enough of them that `threads` have something to do.
fn block_rows(rows: usize, width: usize, threads: usize) -> usize {
    let cached = (BLOCK / width).max(1);
    let shared = if threads > 1 { rows.div_ceil(2 * threads) } else { rows };
    // Whole register tiles, of 10 or 6 rows, waste least.
    let block = cached.min(shared).max(1);
    if block > 60 { block / 60 * 60 } else { block }
}

impl Forward<'_> {
    /// Computes the pass by direct sums from the weights in the arena.
    ///
    /// # Panics
    /// If a slice does not have the length that the geometry says, `work` at least
    /// [`direct_work`](ConvShape::direct_work).
    pub fn direct(&self, cx: &Context, weights: &[f32], y: &mut [f32], work: &mut [f32]) {
        self.check(y);
        assert_eq!(weights.len(), self.shape.weights_len(), "weights of {:?}", self.shape);
        if self.shape.is_pointwise() {
            return self.pointwise(cx, weights, y);
        }
        let (shape, border) = (self.shape, self.shape.border());
        let x = bordered(cx, self.n, &border, |i| self.x.image(i, shape), work);
        let (h, w) = shape.output();
        // With few images, rows are shared between threads.
        let pieces = if self.n < cx.threads() { (2 * cx.threads()).min(h) } else { 1 };
        let rows = h.div_ceil(pieces);
        let pieces = h.div_ceil(rows);
        let y = DisjointMut::new(y);
        cx.for_each(self.n * pieces, self.n * shape.macs(), |task| {
            let (image, first) = (task / pieces, task % pieces * rows);
            let start = (image * h + first) * w * padded(shape.co);
            let source = x.image(image);
            let a = &source[first * shape.stride.0 * border.pitch()..];
            let gemm = Gemm {
                rows: (rows.min(h - first), w),
                panels: shape.panels(),
                sum: shape.window_loops(border.pitch(), border.plane()),
                a: a.as_ptr(),
                a_rows: (shape.stride.0 * border.pitch(), shape.stride.1 * shape.pixel()),
                b: weights.as_ptr(),
                b_panel: shape.depth() * PANEL,
                // SAFETY: the offset is that of a row of the output, whose length was checked.
                c: unsafe { y.as_mut_ptr().add(start) },
                output: Output { outer: w * padded(shape.co), row: padded(shape.co), panel: PANEL },
                start: Start::bias(self.bias.as_ptr()),
                finish: if self.relu { Finish::Relu } else { Finish::Plain },
                ahead: Ahead::NOTHING,
            };
            // SAFETY: `ConvShape` holds windows to the bordered input, lengths were checked, and
            // each task writes its own rows.
            unsafe { gemm.run(cx.isa()) };
        });
    }

    /// A fully connected layer at each pixel: all pixels of all images are one matrix's rows.
    fn pointwise(&self, cx: &Context, weights: &[f32], y: &mut [f32]) {
        let shape = self.shape;
        let super::Source::Activations(x) = self.x else { unreachable!("checked") };
        let pixels = self.n * shape.input.0 * shape.input.1;
        let (ci, co) = (padded(shape.ci), padded(shape.co));
        let block = block_rows(pixels, ci, cx.threads());
        let y = DisjointMut::new(y);
        cx.for_each(pixels.div_ceil(block), self.n * shape.macs(), |task| {
            let first = task * block;
            let gemm = Gemm {
                rows: (1, block.min(pixels - first)),
                panels: shape.panels(),
                sum: shape.window_loops(0, 0),
                a: x[first * ci..].as_ptr(),
                a_rows: (0, ci),
                b: weights.as_ptr(),
                b_panel: shape.depth() * PANEL,
                // SAFETY: the offset is that of a pixel of the output, whose length was checked.
                c: unsafe { y.as_mut_ptr().add(first * co) },
                output: Output { outer: 0, row: co, panel: PANEL },
                start: Start::bias(self.bias.as_ptr()),
                finish: if self.relu { Finish::Relu } else { Finish::Plain },
                ahead: Ahead::NOTHING,
            };
            // SAFETY: lengths were checked, and each task writes its own pixels.
            unsafe { gemm.run(cx.isa()) };
        });
    }
}

impl WeightGradient<'_> {
    /// Adds the gradients of weights and bias, by direct sums, to `dw` and `db`, laid out as in the arena.
    ///
    /// # Panics
    /// If a slice does not have the length that the geometry says, `work` at least
    /// [`direct_work`](ConvShape::direct_work).
    pub fn direct(&self, cx: &Context, dw: &mut [f32], db: &mut [f32], work: &mut [f32]) {
        self.check(dw, db);
        let (shape, border) = (self.shape, self.shape.border());
        let x = bordered(cx, self.n, &border, |i| self.x.image(i, shape), work);
        let tasks = GradientTasks::new(shape, cx.threads());
        let sums = Sums { dw: DisjointMut::new(dw), db: DisjointMut::new(db) };
        cx.for_each(tasks.count(), self.n * shape.macs(), |task| {
            let part = tasks.part(task);
            if let (true, super::Source::Activations(x)) = (shape.is_pointwise(), self.x) {
                // The pixels of all images are one matrix's rows.
                self.add(cx.isa(), &part, (x, &border), self.dy, &sums);
                return;
            }
            for image in 0..self.n {
                let dy = &self.dy[image * shape.output_len()..][..shape.output_len()];
                self.add(cx.isa(), &part, (x.image(image), &border), dy, &sums);
            }
        });
    }

    /// Adds what some pixels contribute to the weights of one task: for each block of pixels, which
    /// stays in the second cache, the products for all those weights.
    fn add(
        &self,
        isa: Isa,
        part: &Part,
        (x, border): (&[f32], &Border),
        dy: &[f32],
        sums: &Sums<'_>,
    ) {
        /// Pixels of a block: two panels of them leave room in the first cache.
        const PIXELS: usize = 128;
        let shape = self.shape;
        let (ci, co) = (padded(shape.ci), padded(shape.co));
        let columns = part.panels.start * PANEL..part.panels.end * PANEL;
        // A pointwise layer has no rows to keep apart: each pixel is one.
        let (rows, w, pitch) = if shape.is_pointwise() {
            (dy.len() / co, 1, ci)
        } else {
            (shape.output().0, shape.output().1, shape.stride.0 * border.pitch())
        };
        let block = (PIXELS / w).max(1);
        for first in (0..rows).step_by(block) {
            let lines = Axis { count: block.min(rows - first), a: pitch, b: w * co };
            let pixels = Axis { count: w, a: shape.stride.1 * shape.pixel(), b: co };
            let (x_start, dy_start) = (first * pitch, first * w * co);
            let sum =
                if w == 1 { [Axis::ONCE, Axis::ONCE, lines] } else { [Axis::ONCE, lines, pixels] };
            let next = first + block..(first + 2 * block).min(rows).max(first + block);
            let mut ahead = match rows > next.start {
                true => Ahead([
                    &x[next.start * pitch..next.end * pitch],
                    &dy[next.start * w * co..next.end * w * co],
                ]),
                false => Ahead::NOTHING,
            };
            for group in part.groups.clone() {
                let taps = part.taps(shape, border, group);
                let gemm = Gemm {
                    rows: taps.rows,
                    panels: part.panels.len(),
                    sum,
                    a: x[x_start + taps.x..].as_ptr(),
                    a_rows: taps.x_rows,
                    b: dy[dy_start + columns.start..].as_ptr(),
                    b_panel: PANEL,
                    // SAFETY: the offset is that of a tap in a panel of the weights.
                    c: unsafe {
                        let panel = part.panels.start * shape.depth();
                        sums.dw.as_mut_ptr().add((panel + taps.tap) * PANEL)
                    },
                    output: Output {
                        outer: taps.pitch * PANEL,
                        row: PANEL,
                        panel: shape.depth() * PANEL,
                    },
                    start: Start::ACCUMULATE,
                    finish: Finish::Plain,
                    ahead: core::mem::replace(&mut ahead, Ahead::NOTHING),
                };
                // SAFETY: `ConvShape` holds windows to the bordered input, lengths were checked,
                // and each task has its own weights.
                unsafe { gemm.run(isa) };
            }
            if part.has_bias {
                let x = &dy[dy_start..dy_start + lines.count * w * co];
                // SAFETY: among the tasks with these columns, one has the bias.
                let sums = unsafe { sums.db.part(columns.clone()) };
                isa.run(ColumnSums { x, stride: co, first: columns.start, sums });
            }
        }
    }
}

/// What a weight gradient is added to.
struct Sums<'a> {
    dw: DisjointMut<'a, f32>,
    db: DisjointMut<'a, f32>,
}

/// How the weights' gradient is shared between tasks: by panels of output channels, by groups of taps,
/// and by input channels. Every weight belongs to one task, so no sum is divided.
struct GradientTasks {
    panels: Shares,
    groups: Shares,
    channels: Shares,
}

/// The weights of one task.
struct Part {
    panels: Range<usize>,
    groups: Range<usize>,
    channels: Range<usize>,
    /// Whether the bias of its panels belongs to it.
    has_bias: bool,
}

/// Taps that one product covers: `rows.0 × rows.1` of them, from tap `tap` on, whose values start
/// at `x` in the input. `pitch` taps lie between outer rows.
struct Taps {
    tap: usize,
    rows: (usize, usize),
    pitch: usize,
    x: usize,
    x_rows: (usize, usize),
}

/// `count` things in equal shares, but for the last.
struct Shares {
    count: usize,
    share: usize,
}

impl Shares {
    fn new(count: usize, shares: usize) -> Self {
        Self { count, share: count.div_ceil(shares) }
    }

    fn len(&self) -> usize {
        self.count.div_ceil(self.share)
    }

    fn get(&self, i: usize) -> Range<usize> {
        i * self.share..((i + 1) * self.share).min(self.count)
    }
}

impl GradientTasks {
    fn new(shape: &ConvShape, threads: usize) -> Self {
        let (groups, channels) = match shape.order {
            Order::Planar => (shape.ci, 1),
            Order::ChannelsLast => (shape.kernel.0, shape.ci),
        };
        // Two tasks a thread even out. Pairs of panels make the widest register tiles, and tasks
        // of equal size need a number that divides the pairs.
        let tasks = if threads == 1 { 1 } else { 2 * threads };
        let pairs = shape.panels().div_ceil(2);
        let by_panels = common_divisor(pairs, tasks);
        let by_groups = common_divisor(groups, tasks / by_panels);
        let by_channels = tasks / by_panels / by_groups;
        Self {
            panels: Shares { count: shape.panels(), share: 2 * pairs / by_panels },
            groups: Shares::new(groups, by_groups),
            channels: Shares::new(channels, by_channels),
        }
    }

    fn count(&self) -> usize {
        self.panels.len() * self.groups.len() * self.channels.len()
    }

    fn part(&self, task: usize) -> Part {
        let (task, channels) = (task / self.channels.len(), task % self.channels.len());
        let (panels, groups) = (task / self.groups.len(), task % self.groups.len());
        Part {
            panels: self.panels.get(panels),
            groups: self.groups.get(groups),
            channels: self.channels.get(channels),
            has_bias: groups == 0 && channels == 0,
        }
    }
}

const fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

impl Part {
    fn taps(&self, shape: &ConvShape, border: &Border, group: usize) -> Taps {
        let (kh, kw) = shape.kernel;
        match shape.order {
            Order::Planar => Taps {
                tap: group * kh * kw,
                rows: (kh, kw),
                pitch: kw,
                x: group * border.plane(),
                x_rows: (border.pitch(), 1),
            },
            Order::ChannelsLast => Taps {
                tap: group * kw * shape.ci + self.channels.start,
                rows: (kw, self.channels.len()),
                pitch: shape.ci,
                x: group * border.pitch() + self.channels.start,
                x_rows: (padded(shape.ci), 1),
            },
        }
    }
}

/// `db += Σ dy` over all pixels, where dy has `co` padded channels.
pub(super) fn bias_gradient(cx: &Context, co: usize, dy: &[f32], db: &mut [f32]) {
    /// Columns that are summed together: whole cache lines of a row, one after another.
    const COLUMNS: usize = 4 * PANEL;
    let work = dy.len();
    let db = DisjointMut::new(db);
    cx.for_each(co.div_ceil(COLUMNS), work, |task| {
        let first = task * COLUMNS;
        // SAFETY: each task has its own columns.
        let sums = unsafe { db.part(first..(first + COLUMNS).min(co)) };
        cx.isa().run(ColumnSums { x: dy, stride: co, first, sums });
    });
}

/// Adds the sums of a matrix's columns, from `first` on, to `sums`, of whole panels.
struct ColumnSums<'a> {
    x: &'a [f32],
    stride: usize,
    first: usize,
    sums: &'a mut [f32],
}

impl Kernel for ColumnSums<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // Four vectors a row, then the rest one by one.
        let wide = self.sums.len() / (4 * S::LANES) * (4 * S::LANES);
        let (sums, rest) = self.sums.split_at_mut(wide);
        for (i, sums) in sums.chunks_exact_mut(4 * S::LANES).enumerate() {
            column_sums::<S, 4>(s, self.x, self.stride, self.first + i * 4 * S::LANES, sums);
        }
        for (i, sums) in rest.chunks_exact_mut(S::LANES).enumerate() {
            column_sums::<S, 1>(s, self.x, self.stride, self.first + wide + i * S::LANES, sums);
        }
    }
}

/// Adds the sums of `V` vectors of columns.
#[inline(always)]
fn column_sums<S: Simd, const V: usize>(
    s: S,
    x: &[f32],
    stride: usize,
    first: usize,
    sums: &mut [f32],
) {
    // Rows are summed in runs, so that rounding grows with the root of their number.
    const RUN: usize = 64;
    let mut totals = [s.splat(0.0); V];
    for run in x.chunks(RUN * stride) {
        let mut partial = [s.splat(0.0); V];
        for row in run.chunks_exact(stride) {
            let values = row[first..first + V * S::LANES].chunks_exact(S::LANES);
            for (sum, values) in partial.iter_mut().zip(values) {
                // SAFETY: the chunk has a register's length.
                *sum = *sum + unsafe { s.load(values.as_ptr()) };
            }
        }
        for (total, sum) in totals.iter_mut().zip(partial) {
            *total = *total + sum;
        }
    }
    for (to, total) in sums.chunks_exact_mut(S::LANES).zip(totals) {
        // SAFETY: the chunk has a register's length.
        unsafe { s.store(to.as_mut_ptr(), s.load(to.as_ptr()) + total) };
    }
}

impl InputGradient<'_> {
    /// Writes the gradient of the input, by direct sums, from
    /// [transposed weights](ConvShape::transpose_weights).
    ///
    /// With a stride, each of its phases is a convolution of stride 1 over the output's gradient with
    /// the taps that belong to it.
    ///
    /// # Panics
    /// If a slice does not have the length that the geometry says, `work` at least
    /// [`direct_input_gradient_work`](ConvShape::direct_input_gradient_work).
    pub fn direct(&self, cx: &Context, transposed: &[f32], dx: &mut [f32], work: &mut [f32]) {
        self.check(dx);
        let shape = self.shape;
        assert_eq!(transposed.len(), shape.transposed_len(), "transposed weights of {shape:?}");
        if shape.is_pointwise() {
            return self.pointwise(cx, transposed, dx);
        }
        let border = shape.gradient_border();
        let len = shape.output_len();
        let dy = bordered(cx, self.n, &border, |i| &self.dy[i * len..(i + 1) * len], work);
        let phases = shape.stride.0 * shape.stride.1;
        let dx = DisjointMut::new(dx);
        cx.for_each(self.n, self.n * shape.macs(), |image| {
            let mut weights = transposed;
            for phase in 0..phases {
                let at = (phase / shape.stride.1, phase % shape.stride.1);
                weights = self.phase(cx.isa(), image, at, (dy.image(image), &border), weights, &dx);
            }
        });
    }

    /// Writes the pixels of one phase; returns the weights of the next.
    fn phase<'w>(
        &self,
        isa: Isa,
        image: usize,
        (row, column): (usize, usize),
        (dy, border): (&[f32], &Border),
        weights: &'w [f32],
        dx: &DisjointMut<'_, f32>,
    ) -> &'w [f32] {
        let shape = self.shape;
        let (rows, columns) = shape.phase(row, column);
        let (ci, co) = (padded(shape.ci), padded(shape.co));
        let panel = rows.count * columns.count * shape.co * PANEL;
        let (weights, rest) = weights.split_at(ci / PANEL * panel);
        let pixels = |input: usize, phase: usize, stride: usize| {
            if phase < input { (input - phase).div_ceil(stride) } else { 0 }
        };
        let (h, w) = (
            pixels(shape.input.0, row, shape.stride.0),
            pixels(shape.input.1, column, shape.stride.1),
        );
        if h == 0 || w == 0 {
            return rest;
        }
        // Taps run from last to first, so that windows run forwards.
        let first_row = border.vertical.0 + rows.base + 1 - rows.count.max(1);
        let first_column = border.horizontal.0 / co + columns.base + 1 - columns.count.max(1);
        let a = first_row * border.pitch() + first_column * co;
        let run = shape.co == co;
        let to = image * shape.input_len() + (row * shape.input.1 + column) * ci;
        let gemm = Gemm {
            rows: (h, w),
            panels: ci / PANEL,
            sum: [
                Axis { count: rows.count, a: border.pitch(), b: columns.count * shape.co * PANEL },
                if run {
                    Axis { count: columns.count.min(1), a: 0, b: 0 }
                } else {
                    Axis { count: columns.count, a: co, b: shape.co * PANEL }
                },
                Axis { count: if run { columns.count * co } else { shape.co }, a: 1, b: PANEL },
            ],
            a: dy[a.min(dy.len() - 1)..].as_ptr(),
            a_rows: (border.pitch(), co),
            b: weights.as_ptr(),
            b_panel: panel,
            // SAFETY: the offset is that of a pixel of dx, whose length was checked.
            c: unsafe { dx.as_mut_ptr().add(to) },
            output: Output {
                outer: shape.stride.0 * shape.input.1 * ci,
                row: shape.stride.1 * ci,
                panel: PANEL,
            },
            start: Start::ZERO,
            finish: self.finish(to),
            ahead: Ahead::NOTHING,
        };
        // SAFETY: the border holds every tap of every input pixel, lengths were checked, and each
        // task has its own image.
        unsafe { gemm.run(isa) };
        rest
    }

    /// A fully connected layer at each pixel.
    fn pointwise(&self, cx: &Context, transposed: &[f32], dx: &mut [f32]) {
        let shape = self.shape;
        let pixels = self.n * shape.input.0 * shape.input.1;
        let (ci, co) = (padded(shape.ci), padded(shape.co));
        let block = block_rows(pixels, co, cx.threads());
        let dx = DisjointMut::new(dx);
        cx.for_each(pixels.div_ceil(block), self.n * shape.macs(), |task| {
            let first = task * block;
            let gemm = Gemm {
                rows: (1, block.min(pixels - first)),
                panels: ci / PANEL,
                sum: [Axis::ONCE, Axis::ONCE, Axis { count: shape.co, a: 1, b: PANEL }],
                a: self.dy[first * co..].as_ptr(),
                a_rows: (0, co),
                b: transposed.as_ptr(),
                b_panel: shape.co * PANEL,
                // SAFETY: the offset is that of a pixel of dx, whose length was checked.
                c: unsafe { dx.as_mut_ptr().add(first * ci) },
                output: Output { outer: 0, row: ci, panel: PANEL },
                start: Start::ZERO,
                finish: self.finish(first * ci),
                ahead: Ahead::NOTHING,
            };
            // SAFETY: lengths were checked, and each task writes its own pixels.
            unsafe { gemm.run(cx.isa()) };
        });
    }

    fn finish(&self, offset: usize) -> Finish {
        self.gate.map_or(Finish::Plain, |gate| Finish::Gate(gate[offset..].as_ptr()))
    }
}

/// Images with their borders, or as they are if they need none.
enum Bordered<'a, F> {
    AsTheyAre(F),
    Copies(&'a [f32], usize),
}

impl<'a, F: Fn(usize) -> &'a [f32]> Bordered<'a, F> {
    fn image(&self, i: usize) -> &'a [f32] {
        match self {
            Self::AsTheyAre(source) => source(i),
            Self::Copies(work, len) => &work[i * len..(i + 1) * len],
        }
    }
}

fn bordered<'a, F: Fn(usize) -> &'a [f32] + Sync>(
    cx: &Context,
    n: usize,
    border: &Border,
    source: F,
    work: &'a mut [f32],
) -> Bordered<'a, F> {
    if border.is_empty() {
        return Bordered::AsTheyAre(source);
    }
    let work = &mut work[..n * border.len()];
    border.copy(cx, n, source, work);
    Bordered::Copies(work, border.len())
}
