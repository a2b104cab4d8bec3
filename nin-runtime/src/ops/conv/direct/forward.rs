//! The forward pass by direct sums, in blocks of output pixels.
//!
//! Where windows cannot be read in place, because of padding or because the input is not `f32`, the
//! part of the input that a block sees is first copied into a strip of work space, which stays in the
//! second cache while all panels of weights pass. A strip's elements are each read by many windows
//! and by all output channels, so that the copy costs little beside the products.

use super::super::mlp::{self, InBlocks, Pointwise};
use super::super::{ConvShape, Forward, larger};
use super::{BLOCK, even_shares};
use crate::gemm::{Ahead, Finish, Gemm, Operand, Output};
use crate::simd::{Element, Isa, PANEL, as_f32, padded};
use crate::{Context, DisjointMut};
use core::ops::Range;

/// Elements that strips should have at least: in all 16 KiB.
const LEAST: usize = 1 << 12;

impl ConvShape {
    /// Elements of work space that the direct forward pass of `n` images, kept as `X`, needs.
    #[must_use]
    pub const fn direct_work<X: Element>(&self, n: usize) -> usize {
        if self.reads_in_place::<X>() { 0 } else { n * self.strips() }
    }

    /// Elements of one image's strips: a quarter of the image with its border, but room for a window.
    const fn strips(&self) -> usize {
        let whole = self.border().len();
        let least = larger(self.window_len(), if whole < LEAST { whole } else { LEAST });
        let most = larger(BLOCK, least);
        let part = larger(whole / 4, least);
        if part < most { part } else { most }
    }

    /// Elements that one window sees.
    const fn window_len(&self) -> usize {
        self.kernel.0 * self.kernel.1 * self.planes() * self.pixel()
    }
}

impl<X: Element, T: Operand> Forward<'_, X, T> {
    /// Computes the pass by direct sums from the weights in the arena.
    ///
    /// # Panics
    /// If a slice does not have the length that the geometry says, `work` at least
    /// [`direct_work`](ConvShape::direct_work).
    pub fn direct(&self, cx: &Context, weights: &[T], y: &mut [T], work: &mut [f32]) {
        self.check(y);
        assert_eq!(weights.len(), self.shape.weights_len(), "weights of {:?}", self.shape);
        let needed = self.shape.direct_work::<X>(self.n);
        assert!(work.len() >= needed, "{} elements of work, {needed} are needed", work.len());
        if self.n == 0 {
            return;
        }
        let (n, shape) = self.flattened();
        let threads = cx.threads();
        // Threads share the work space: with more of them, strips are smaller.
        let (lanes, strip) = if shape.reads_in_place::<X>() {
            (2 * threads, 0)
        } else {
            let lanes = threads.min(needed / shape.window_len());
            (lanes, (needed / lanes).min(larger(BLOCK, shape.window_len())))
        };
        let size = if strip == 0 { BLOCK } else { strip };
        let shares = if threads == 1 { 1 } else { lanes };
        let blocks = Blocks::new(&shape, n, (size, usize::MAX), shares);
        let count = blocks.count();
        let lanes = if strip == 0 { count } else { lanes.min(count) };
        let (y, work) = (DisjointMut::new(y), DisjointMut::new(work));
        cx.for_each(lanes, self.n * self.shape.macs(), |lane| {
            // SAFETY: each lane has its own strip.
            let strip = unsafe { work.part(lane * strip..(lane + 1) * strip) };
            for block in lane * count / lanes..(lane + 1) * count / lanes {
                let block = blocks.get(block);
                // SAFETY: blocks do not overlap.
                let y = unsafe { y.part(block.of(padded(shape.co))) };
                self.block(cx.isa(), &shape, &block, weights, strip, y);
            }
        });
    }

    /// Images and geometry, where all pixels of a pointwise layer are one image's row.
    fn flattened(&self) -> (usize, ConvShape) {
        if !self.shape.is_pointwise() {
            return (self.n, *self.shape);
        }
        let pixels = self.n * self.shape.input.0 * self.shape.input.1;
        (1, self.shape.with_row_of(pixels))
    }

    /// Computes one block, which is `y`; without a strip it reads the input in place.
    pub(in super::super) fn block(
        &self,
        isa: Isa,
        shape: &ConvShape,
        block: &Block,
        weights: &[T],
        strip: &mut [f32],
        y: &mut [T],
    ) {
        let (border, pixel, co) = (shape.border(), shape.pixel(), padded(shape.co));
        assert_eq!(y.len(), block.of(co).len(), "a block of {shape:?}");
        let source = self.x.image(block.image, shape.input_len());
        let rows = seen(&block.rows, shape.kernel.0, shape.stride.0);
        let columns = seen(&block.columns, shape.kernel.1, shape.stride.1);
        let columns = columns.start * pixel..columns.end * pixel;
        let (a, pitch, plane) = if strip.is_empty() {
            let source = as_f32(source).expect("only `f32` is read in place");
            let first = rows.start * border.pitch() + columns.start;
            (&source[first..], border.pitch(), border.plane())
        } else {
            let (pitch, plane) = (columns.len(), rows.len() * columns.len());
            let strip = &mut strip[..border.planes * plane];
            let planes = source.chunks_exact(border.rows * border.row);
            for (from, to) in planes.zip(strip.chunks_exact_mut(plane)) {
                border.copy_part(isa, from, rows.clone(), columns.clone(), to);
            }
            (&*strip, pitch, plane)
        };
        let gemm = Gemm {
            rows: (block.rows.len(), block.columns.len()),
            panels: shape.panels(),
            sum: shape.window_loops(pitch, plane),
            a: a.as_ptr(),
            a_rows: (shape.stride.0 * pitch, shape.stride.1 * pixel),
            b: weights.as_ptr(),
            b_panel: shape.depth() * PANEL,
            c: y.as_mut_ptr(),
            output: Output { outer: block.columns.len() * co, row: co, panel: PANEL },
            finish: Finish::bias(self.bias.as_ptr(), self.relu),
            ahead: Ahead::NOTHING,
            column_sums: core::ptr::null_mut(),
            turns: false,
            c_is_near: block.output_is_near,
            has_zeros: shape.is_pointwise(),
        };
        // SAFETY: the input, or the strip, holds all that the block's windows see, and lengths were checked.
        unsafe { gemm.run(isa) };
    }
}

impl<X: Element> Forward<'_, X> {
    /// Computes the pass by direct sums from the weights in the arena, and pointwise layers after it; `y` is the
    /// last one's output.
    ///
    /// # Panics
    /// If layers do not fit each other, or a slice does not have the length that the geometries say: `work`
    /// [`direct_work`](ConvShape::direct_work) and [`mlp_work`](ConvShape::mlp_work).
    pub fn mlp(
        &self,
        cx: &Context,
        weights: &[f32],
        next: &[Pointwise<'_>],
        y: &mut [f32],
        work: &mut [f32],
    ) {
        self.check_operands();
        assert_eq!(weights.len(), self.shape.weights_len(), "weights of {:?}", self.shape);
        let (n, shape) = self.flattened();
        let needed = self.shape.direct_work::<X>(self.n);
        let first = Direct { pass: self, n, shape, weights, in_place: needed == 0 };
        mlp::run(cx, &first, next, y, work.split_at_mut(needed));
    }
}

/// The layer as its blocks see it.
struct Direct<'a, X> {
    pass: &'a Forward<'a, X>,
    /// Images and geometry, [flattened](Forward::flattened).
    n: usize,
    shape: ConvShape,
    weights: &'a [f32],
    in_place: bool,
}

impl<X: Element> InBlocks for Direct<'_, X> {
    fn shape(&self) -> &ConvShape {
        self.pass.shape
    }

    fn images(&self) -> usize {
        self.pass.n
    }

    fn smallest(&self) -> (usize, usize) {
        (1, if self.in_place { 0 } else { self.shape.window_len() })
    }

    fn blocks(&self, pixels: usize, strip: usize, shares: usize) -> Blocks {
        let most = larger(BLOCK, self.shape.window_len());
        let size = if self.in_place { most } else { strip.min(most) };
        Blocks::new(&self.shape, self.n, (size, pixels), shares)
    }

    fn compute(&self, isa: Isa, block: &Block, strip: &mut [f32], y: &mut [f32]) {
        self.pass.block(isa, &self.shape, block, self.weights, strip, y);
    }
}

/// The places of an axis that the windows of some outputs see, counted with the border.
fn seen(outputs: &Range<usize>, kernel: usize, stride: usize) -> Range<usize> {
    outputs.start * stride..(outputs.end - 1) * stride + kernel
}

/// Output pixels of an image that are computed together: whole rows, or a part of one.
pub(in super::super) struct Block {
    pub(in super::super) image: usize,
    pub(in super::super) rows: Range<usize>,
    columns: Range<usize>,
    /// The number of its first pixel, counted through all images.
    first: usize,
    output_is_near: bool,
}

impl Block {
    /// The only one of an image that is a row of `pixels`.
    pub(in super::super) fn of_row(pixels: usize, output_is_near: bool) -> Self {
        Self { image: 0, rows: 0..1, columns: 0..pixels, first: 0, output_is_near }
    }

    pub(in super::super) fn pixels(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// The place of its pixels, each of `channels` elements.
    pub(in super::super) fn of(&self, channels: usize) -> Range<usize> {
        self.first * channels..(self.first + self.pixels()) * channels
    }
}

/// The output of some images, cut into blocks.
pub(in super::super) struct Blocks {
    n: usize,
    output: (usize, usize),
    /// How many blocks there are along both axes of an image, of nearly one size.
    each: (usize, usize),
}

impl Blocks {
    /// Blocks of at most `most` pixels that see at most `size` elements of the input, or one window, and at least
    /// `shares` of them if there are as many pixels.
    fn new(shape: &ConvShape, n: usize, (size, most): (usize, usize), shares: usize) -> Self {
        let ((h, w), (kh, kw), (sh, sw)) = (shape.output(), shape.kernel, shape.stride);
        let pixel = shape.planes() * shape.pixel();
        let fitting = |places: usize, kernel: usize, stride: usize| {
            places.checked_sub(kernel).map_or(0, |spare| spare / stride + 1)
        };
        let rows = fitting(size / (((w - 1) * sw + kw) * pixel), kh, sh).min(most / w);
        let columns =
            if rows > 0 { w } else { fitting(size / (kh * pixel), kw, sw).clamp(1, most) };
        // What one share has of an image's rows, or of a row's columns.
        let share = (n * h).div_ceil(shares);
        let parts = shares.div_ceil(n * h);
        let each = (
            even_shares(h, rows.clamp(1, share.min(h)), shares.div_ceil(n)),
            even_shares(w, columns.min(w.div_ceil(parts)), parts),
        );
        Self { n, output: (h, w), each }
    }

    /// Blocks of whole rows, so many for each of `n` images.
    pub(in super::super) fn of_rows(n: usize, output: (usize, usize), each: usize) -> Self {
        Self { n, output, each: (each, 1) }
    }

    pub(in super::super) fn count(&self) -> usize {
        self.n * self.each.0 * self.each.1
    }

    pub(in super::super) fn get(&self, i: usize) -> Block {
        let ((h, w), (bands, pieces)) = (self.output, self.each);
        let part = |i: usize, of: usize, len: usize| i * len / of..(i + 1) * len / of;
        let image = i / pieces / bands;
        let rows = part(i / pieces % bands, bands, h);
        let columns = part(i % pieces, pieces, w);
        let first = (image * h + rows.start) * w + columns.start;
        Block { image, rows, columns, first, output_is_near: false }
    }
}
