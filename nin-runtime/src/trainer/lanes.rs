//! The two halves of a group of images, which go through a pass of training apart from each other.
//!
//! Two threads take a half each, and meet only where a gradient is summed over all images: what one has written,
//! the other seldom has to read. With any other number of threads the halves go one after the other, and the threads
//! share each layer. A group has the same halves on any number of threads, and so all sums the same order.

use super::Loss;
use crate::{Context, DisjointMut};
use core::ops::Range;

/// Halves of a group.
pub const LANES: usize = 2;

/// A group of images in its lanes, with the memory of each.
pub struct Lanes<'a> {
    parts: [Part<'a>; LANES],
}

/// What is one lane's own.
struct Part<'a> {
    first: usize,
    images: &'a [&'a [f32]],
    labels: &'a [u8],
    memory: &'a mut [f32],
    brief: &'a mut [f32],
    gradients: &'a mut [f32],
    loss: Loss,
}

/// A lane's images and memory, while it goes through some layers.
pub struct Lane<'a> {
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
    /// The gradients that each lane sums for itself.
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

impl View<'_> {
    /// What the memory has of all images at a place of the memory plan.
    ///
    /// # Panics
    /// If the place lies outside.
    #[must_use]
    pub fn region(&self, place: Range<usize>) -> &[f32] {
        let n = self.images.len();
        &self.memory[n * place.start..n * place.end]
    }
}

impl<'a> Lanes<'a> {
    /// The lanes of a group whose labels are as many as its images. Memory, brief and
    /// gradients are those of both lanes.
    pub(super) fn new(
        (images, labels): (&'a [&'a [f32]], &'a [u8]),
        memory: &'a mut [f32],
        brief: &'a mut [f32],
        gradients: &'a mut [f32],
    ) -> Self {
        let (n, half) = (images.len(), images.len().div_ceil(LANES));
        let (first_images, images) = images.split_at(half);
        let (first_labels, labels) = labels.split_at(half);
        let (first_memory, memory) = memory.split_at_mut(memory.len() / n.max(1) * half);
        let (first_brief, brief) = brief.split_at_mut(brief.len() / LANES);
        let (first_gradients, gradients) = gradients.split_at_mut(gradients.len() / LANES);
        let part = |first, images, labels, memory, brief, gradients| Part {
            first,
            images,
            labels,
            memory,
            brief,
            gradients,
            loss: Loss::default(),
        };
        Self {
            parts: [
                part(0, first_images, first_labels, first_memory, first_brief, first_gradients),
                part(half, images, labels, memory, brief, gradients),
            ],
        }
    }

    /// Takes each lane that has images through some layers, with a part of the work space: two threads at the same time.
    pub fn each(
        &mut self,
        cx: &Context,
        work: &mut [f32],
        layers: impl Fn(&Context, Lane<'_>) + Sync,
    ) {
        let is_shared = self.parts.iter().all(|part| !part.images.is_empty());
        let (len, work) = (work.len() / LANES, DisjointMut::new(work));
        let parts = DisjointMut::new(&mut self.parts);
        let run = |cx: &Context, lane: usize| {
            // SAFETY: each lane is run once, and has its own part of both.
            let (part, work) = unsafe {
                (&mut parts.part(lane..lane + 1)[0], work.part(lane * len..(lane + 1) * len))
            };
            let Part { first, images, labels, memory, brief, gradients, loss } = part;
            if images.is_empty() {
                return;
            }
            let first = *first;
            layers(cx, Lane { first, images, labels, memory, brief, work, gradients, loss });
        };
        if cx.threads() == LANES && is_shared {
            let alone = Context::sequential(cx.isa());
            cx.for_each(LANES, usize::MAX, |lane| run(&alone, lane));
        } else {
            (0..LANES).for_each(|lane| run(cx, lane));
        }
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
