//! The forward pass of an mlpconv layer: a convolution by direct sums, and the pointwise layers after it, block
//! by block.
//!
//! The authors of Network in Network call it a small network that slides over the input. So it is computed: a
//! block of pixels goes through all layers before the next one, what lies between these stays in the near caches,
//! and threads meet once.

use super::super::{ConvShape, Forward, Source};
use super::BLOCK;
use super::forward::{Block, Blocks, larger};
use crate::simd::{Element, padded};
use crate::{Context, DisjointMut};

/// Elements between two layers that a block may have in any case: 16 KiB, a part of the first cache.
const LEAST: usize = 1 << 12;

/// Threads that have blocks of full size.
const LANES: usize = 2;

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
    /// Elements of work space that this layer and `next`, pointwise ones, take as one
    /// [`mlp`](Forward::mlp), besides [`direct_work`](Self::direct_work).
    #[must_use]
    pub const fn mlp_work(&self, next: &[&Self]) -> usize {
        let (mut i, mut weights, mut channels) = (0, 0, padded(self.co));
        while i < next.len() {
            weights = larger(weights, next[i].weights_len());
            if i + 1 < next.len() {
                channels = larger(channels, padded(next[i].co));
            }
            i += 1;
        }
        LANES * places(next.len()) * place(weights, channels)
    }
}

/// How many layers' outputs are kept at a time, of those before the last one's.
const fn places(next: usize) -> usize {
    if next < 2 { next } else { 2 }
}

/// Elements that a block may have of each, if no layer after the first has more weights and none before the last
/// more channels: as many as weights, so that reading these takes no longer, but no more than stay in the second
/// cache.
const fn place(weights: usize, channels: usize) -> usize {
    let (least, most) = (larger(LEAST, channels), larger(BLOCK, channels));
    let place = larger(weights, least);
    if place < most { place } else { most }
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
        let last = self.check_mlp(weights, next, y);
        if self.n == 0 {
            return;
        }
        let (n, shape) = self.flattened();
        let channels = next[..next.len() - 1].iter().map(|layer| padded(layer.shape.co));
        let channels = channels.fold(padded(shape.co), usize::max);
        let largest = next.iter().map(|layer| layer.weights.len()).fold(0, usize::max);
        let places = places(next.len());
        let (strips, between) = work.split_at_mut(self.shape.direct_work::<X>(self.n));
        // Threads share the work space: with more of them blocks are smaller.
        let lanes = cx.threads().min(between.len() / (places * channels));
        let lanes =
            if strips.is_empty() { lanes } else { lanes.min(strips.len() / shape.window_len()) };
        assert!(lanes > 0, "{} elements between layers are too few", between.len());
        let strip = (strips.len() / lanes).min(larger(BLOCK, shape.window_len()));
        let size = if strip == 0 { BLOCK } else { strip };
        let place = place(largest, channels).min(between.len() / (places * lanes));
        let blocks = Blocks::new(&shape, n, (size, place / channels), lanes);
        let count = blocks.count();
        let lanes = lanes.min(count);
        let macs = next.iter().fold(shape.macs(), |macs, layer| macs + layer.shape.macs());
        let (y, strips, between) =
            (DisjointMut::new(y), DisjointMut::new(strips), DisjointMut::new(between));
        cx.for_each(lanes, self.n * macs, |lane| {
            // SAFETY: each lane has its own part of the work space.
            let (strip, between) = unsafe {
                let of = |len: usize| lane * len..(lane + 1) * len;
                (strips.part(of(strip)), between.part(of(places * place)))
            };
            for block in lane * count / lanes..(lane + 1) * count / lanes {
                let block = blocks.get(block);
                // SAFETY: blocks do not overlap.
                let y = unsafe { y.part(block.of(padded(last.co))) };
                let (mut from, mut to) = between.split_at_mut(place);
                let pixels = block.pixels();
                let to_first = &mut from[..pixels * padded(shape.co)];
                self.block(cx.isa(), &shape, &block, weights, strip, to_first, false);
                for (i, layer) in next.iter().enumerate() {
                    let shape = layer.shape.with_row_of(pixels);
                    let x = Source::Activations(&from[..shape.input_len()]);
                    let (bias, relu) = (layer.bias, layer.relu);
                    let pass = Forward { shape: &shape, n: 1, x, bias, relu };
                    let is_last = i + 1 == next.len();
                    let y = if is_last { &mut *y } else { &mut to[..shape.output_len()] };
                    pass.block(cx.isa(), &shape, &Block::of_row(pixels), layer.weights, &mut [], y, true);
                    core::mem::swap(&mut from, &mut to);
                }
            }
        });
    }

    /// Checks the lengths of all operands, and gives the last layer's geometry.
    fn check_mlp<'a>(
        &'a self,
        weights: &[f32],
        next: &[Pointwise<'a>],
        y: &[f32],
    ) -> &'a ConvShape {
        self.x.check(self.n, self.shape);
        assert_eq!(weights.len(), self.shape.weights_len(), "weights of {:?}", self.shape);
        assert_eq!(self.bias.len(), self.shape.bias_len(), "bias of {:?}", self.shape);
        let mut last = self.shape;
        for Pointwise { shape, weights, bias, .. } in next {
            assert!(shape.is_pointwise(), "{shape:?} is not pointwise");
            assert_eq!((shape.ci, shape.input), (last.co, last.output()), "after {last:?}");
            assert_eq!(weights.len(), shape.weights_len(), "weights of {shape:?}");
            assert_eq!(bias.len(), shape.bias_len(), "bias of {shape:?}");
            last = shape;
        }
        assert!(!next.is_empty(), "an mlpconv layer has pointwise layers");
        assert_eq!(Some(y.len()), self.n.checked_mul(last.output_len()), "output of {last:?}");
        last
    }
}
