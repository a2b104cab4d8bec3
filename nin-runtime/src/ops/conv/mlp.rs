//! The forward pass of an mlpconv layer: a convolution and the pointwise layers after it, block by block.
//!
//! The authors of Network in Network call it a small network that slides over the input. So it is computed: a
//! block of pixels goes through all layers before the next one, what lies between these stays in the near caches,
//! and threads meet once.

use super::direct::{BLOCK, Block, Blocks};
use super::{ConvShape, Forward, LANES, Source, larger};
use crate::simd::{Isa, padded};
use crate::{Context, DisjointMut};

/// Elements between two layers that a block may have in any case: 16 KiB.
const LEAST: usize = 1 << 12;

/// A pointwise layer that reads what the one before it has computed for some pixels.
#[derive(Clone, Copy, Debug)]
pub struct Pointwise<'a> {
    /// Its geometry.
    pub shape: &'a ConvShape,
    /// Its weights in the arena.
    pub weights: &'a [f32],
    /// One value an output channel, padded.
    pub bias: &'a [f32],
    /// Whether negative outputs become zero.
    pub relu: bool,
}

impl ConvShape {
    /// Elements of work space that `next`, pointwise layers, take if they are computed with this one, whose blocks
    /// have at least so many `pixels`.
    #[must_use]
    pub const fn mlp_work(&self, next: &[&Self], pixels: usize) -> usize {
        let (mut i, mut weights, mut channels) = (0, 0, padded(self.co));
        while i < next.len() {
            weights = larger(weights, next[i].weights_len());
            if i + 1 < next.len() {
                channels = larger(channels, padded(next[i].co));
            }
            i += 1;
        }
        LANES * places(next.len()) * place(weights, channels * pixels)
    }
}

/// How many layers' outputs are kept at a time, of those before the last one's.
const fn places(next: usize) -> usize {
    if next < 2 { next } else { 2 }
}

/// Elements that a block may have of each, if no layer after the first has more weights and none before the last
/// more elements in the smallest block: as many as weights, so that reading these takes no longer, but no more than
/// stay in the second cache.
const fn place(weights: usize, smallest: usize) -> usize {
    let (least, most) = (larger(LEAST, smallest), larger(BLOCK, smallest));
    let place = larger(weights, least);
    if place < most { place } else { most }
}

/// A layer that is computed block by block.
pub(super) trait InBlocks: Sync {
    /// Its geometry.
    fn shape(&self) -> &ConvShape;
    /// The images.
    fn images(&self) -> usize;
    /// The smallest block's pixels, and its elements of work space.
    fn smallest(&self) -> (usize, usize);
    /// Blocks with at most so many pixels, each of which has so many elements of work space: at least as many blocks
    /// as `shares`, as far as the smallest are.
    fn blocks(&self, pixels: usize, strip: usize, shares: usize) -> Blocks;
    /// Computes a block.
    fn compute(&self, isa: Isa, block: &Block, strip: &mut [f32], y: &mut [f32]);
}

/// Computes a layer and the pointwise ones after it. `strips` is the first one's work space, `between` that of
/// [`mlp_work`](ConvShape::mlp_work).
///
/// # Panics
/// If layers do not fit each other, or a slice does not have the length that the geometries say.
pub(super) fn run(
    cx: &Context,
    first: &dyn InBlocks,
    next: &[Pointwise<'_>],
    y: &mut [f32],
    (strips, between): (&mut [f32], &mut [f32]),
) {
    let n = first.images();
    let last = check(first.shape(), n, next, y);
    if n == 0 {
        return;
    }
    let co = padded(first.shape().co);
    let hidden = &next[..next.len().saturating_sub(1)];
    let channels = hidden.iter().map(|layer| padded(layer.shape.co)).fold(co, usize::max);
    let weights = next.iter().map(|layer| layer.weights.len()).fold(0, usize::max);
    let (pixels, least) = first.smallest();
    let (places, room) = (places(next.len()), LANES * place(weights, channels * pixels));
    let (got, needed) = (between.len(), places * room);
    assert!(got >= needed, "{got} elements between layers, {needed} are needed");
    // Threads share the work space: with more of them blocks are smaller.
    let fitting = |len: usize, each: usize| len.checked_div(each).unwrap_or(usize::MAX);
    let lanes =
        fitting(strips.len(), least).min(fitting(between.len(), places * channels * pixels));
    let lanes = cx.threads().min(lanes);
    let strip = strips.len() / lanes;
    // One thread alone has the room of all.
    let place = fitting(between.len(), places * lanes).min(room);
    let pixels = if next.is_empty() { usize::MAX } else { place / channels };
    let blocks = first.blocks(pixels, strip, lanes);
    let count = blocks.count();
    // A thread that is done takes over from one that is late, unless work space is for fewer.
    let has_own = lanes == cx.threads() && lanes > 1;
    let tasks = if has_own { 2 * lanes } else { lanes }.min(count);
    let macs = next.iter().fold(first.shape().macs(), |macs, layer| macs + layer.shape.macs());
    let (y, strips, between) =
        (DisjointMut::new(y), DisjointMut::new(strips), DisjointMut::new(between));
    cx.for_each_on(tasks, n.saturating_mul(macs), |thread, task| {
        let lane = if has_own { thread } else { task };
        // SAFETY: each lane has its own part of the work space: a thread's tasks, or else a task.
        let (strip, between) = unsafe {
            let of = |len: usize| lane * len..(lane + 1) * len;
            (strips.part(of(strip)), between.part(of(if places > 0 { places * place } else { 0 })))
        };
        for block in task * count / tasks..(task + 1) * count / tasks {
            let block = blocks.get(block);
            // SAFETY: blocks do not overlap.
            let y = unsafe { y.part(block.of(padded(last.co))) };
            let Some((last, hidden)) = next.split_last() else {
                first.compute(cx.isa(), &block, strip, y);
                continue;
            };
            let (mut from, mut to) = between.split_at_mut(place);
            let pixels = block.pixels();
            first.compute(cx.isa(), &block, strip, &mut from[..pixels * co]);
            for layer in hidden {
                layer.compute(cx.isa(), &Block::of_row(pixels, true), from, to);
                core::mem::swap(&mut from, &mut to);
            }
            last.compute(cx.isa(), &Block::of_row(pixels, false), from, y);
        }
    });
}

impl Pointwise<'_> {
    /// Computes the pixels of a block, which `x` and `y` start with.
    fn compute(&self, isa: Isa, block: &Block, x: &[f32], y: &mut [f32]) {
        let shape = self.shape.with_row_of(block.pixels());
        let x = Source::Activations(&x[..shape.input_len()]);
        let pass = Forward { shape: &shape, n: 1, x, bias: self.bias, relu: self.relu };
        let y = &mut y[..shape.output_len()];
        pass.block(isa, &shape, block, self.weights, &mut [], y);
    }
}

/// Checks that the layers fit each other and the output, and gives the last one's geometry.
fn check<'a>(first: &'a ConvShape, n: usize, next: &[Pointwise<'a>], y: &[f32]) -> &'a ConvShape {
    let mut last = first;
    for Pointwise { shape, weights, bias, .. } in next {
        assert!(shape.is_pointwise(), "{shape:?} is not pointwise");
        assert_eq!((shape.ci, shape.input), (last.co, last.output()), "after {last:?}");
        assert_eq!(weights.len(), shape.weights_len(), "weights of {shape:?}");
        assert_eq!(bias.len(), shape.bias_len(), "bias of {shape:?}");
        last = shape;
    }
    assert_eq!(Some(y.len()), n.checked_mul(last.output_len()), "output of {last:?}");
    last
}

#[cfg(all(test, feature = "std"))]
mod tests;
