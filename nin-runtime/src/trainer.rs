//! Training: the generated passes, the gradients' arena and the optimizer, one step at a time.

use crate::masters::Masters;
use crate::network::{MAX_TOGETHER, Network, ReadAs, with_references};
use crate::simd::FlushDenormals;
use crate::threads::Pace;
use crate::{AnyOptimizer, Buffer, Context, DisjointMut, Error, Optimizer, Result, cross_entropy};
use core::marker::PhantomData;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering};

mod lanes;
pub use lanes::{LANES, Lane, Lanes, View, of_lane};

/// A net with a backward pass. Only generated code implements it.
pub trait Trainable: Network {
    /// Images whose activations are kept at the same time; a batch goes through in such groups.
    const GROUP: usize;
    /// Activations and gradients of one image, as so many `f32`.
    const TRAIN_IMAGE: usize;
    /// Gradients of one image that each lane needs for an image at a time, as so many `f32`.
    const TRAIN_BRIEF: usize;
    /// Elements of work space for a group.
    const TRAIN_WORK: usize;
    /// The parts of the arena whose gradients each lane sums for itself, in their order.
    const LANE_SUMS: &'static [Range<usize>];
    /// Elements of the weights that the gradients of activations read.
    const TRANSPOSED: usize;

    /// Rearranges or transforms the weights that the gradients of activations read.
    fn transpose(cx: &Context, params: &[Self::Store], transposed: &mut [f32]);
    /// Adds the gradients of a group of images to `pass.gradients`, and to the second lane's own.
    fn train(cx: &Context, pass: Pass<'_, Self::Store>) -> Loss;
}

/// The operands of one training pass over a group of images, for parameters that are kept as `T`.
pub struct Pass<'a, T> {
    /// The images, their labels, which have been checked, and memory for what is computed of them.
    pub lanes: Lanes<'a>,
    /// 1 / the batch's size.
    pub scale: f32,
    /// The seed of dropout.
    pub seed: u64,
    /// A number that no other pass of this training has.
    pub number: u64,
    /// The arena of parameters.
    pub params: &'a [T],
    /// The transformed weights of the forward pass.
    pub prepared: &'a [f32],
    /// The weights that the gradients of activations read.
    pub transposed: &'a [f32],
    /// Work space.
    pub work: &'a mut [f32],
    /// The arena of gradients; what the second lane sums for itself is added later.
    pub gradients: &'a mut [f32],
}

/// The losses of some images.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Loss {
    /// The sum of their cross-entropies.
    pub sum: f64,
    /// How many of them have their label's logit as the largest.
    pub correct: usize,
}

impl Loss {
    /// The losses of images with these logits, and their gradients: rows of `classes` values.
    #[must_use]
    pub fn of(
        logits: &[f32],
        labels: &[u8],
        classes: usize,
        scale: f32,
        dlogits: &mut [f32],
    ) -> Self {
        let rows = logits.chunks_exact(classes).zip(dlogits.chunks_exact_mut(classes));
        let mut loss = Self::default();
        for ((logits, dlogits), &label) in rows.zip(labels) {
            let label = usize::from(label);
            loss.sum += f64::from(cross_entropy(logits, label, scale, dlogits));
            loss.correct += usize::from(logits.iter().all(|&z| z <= logits[label]));
        }
        loss
    }
}

/// Trains a net of type `N` on batches of at most `BATCH` images.
///
/// It owns all that training needs besides the net: gradients, the optimizer's state, activations, and
/// the parameters in `f32` if the net keeps them narrower.
/// After it is made, nothing allocates.
pub struct Trainer<N, const BATCH: usize> {
    optimizer: AnyOptimizer,
    seed: u64,
    passes: u64,
    correct: usize,
    masters: Masters,
    gradients: Buffer,
    lane_sums: Buffer,
    state: Buffer,
    transposed: Buffer,
    memory: Buffer,
    brief: Buffer,
    work: Buffer,
    pace: Pace,
    net: PhantomData<fn(N)>,
}

impl<N: Trainable, const BATCH: usize> Trainer<N, BATCH> {
    /// Images whose activations are kept at the same time.
    const GROUP: usize = {
        assert!(BATCH > 0, "a batch has at least one image");
        assert!(N::GROUP > 0 && N::GROUP <= MAX_TOGETHER, "the compiler's plan holds to this");
        if BATCH < N::GROUP { BATCH } else { N::GROUP }
    };

    /// Elements of the gradients that the second lane sums for itself.
    const LANE_SUMS: usize = {
        let (mut sum, mut i) = (0, 0);
        while i < N::LANE_SUMS.len() {
            sum += N::LANE_SUMS[i].end - N::LANE_SUMS[i].start;
            i += 1;
        }
        sum
    };

    /// The bytes that a trainer with the optimizer `O` takes from the allocator.
    #[must_use]
    pub const fn bytes<O: Optimizer>() -> usize {
        Buffer::allocated_bytes(Masters::len::<N::Store>(N::ARENA))
            + Buffer::allocated_bytes(N::ARENA)
            + Buffer::allocated_bytes(Self::LANE_SUMS)
            + Buffer::allocated_bytes(O::STATES * N::ARENA)
            + Buffer::allocated_bytes(N::TRANSPOSED)
            + Buffer::allocated_bytes(Self::GROUP * N::TRAIN_IMAGE)
            + Buffer::allocated_bytes(LANES * N::TRAIN_BRIEF)
            + Buffer::allocated_bytes(N::TRAIN_WORK)
    }

    /// A trainer whose dropout masks follow from `seed`.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn new(optimizer: AnyOptimizer, seed: u64) -> Self {
        let states = optimizer.states();
        Self {
            optimizer,
            seed,
            passes: 1,
            correct: 0,
            masters: Masters::new::<N::Store>(N::ARENA),
            gradients: Buffer::zeros(N::ARENA),
            lane_sums: Buffer::zeros(Self::LANE_SUMS),
            state: Buffer::zeros(states * N::ARENA),
            transposed: Buffer::zeros(N::TRANSPOSED),
            memory: Buffer::zeros(Self::GROUP * N::TRAIN_IMAGE),
            brief: Buffer::zeros(LANES * N::TRAIN_BRIEF),
            work: Buffer::zeros(N::TRAIN_WORK),
            pace: Pace::default(),
            net: PhantomData,
        }
    }

    /// One step of training: forward, backward, and the optimizer's update. Returns the mean
    /// cross-entropy of the batch, from before the update.
    ///
    /// # Errors
    /// If the batch is empty or larger than `BATCH`, has not as many labels as images, a label names
    /// no class, or the loss or its gradient is not finite. Net and optimizer are then as they were.
    pub fn step<I: ReadAs<N::Image>>(
        &mut self,
        net: &mut N,
        images: &[I],
        labels: &[u8],
    ) -> Result<f32> {
        let passes = self.passes;
        let loss = self.backward(net, images, labels)?;
        if !loss.is_finite() || !self.pace.run(|cx| all_finite(cx, &self.gradients)) {
            // The next step draws the masks of dropout that this one should have used.
            self.passes = passes;
            return Err(Error::Diverged { loss });
        }
        self.apply(net);
        Ok(loss)
    }

    /// The first half of a [`step`](Self::step): the mean cross-entropy of a batch, and its gradient,
    /// for which see [`gradients`](Self::gradients). A loss that is not finite is returned as it is.
    ///
    /// # Errors
    /// If the batch is empty or larger than `BATCH`, has not as many labels as images, or a label
    /// names no class.
    pub fn backward<I: ReadAs<N::Image>>(
        &mut self,
        net: &N,
        images: &[I],
        labels: &[u8],
    ) -> Result<f32> {
        check_batch::<N>(BATCH, images.len(), labels)?;
        self.pace.start(images.len());
        let (params, prepared) = net.weights().parts();
        self.pace.run(|cx| {
            let _flush = FlushDenormals::new();
            N::transpose(cx, params, &mut self.transposed);
            for_each_part(cx, &mut self.gradients, |_, part| part.fill(0.0));
            for_each_part(cx, &mut self.lane_sums, |_, part| part.fill(0.0));
        });
        let scale = 1.0 / images.len() as f32;
        let mut total = Loss::default();
        for (images, labels) in images.chunks(Self::GROUP).zip(labels.chunks(Self::GROUP)) {
            let loss = with_references::<N, I, _>(images, |images| {
                let memory = &mut self.memory[..images.len() * N::TRAIN_IMAGE];
                let images = (images, labels);
                let pass = Pass {
                    lanes: Lanes::new(images, memory, &mut self.brief, &mut self.lane_sums),
                    scale,
                    seed: self.seed,
                    number: self.passes,
                    params,
                    prepared,
                    transposed: &self.transposed,
                    work: &mut self.work,
                    gradients: &mut self.gradients,
                };
                self.pace.run(|cx| N::train(cx, pass))
            });
            self.passes += 1;
            total.sum += loss.sum;
            total.correct += loss.correct;
        }
        self.pace.run(|cx| add_lane(cx, N::LANE_SUMS, &self.lane_sums, &mut self.gradients));
        self.correct = total.correct;
        Ok((total.sum / images.len() as f64) as f32)
    }

    /// The second half of a [`step`](Self::step): the optimizer's update by the gradients.
    pub fn apply(&mut self, net: &mut N) {
        let _flush = FlushDenormals::new();
        let Self { optimizer, masters, gradients, state, pace, .. } = self;
        pace.run(|cx| {
            net.weights_mut().change(cx, |params| {
                masters.update(cx, params, |params| optimizer.update(cx, params, gradients, state));
            });
        });
    }

    /// The gradients of the last batch, laid out as the parameters' arena; `PARAMETERS` tells the
    /// places.
    #[must_use]
    pub fn gradients(&self) -> &[f32] {
        &self.gradients
    }

    /// The gradients, to change before [`apply`](Self::apply): to sum them over machines, or to clip
    /// them. The arena's padding must stay zero.
    pub fn gradients_mut(&mut self) -> &mut [f32] {
        &mut self.gradients
    }

    /// How many images of the last batch had their label's logit as the largest.
    #[must_use]
    pub fn correct(&self) -> usize {
        self.correct
    }

    /// The learning rate of the next step.
    #[must_use]
    pub fn learning_rate(&self) -> f32 {
        self.optimizer.learning_rate()
    }

    /// Sets the learning rate of the steps that follow.
    ///
    /// # Panics
    /// If it is negative or not finite.
    pub fn set_learning_rate(&mut self, rate: f32) {
        self.optimizer.set_learning_rate(rate);
    }
}

/// Calls `f` with ranges that cover `len` elements, on all threads.
fn for_each_chunk(cx: &Context, len: usize, f: impl Fn(Range<usize>) + Sync) {
    /// 64 KiB of floats.
    const CHUNK: usize = 1 << 14;
    cx.for_each(len.div_ceil(CHUNK), len, |task| f(task * CHUNK..((task + 1) * CHUNK).min(len)));
}

/// Calls `f` with parts that cover `values`, each with its place, on all threads.
fn for_each_part(cx: &Context, values: &mut [f32], f: impl Fn(Range<usize>, &mut [f32]) + Sync) {
    let (len, values) = (values.len(), DisjointMut::new(values));
    for_each_chunk(cx, len, |chunk| {
        // SAFETY: chunks do not overlap.
        f(chunk.clone(), unsafe { values.part(chunk) });
    });
}

/// Adds the sums of the second lane to the given parts of the gradients.
fn add_lane(cx: &Context, parts: &[Range<usize>], mut sums: &[f32], gradients: &mut [f32]) {
    let _flush = FlushDenormals::new();
    for part in parts {
        let (of_part, rest) = sums.split_at(part.len());
        for_each_part(cx, &mut gradients[part.clone()], |place, gradients| {
            for (gradient, sum) in gradients.iter_mut().zip(&of_part[place]) {
                *gradient += sum;
            }
        });
        sums = rest;
    }
}

/// Whether no value is NaN or infinite, without a branch for each.
fn all_finite(cx: &Context, values: &[f32]) -> bool {
    let finite = AtomicBool::new(true);
    for_each_chunk(cx, values.len(), |chunk| {
        if !values[chunk].iter().fold(true, |all, value| all & value.is_finite()) {
            finite.store(false, Ordering::Relaxed);
        }
    });
    finite.into_inner()
}

fn check_batch<N: Network>(max: usize, images: usize, labels: &[u8]) -> Result<()> {
    if images == 0 || images > max || labels.len() != images {
        return Err(Error::Batch { max, images, labels: labels.len() });
    }
    match labels.iter().position(|&label| usize::from(label) >= N::CLASSES) {
        None => Ok(()),
        Some(position) => Err(Error::Label {
            position,
            label: usize::from(labels[position]),
            classes: N::CLASSES,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Isa;

    #[test]
    fn a_lane_is_added_to_its_parts_alone_and_gives_no_denormals() {
        let tiny = core::hint::black_box(f32::MIN_POSITIVE);
        let mut gradients = [1.0, 2.0, 3.0, 4.0, -tiny];
        let sums = [10.0, 20.0, 1.5 * tiny];
        add_lane(&Context::sequential(Isa::get()), &[0..1, 3..5], &sums, &mut gradients);
        assert_eq!(gradients, [11.0, 2.0, 3.0, 24.0, 0.0]);
    }
}
