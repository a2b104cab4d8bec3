//! Copies with a border of zeros, so that kernels need no branch where a window hangs over, and as
//! `f32`, whatever the original is kept as.

use super::Source;
use crate::simd::{Element, Isa, Kernel, Simd, convert};
use crate::{Context, DisjointMut};
use core::ops::Range;

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

    /// Copies `n` images with their borders, as `f32`.
    pub(super) fn copy<X: Element>(
        &self,
        cx: &Context,
        n: usize,
        source: Source<'_, X>,
        to: &mut [f32],
    ) {
        let (inner, plane) = (self.planes * self.rows * self.row, self.plane());
        let to = DisjointMut::new(to);
        cx.for_each(n * self.planes, n * self.len(), |task| {
            let image = source.image(task / self.planes, inner);
            // SAFETY: each task has its own plane.
            let to = unsafe { to.part(task * plane..(task + 1) * plane) };
            let (rows, columns) = (0..plane / self.pitch(), 0..self.pitch());
            self.copy_part(
                cx.isa(),
                &image[task % self.planes * self.rows * self.row..],
                rows,
                columns,
                to,
            );
        });
    }

    /// Copies a part of the plane that `from` starts with, as `f32`: rows and columns are counted with
    /// the border.
    pub(super) fn copy_part<X: Element>(
        &self,
        isa: Isa,
        from: &[X],
        rows: Range<usize>,
        columns: Range<usize>,
        to: &mut [f32],
    ) {
        isa.run(CopyPart { border: self, from, rows, columns, to });
    }
}

struct CopyPart<'a, X> {
    border: &'a Border,
    from: &'a [X],
    rows: Range<usize>,
    columns: Range<usize>,
    to: &'a mut [f32],
}

impl<X: Element> Kernel for CopyPart<'_, X> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { border, from, rows, columns, to } = self;
        // Between them the part has elements of the row itself.
        let left = border.horizontal.0.clamp(columns.start, columns.end);
        let right = (border.horizontal.0 + border.row).clamp(left, columns.end);
        let first = left.saturating_sub(border.horizontal.0);
        for (y, to) in rows.zip(to.chunks_exact_mut(columns.len())) {
            let inside = y.checked_sub(border.vertical.0).filter(|y| *y < border.rows);
            let Some(y) = inside.filter(|_| left < right) else {
                to.fill(0.0);
                continue;
            };
            let (before, rest) = to.split_at_mut(left - columns.start);
            let (middle, after) = rest.split_at_mut(right - left);
            before.fill(0.0);
            convert(s, &from[y * border.row + first..][..middle.len()], middle);
            after.fill(0.0);
        }
    }
}
