//! Groups of panels of output channels, which go through the last stages together, and how threads share
//! them.

use super::Problem;
use crate::simd::PANEL;
use crate::{Context, DisjointMut};

/// Panels of output channels that go through the last stages together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) first: usize,
    pub(super) panels: usize,
}

impl Group {
    /// Channels of the group, padded.
    pub(super) const fn channels(&self) -> usize {
        self.panels * PANEL
    }
}

/// Threads that have work space for groups of their own, and parts of equal size that the panels then have.
const LANES: usize = 2;

/// Panels of such a group: a pair makes the widest register tiles.
const PAIR: usize = 2;

impl Problem {
    /// The panels from `first` on, at most `most`, whose transformed weights are one group's.
    fn group_at(&self, first: usize, most: usize) -> Group {
        let end = (first / self.group + 1) * self.group;
        Group { first, panels: most.min(end.min(self.panels()) - first) }
    }

    /// Whether [`LANES`] threads have groups of their own: if all have about as many panels.
    const fn has_lanes(&self) -> bool {
        let (panels, most) = (self.panels(), self.panels().div_ceil(LANES));
        panels >= LANES * PAIR && 8 * LANES * most <= 9 * panels
    }

    /// Elements of work space for transformed outputs of `images` images.
    pub(super) const fn outputs_work(&self, images: usize) -> usize {
        let (group, pairs) = self.sizes();
        larger(self.output_points(images, group), pairs * self.output_points(images, PAIR))
    }

    /// Elements of work space for transformed gradients of the outputs of `images` images, and of the weights.
    pub(super) const fn gradients_work(&self, images: usize) -> usize {
        let (group, pairs) = self.sizes();
        let whole = self.output_points(images, group) + self.group_points(group);
        larger(whole, pairs * (self.output_points(images, PAIR) + self.group_points(PAIR)))
    }

    /// Panels of the first group, which no other exceeds, and pairs that threads have at a time.
    const fn sizes(&self) -> (usize, usize) {
        let group = if self.group < self.panels() { self.group } else { self.panels() };
        (group, if self.has_lanes() { LANES } else { 0 })
    }
}

const fn larger(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

/// Calls `stages` for groups with all panels of output channels, each with work space.
///
/// Either a thread takes a pair of panels through all stages, so that no other reads what it wrote; or the
/// threads share each stage of each group.
pub(super) fn for_each_group(
    cx: &Context,
    problem: &Problem,
    images: usize,
    work: &mut [f32],
    stages: impl Fn(&Context, Group, &mut [f32]) + Sync,
) {
    let panels = problem.panels();
    if cx.threads() != LANES || !problem.has_lanes() {
        let mut first = 0;
        while first < panels {
            let group = problem.group_at(first, panels);
            stages(cx, group, work);
            first += group.panels;
        }
        return;
    }
    let products = problem.tiling.points() * images * problem.tiles() * problem.ci;
    let (alone, len) = (Context::sequential(cx.isa()), work.len() / LANES);
    let work = DisjointMut::new(work);
    let pairs = panels.div_ceil(LANES).div_ceil(PAIR);
    cx.for_each_on(LANES * pairs, products * panels * PANEL, |thread, task| {
        // SAFETY: each thread has its own part.
        let work = unsafe { work.part(thread * len..(thread + 1) * len) };
        let (lane, pair) = (task / pairs, task % pairs);
        let lane_end = (lane + 1) * panels / LANES;
        let mut first = lane * panels / LANES + pair * PAIR;
        let end = lane_end.min(first + PAIR);
        while first < end {
            let group = problem.group_at(first, end - first);
            stages(&alone, group, work);
            first += group.panels;
        }
    });
}
