//! Convolution by direct sums: the product of windows, as they lie in memory, and weights.
//!
//! A row of windows is a matrix whose rows are `stride` pixels apart and overlap; along a kernel's
//! row the values of a window are contiguous. So [`Gemm`]'s strides reach everything, and nothing
//! is copied but for padding, which becomes a border of zeros, and for numbers that are not `f32`.

mod forward;
mod weight_gradient;

pub(super) use forward::{Block, Blocks};

use super::border::Border;
use super::{ConvShape, InputGradient, Source};
use crate::gemm::{Ahead, Axis, Finish, Gemm, Output};
use crate::simd::{Element, Format, Isa, PANEL, as_f32, padded};
use crate::{Context, DisjointMut, Order};
use core::ops::Range;

/// Elements of one operand's block that should stay in the second cache while all panels pass: 256 KiB.
pub(super) const BLOCK: usize = 1 << 16;

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

    /// Whether windows are read where they lie in an input that is kept as `X`.
    const fn reads_in_place<X: Element>(&self) -> bool {
        matches!(X::FORMAT, Format::F32) && self.border().is_empty()
    }

    /// Elements of work space that the direct weight gradient of `n` images, kept as `X`, needs.
    #[must_use]
    pub const fn direct_weight_gradient_work<X: Element>(&self, n: usize) -> usize {
        if self.reads_in_place::<X>() { 0 } else { n * self.border().len() }
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

/// How many of `len` things make a share, of [`even_shares`].
fn even_share(len: usize, most: usize, parts: usize) -> usize {
    len.div_ceil(even_shares(len, most, parts)).max(1)
}

/// How many shares `len` things have, of at most `most` each and nearly equal, and as many for each of the `parts`
/// as far as there are so many things.
pub(super) fn even_shares(len: usize, most: usize, parts: usize) -> usize {
    len.div_ceil(most).next_multiple_of(parts).min(len).max(1)
}

/// The rows that one of some nearly equal shares has. They end with whole register tiles of eight rows, where there are
/// so many that this makes no share much longer than others.
fn whole_tiles(share: usize, shares: usize, rows: usize) -> Range<usize> {
    let step = if rows / shares >= 8 * 8 { 8 } else { 1 };
    let start = |share: usize| match share * rows / shares {
        end if end == rows => rows,
        start => start / step * step,
    };
    start(share)..start(share + 1)
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
        let dy = bordered(cx, self.n, &border, Source::Activations(self.dy), work);
        let phases = shape.stride.0 * shape.stride.1;
        let dx = DisjointMut::new(dx);
        cx.for_each(self.n, self.n * shape.macs(), |image| {
            let mut weights = transposed;
            for phase in 0..phases {
                let at = (phase / shape.stride.1, phase % shape.stride.1);
                weights = self.phase(
                    cx.isa(),
                    image,
                    at,
                    (dy.image(image, border.len()), &border),
                    weights,
                    &dx,
                );
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
            finish: self.finish(to),
            ahead: Ahead::NOTHING,
            column_sums: core::ptr::null_mut(),
            turns: false,
            c_is_near: false,
            has_zeros: false,
        };
        // SAFETY: the border holds every tap of every input pixel, lengths were checked, and each
        // task has its own image.
        unsafe { gemm.run_gated(isa) };
        rest
    }

    /// A fully connected layer at each pixel.
    fn pointwise(&self, cx: &Context, transposed: &[f32], dx: &mut [f32]) {
        let shape = self.shape;
        let pixels = self.n * shape.input.0 * shape.input.1;
        let (ci, co) = (padded(shape.ci), padded(shape.co));
        // A gate is a third matrix beside both gradients: about two thirds of the rows then take as much room.
        let width = if self.gate.is_some() { co + ci / 2 } else { co };
        let shares = if cx.threads() > 1 { 2 * cx.threads() } else { 1 };
        let blocks = even_shares(pixels, (BLOCK / width).max(1), shares).min(pixels);
        let dx = DisjointMut::new(dx);
        cx.for_each(blocks, self.n * shape.macs(), |task| {
            let rows = whole_tiles(task, blocks, pixels);
            let first = rows.start;
            let gemm = Gemm {
                rows: (1, rows.len()),
                panels: ci / PANEL,
                sum: [Axis::ONCE, Axis::ONCE, Axis { count: shape.co, a: 1, b: PANEL }],
                a: self.dy[first * co..].as_ptr(),
                a_rows: (0, co),
                b: transposed.as_ptr(),
                b_panel: shape.co * PANEL,
                // SAFETY: the offset is that of a pixel of dx, whose length was checked.
                c: unsafe { dx.as_mut_ptr().add(first * ci) },
                output: Output { outer: 0, row: ci, panel: PANEL },
                finish: self.finish(first * ci),
                ahead: Ahead::NOTHING,
                column_sums: core::ptr::null_mut(),
                turns: false,
                c_is_near: false,
                has_zeros: true,
            };
            // SAFETY: lengths were checked, and each task writes its own pixels.
            unsafe { gemm.run_gated(cx.isa()) };
        });
    }

    fn finish(&self, offset: usize) -> Finish<f32> {
        self.gate.map_or(Finish::NOTHING, |gate| Finish::gate(gate[offset..].as_ptr()))
    }
}

/// Images as `f32` and with their borders.
#[derive(Clone, Copy)]
enum Bordered<'a, X> {
    /// The images themselves, which are `f32` and need no border.
    InPlace(Source<'a, X>),
    Copies(&'a [f32]),
}

impl<'a, X: Element> Bordered<'a, X> {
    /// Image `i`, of `len` elements.
    fn image(self, i: usize, len: usize) -> &'a [f32] {
        match self {
            Self::InPlace(source) => as_f32(source.image(i, len)).expect("only `f32` is in place"),
            Self::Copies(work) => &work[i * len..(i + 1) * len],
        }
    }
}

/// Makes copies in `work` where they are needed.
fn bordered<'a, X: Element>(
    cx: &Context,
    n: usize,
    border: &Border,
    source: Source<'a, X>,
    work: &'a mut [f32],
) -> Bordered<'a, X> {
    if X::FORMAT == Format::F32 && border.is_empty() {
        return Bordered::InPlace(source);
    }
    let work = &mut work[..n * border.len()];
    border.copy(cx, n, source, work);
    Bordered::Copies(work)
}

#[cfg(test)]
mod tests;
