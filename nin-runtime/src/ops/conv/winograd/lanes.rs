//! How threads share a convolution by Winograd's stages: what one has written, no other should have to read.
//!
//! With enough images, a thread takes some through all stages. Else a thread transforms a share of the tiles, and
//! takes a group of panels of output channels through the stages that are left.

use super::Problem;
use crate::ops::conv::{LANES, larger};
use crate::simd::{PANEL, padded};
use crate::{Context, DisjointMut};
use core::ops::Range;

/// Panels of output channels that go through the last stages together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) first: usize,
    pub(super) panels: usize,
    /// Whether the thread that multiplies has transformed all of the tiles itself.
    pub(super) has_own_tiles: bool,
}

impl Group {
    /// Channels of the group, padded.
    pub(super) const fn channels(&self) -> usize {
        self.panels * PANEL
    }
}

/// Elements of transformed inputs that take no longer to compute than to read from another thread: 64 KiB.
const CHEAP_LEN: usize = 1 << 14;

/// Panels of such a group: a pair makes the widest register tiles. So many have gradients of their transformed weights
/// at a time on any number of threads: more of these would leave the second cache before they are transformed back.
pub(super) const PAIR: usize = 2;

impl Problem {
    /// Groups of at most `most` of the given panels, whose transformed weights are one group's each.
    fn groups(
        &self,
        panels: Range<usize>,
        most: usize,
        has_own_tiles: bool,
    ) -> impl Iterator<Item = Group> {
        let (group, mut first) = (self.group, panels.start);
        core::iter::from_fn(move || {
            let end = panels.end.min((first / group + 1) * group).min(first + most);
            let group = Group { first, panels: end.checked_sub(first)?, has_own_tiles };
            first = end;
            (group.panels > 0).then_some(group)
        })
    }

    /// The panels of one of [`LANES`] threads.
    fn lane(&self, lane: usize) -> Range<usize> {
        lane * self.panels() / LANES..(lane + 1) * self.panels() / LANES
    }

    /// Whether each of [`LANES`] threads transforms all tiles of `images` images, which takes `phases` elements of
    /// work space for each, before it computes its panels: where that takes no longer than reading what another has
    /// transformed.
    pub(super) const fn has_cheap_tiles(&self, images: usize, phases: usize) -> bool {
        self.has_lanes() && phases == 0 && images * self.input_points(1) <= CHEAP_LEN
    }

    /// Multiply-adds of the products for so many images.
    const fn products(&self, images: usize) -> usize {
        self.tiling.points() * images * self.tiles() * self.ci * padded(self.co)
    }

    /// Whether [`LANES`] threads have groups of their own: if all have about as many panels.
    const fn has_lanes(&self) -> bool {
        let (panels, most) = (self.panels(), self.panels().div_ceil(LANES));
        panels >= LANES * PAIR && 8 * LANES * most <= 9 * panels
    }

    /// Images that a pass has at most, if there are enough that [`LANES`] threads have passes of their own.
    const fn images_per_own_pass(&self, n: usize) -> Option<usize> {
        let most = self.images_per_pass(n);
        if most == 0 || n.div_ceil(most) < LANES {
            return None;
        }
        Some(if most < n / LANES { most } else { n / LANES })
    }

    /// Elements of work space for all stages of `n` images or fewer, of which each takes `phases` elements besides.
    pub(super) const fn work(&self, n: usize, phases: usize) -> usize {
        let images = self.images_per_pass(n);
        let mut shared = self.pass_work(images, phases);
        if self.has_cheap_tiles(n, phases) {
            let lane = self.input_points(n) + self.output_points(n, PAIR);
            shared = larger(shared, LANES * lane);
        }
        match self.images_per_own_pass(n) {
            Some(images) => larger(shared, LANES * self.pass_work(images, phases)),
            None => shared,
        }
    }

    /// The same for the images of one pass.
    const fn pass_work(&self, images: usize, phases: usize) -> usize {
        images * phases + self.input_points(images) + self.outputs_work(images)
    }

    /// Elements of work space for transformed outputs of `images` images.
    pub(super) const fn outputs_work(&self, images: usize) -> usize {
        let (group, pairs) = self.sizes();
        larger(self.output_points(images, group), pairs * self.output_points(images, PAIR))
    }

    /// Elements of work space for transformed gradients of the outputs of `images` images, and of the weights.
    pub(super) const fn gradients_work(&self, images: usize) -> usize {
        let panels = if PAIR < self.panels() { PAIR } else { self.panels() };
        let lanes = if self.has_lanes() { LANES } else { 1 };
        lanes * (self.output_points(images, panels) + self.group_points(panels))
    }

    /// Panels of the first group, which no other exceeds, and pairs that threads have at a time.
    const fn sizes(&self) -> (usize, usize) {
        let group = if self.group < self.panels() { self.group } else { self.panels() };
        (group, if self.has_lanes() { LANES } else { 0 })
    }
}

/// Calls `pass` for images that make up all `n`, each time with work space.
///
/// Either a thread takes its images through all stages; or all threads share each pass.
pub(super) fn for_each_pass(
    cx: &Context,
    problem: &Problem,
    n: usize,
    work: &mut [f32],
    pass: impl Fn(&Context, Range<usize>, &mut [f32]) + Sync,
) {
    let own = problem.images_per_own_pass(n).filter(|_| cx.threads() == LANES);
    let Some(most) = own else {
        let most = problem.images_per_pass(n).max(1);
        for first in (0..n).step_by(most) {
            pass(cx, first..n.min(first + most), work);
        }
        return;
    };
    // As many for each thread, if there are as many images, and all of nearly one size.
    let passes = n.div_ceil(most).next_multiple_of(LANES).min(n);
    for_each_in_lanes(cx, passes, problem.products(n), work, |alone, i, work| {
        pass(alone, n * i / passes..n * (i + 1) / passes, work);
    });
}

/// Calls `stages` for groups with all panels of output channels, at most `most` at a time, each with work space.
///
/// Either a thread takes a pair of panels through all stages, so that no other reads what it wrote; or the
/// threads share each stage of each group.
pub(super) fn for_each_group(
    cx: &Context,
    problem: &Problem,
    (images, most): (usize, usize),
    work: &mut [f32],
    stages: impl Fn(&Context, Group, &mut [f32]) + Sync,
) {
    let panels = problem.panels();
    if cx.threads() != LANES || !problem.has_lanes() {
        let has_own_tiles = cx.threads() == 1;
        for group in problem.groups(0..panels, most, has_own_tiles) {
            stages(cx, group, work);
        }
        return;
    }
    let pairs = panels.div_ceil(LANES).div_ceil(PAIR);
    for_each_in_lanes(cx, LANES * pairs, problem.products(images), work, |alone, task, work| {
        let (lane, pair) = (problem.lane(task / pairs), task % pairs);
        let first = lane.start + pair * PAIR;
        for group in problem.groups(first..lane.end.min(first + PAIR), PAIR, false) {
            stages(alone, group, work);
        }
    });
}

/// Calls `stages` for [`LANES`] threads, each with the groups of its panels and with work space.
pub(super) fn for_each_lane(
    cx: &Context,
    problem: &Problem,
    images: usize,
    work: &mut [f32],
    stages: impl Fn(&Context, &mut dyn Iterator<Item = Group>, &mut [f32]) + Sync,
) {
    for_each_in_lanes(cx, LANES, problem.products(images), work, |alone, lane, work| {
        stages(alone, &mut problem.groups(problem.lane(lane), PAIR, true), work);
    });
}

/// Calls `task` for each of the tasks, of so many multiply-adds in all, on [`LANES`] threads that have a part of the work
/// space each.
fn for_each_in_lanes(
    cx: &Context,
    tasks: usize,
    products: usize,
    work: &mut [f32],
    task: impl Fn(&Context, usize, &mut [f32]) + Sync,
) {
    debug_assert_eq!(cx.threads(), LANES);
    let (alone, len) = (Context::sequential(cx.isa()), work.len() / LANES);
    let work = DisjointMut::new(work);
    cx.for_each_on(tasks, products, |thread, i| {
        // SAFETY: each thread has its own part.
        task(&alone, i, unsafe { work.part(thread * len..(thread + 1) * len) });
    });
}
