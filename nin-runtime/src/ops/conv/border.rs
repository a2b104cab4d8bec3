//! Copies with a border of zeros, so that kernels need no branch where a window hangs over.

use crate::{Context, DisjointMut};

/// Planes of rows and the border they get, all in elements.
#[derive(Clone, Copy, Debug)]
pub(super) struct Border {
    pub(super) planes: usize,
    pub(super) rows: usize,
    pub(super) row: usize,
    /// Rows before and after.
    pub(super) vertical: (usize, usize),
    /// Elements before and after each row.
    pub(super) horizontal: (usize, usize),
}

impl Border {
    /// Elements of a row with its border.
    pub(super) const fn pitch(&self) -> usize {
        self.horizontal.0 + self.row + self.horizontal.1
    }

    /// Elements of a plane with its border.
    pub(super) const fn plane(&self) -> usize {
        (self.vertical.0 + self.rows + self.vertical.1) * self.pitch()
    }

    /// Elements of one image with its border.
    pub(super) const fn len(&self) -> usize {
        self.planes * self.plane()
    }

    /// Whether there is nothing to add.
    pub(super) const fn is_empty(&self) -> bool {
        matches!((self.vertical, self.horizontal), ((0, 0), (0, 0)))
    }

    /// Copies `n` images, each given by `source`, with their borders.
    pub(super) fn copy<'a>(
        &self,
        cx: &Context,
        n: usize,
        source: impl Fn(usize) -> &'a [f32] + Sync,
        to: &mut [f32],
    ) {
        let to = DisjointMut::new(to);
        cx.for_each(n * self.planes, n * self.len(), |task| {
            let (image, plane) = (task / self.planes, task % self.planes);
            let from = &source(image)[plane * self.rows * self.row..][..self.rows * self.row];
            let start = task * self.plane();
            // SAFETY: each task has its own plane.
            self.copy_plane(from, unsafe { to.part(start..start + self.plane()) });
        });
    }

    fn copy_plane(&self, from: &[f32], to: &mut [f32]) {
        let (before, after) = (self.vertical.0 * self.pitch(), self.vertical.1 * self.pitch());
        let end = to.len() - after;
        to[..before].fill(0.0);
        to[end..].fill(0.0);
        let rows = to[before..end].chunks_exact_mut(self.pitch());
        for (from, to) in from.chunks_exact(self.row).zip(rows) {
            let (left, rest) = to.split_at_mut(self.horizontal.0);
            let (middle, right) = rest.split_at_mut(self.row);
            left.fill(0.0);
            middle.copy_from_slice(from);
            right.fill(0.0);
        }
    }
}
