//! The two halves of a group of images, which go through a pass of training apart from each other.
//!
//! Two threads take a half each, and meet only where a gradient is summed over all images: what one has written,
//! the other seldom has to read. A thread that is done early aids the other. With any other number of threads the
//! halves go one after the other, and the threads share each layer. A group has the same halves on any number of
//! threads, and so all sums the same order.

use super::Loss;
use crate::{Context, DisjointMut};
use core::ops::Range;

/// Halves of a group.
pub const LANES: usize = 2;

/// A group of images in its lanes, with the memory of each.
pub struct Lanes<'a> {
    parts: [Part<'a>; LANES],
    brief: &'a mut [f32],
    /// The sums of the second lane; the first one's are the gradients themselves.
    sums: &'a mut [f32],
}

/// What is one lane's own.
struct Part<'a> {
    number: usize,
    first: usize,
    images: &'a [&'a [f32]],
    labels: &'a [u8],
    memory: &'a mut [f32],
    loss: Loss,
}

/// A lane's images and memory, while it goes through some layers.
pub struct Lane<'a> {
    /// Its number, from 0.
    pub number: usize,
    /// The place of its first image in the group.
    pub first: usize,
    /// Its images, planar.
    pub images: &'a [&'a [f32]],
    /// Their labels.
    pub labels: &'a [u8],
    /// [`TRAIN_IMAGE`](super::Trainable::TRAIN_IMAGE) elements for each image, by the memory plan.
    pub memory: &'a mut [f32],
    /// [`TRAIN_BRIEF`](super::Trainable::TRAIN_BRIEF) elements, by the memory plan.
    pub brief: &'a mut [f32],
    /// Work space.
    pub work: &'a mut [f32],
    /// The gradients that it sums for itself: of the first lane in the arena, of the second in a space of their own.
    pub gradients: &'a mut [f32],
    /// The losses of its images.
    pub loss: &'a mut Loss,
}

/// A lane's images and what has been computed of them.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// Its images, planar.
    pub images: &'a [&'a [f32]],
    memory: &'a [f32],
}

impl<'a> View<'a> {
    /// What the memory has of all images at a place of the memory plan.
    ///
    /// # Panics
    /// If the place lies outside.
    #[must_use]
    pub fn region(self, place: Range<usize>) -> &'a [f32] {
        let n = self.images.len();
        &self.memory[n * place.start..n * place.end]
    }
}

impl<'a> Lanes<'a> {
    /// The lanes of a group whose labels are as many as its images. Memory and brief are those of both lanes.
    pub(super) fn new(
        (images, labels): (&'a [&'a [f32]], &'a [u8]),
        memory: &'a mut [f32],
        brief: &'a mut [f32],
        sums: &'a mut [f32],
    ) -> Self {
        let (n, half) = (images.len(), images.len().div_ceil(LANES));
        let (first_images, images) = images.split_at(half);
        let (first_labels, labels) = labels.split_at(half);
        let (first_memory, memory) = memory.split_at_mut(memory.len() / n.max(1) * half);
        let loss = Loss::default();
        let first = Part {
            number: 0,
            first: 0,
            images: first_images,
            labels: first_labels,
            memory: first_memory,
            loss,
        };
        let second = Part { number: 1, first: half, images, labels, memory, loss };
        Self { parts: [first, second], brief, sums }
    }

    /// Takes each lane that has images through some layers: two threads at the same time, with half of the work space
    /// each, of which the first to be done aids the other. `gradients` is the arena.
    pub fn each(
        &mut self,
        cx: &Context,
        work: &mut [f32],
        gradients: &mut [f32],
        layers: impl Fn(&Context, Lane<'_>) + Sync,
    ) {
        let Self { parts, brief, sums } = self;
        let mut gradients = [gradients, sums];
        if cx.threads() != LANES || parts.iter().any(|part| part.images.is_empty()) {
            for (part, gradients) in parts.iter_mut().zip(gradients) {
                if !part.images.is_empty() {
                    layers(cx, part.lane(brief, work, gradients));
                }
            }
            return;
        }
        let (brief_len, work_len) = (brief.len() / LANES, work.len() / LANES);
        let [brief, work] = [&mut **brief, work].map(DisjointMut::new);
        let (parts, gradients) = (DisjointMut::new(parts), DisjointMut::new(&mut gradients));
        cx.for_each_lane(LANES, |cx, lane| {
            // SAFETY: each lane has its own part of everything.
            let (part, brief, work, gradients) = unsafe {
                (
                    &mut parts.part(lane..lane + 1)[0],
                    brief.part(lane * brief_len..(lane + 1) * brief_len),
                    work.part(lane * work_len..(lane + 1) * work_len),
                    &mut gradients.part(lane..lane + 1)[0],
                )
            };
            layers(cx, part.lane(brief, work, gradients));
        });
    }

    /// The lanes' images and what has been computed of them.
    #[must_use]
    pub fn views(&self) -> [View<'_>; LANES] {
        self.parts.each_ref().map(|Part { images, memory, .. }| View { images, memory })
    }

    /// The losses of all images.
    #[must_use]
    pub fn loss(&self) -> Loss {
        let [first, second] = self.parts.each_ref().map(|part| part.loss);
        Loss { sum: first.sum + second.sum, correct: first.correct + second.correct }
    }
}

impl Part<'_> {
    fn lane<'a>(
        &'a mut self,
        brief: &'a mut [f32],
        work: &'a mut [f32],
        gradients: &'a mut [f32],
    ) -> Lane<'a> {
        let Self { number, first, images, labels, memory, loss } = self;
        let (number, first) = (*number, *first);
        Lane { number, first, images, labels, memory, brief, work, gradients, loss }
    }
}

/// The one of two things that is for the lane of this number.
pub fn of_lane<T>(number: usize, [first, second]: [T; LANES]) -> T {
    if number == 0 { first } else { second }
}

#[cfg(all(test, feature = "parallel"))]
mod tests {
    use super::*;

    /// Counts the images of lanes whose memory has a number for each, on so many threads; gives the sums of each
    /// lane and the most work space that a lane had.
    fn count(n: usize, threads: usize) -> ([f32; LANES], usize) {
        let (pixels, labels) = ([7.0; 3], vec![1; n]);
        let images: Vec<&[f32]> = vec![&pixels; n];
        let mut memory: Vec<f32> = (0..2 * n).map(|i| (i / 2) as f32).collect();
        let (mut brief, mut work) = ([0.0; 2], [0.0; 8]);
        let (mut arena, mut sums) = ([0.0; 1], [0.0; 1]);
        let most = std::sync::atomic::AtomicUsize::new(0);
        let mut lanes = Lanes::new((&images, &labels), &mut memory, &mut brief, &mut sums);
        let cx = Context::with_threads(crate::simd::Isa::get(), threads);
        for _ in 0..2 {
            lanes.each(&cx, &mut work, &mut arena, |_, lane| {
                assert_eq!(lane.memory.len(), 2 * lane.images.len());
                assert_eq!(lane.labels.len(), lane.images.len());
                for (i, pair) in lane.memory.chunks(2).enumerate() {
                    assert_eq!(pair, [(lane.first + i) as f32; 2]);
                    lane.gradients[0] += 1.0;
                }
                (lane.brief[0], lane.work[0]) = (1.0, 1.0);
                *lane.loss = Loss { sum: lane.images.len() as f64, correct: 1 };
                most.fetch_max(lane.work.len(), std::sync::atomic::Ordering::Relaxed);
            });
        }
        assert_eq!(lanes.loss(), Loss { sum: n as f64, correct: n.min(LANES) });
        let views = lanes.views();
        assert_eq!(views.iter().map(|lane| lane.region(0..1).len()).sum::<usize>(), n);
        ([arena[0], sums[0]], most.into_inner())
    }

    #[test]
    fn every_image_goes_through_its_lane_on_any_number_of_threads() {
        for threads in [1, 2, 3] {
            for (n, [first, second]) in [(1, [2.0, 0.0]), (2, [2.0, 2.0]), (7, [8.0, 6.0])] {
                let (sums, work) = count(n, threads);
                assert_eq!(sums, [first, second], "{n} images on {threads} threads");
                // Lanes that go one after the other have all of it.
                assert_eq!(work, if threads == 2 && n > 1 { 4 } else { 8 });
            }
        }
    }
}
