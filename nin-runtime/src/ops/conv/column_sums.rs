//! Sums of columns: the bias gradient, where no product of the weights' gradient gives it besides.

use crate::simd::{Kernel, PANEL, Simd};
use crate::{Context, DisjointMut};

/// `db += Σ dy` over all pixels, where dy has `co` padded channels.
pub(super) fn bias_gradient(cx: &Context, co: usize, dy: &[f32], db: &mut [f32]) {
    /// Columns that are summed together: whole cache lines of a row, one after another.
    const COLUMNS: usize = 4 * PANEL;
    let work = dy.len();
    let db = DisjointMut::new(db);
    cx.for_each(co.div_ceil(COLUMNS), work, |task| {
        let first = task * COLUMNS;
        // SAFETY: each task has its own columns.
        let sums = unsafe { db.part(first..(first + COLUMNS).min(co)) };
        cx.isa().run(ColumnSums { x: dy, stride: co, first, sums });
    });
}

/// Adds the sums of a matrix's columns, from `first` on, to `sums`, of whole panels.
pub(super) struct ColumnSums<'a> {
    pub(super) x: &'a [f32],
    pub(super) stride: usize,
    pub(super) first: usize,
    pub(super) sums: &'a mut [f32],
}

impl Kernel for ColumnSums<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // Four vectors a row, then the rest one by one.
        let wide = self.sums.len() / (4 * S::LANES) * (4 * S::LANES);
        let (sums, rest) = self.sums.split_at_mut(wide);
        for (i, sums) in sums.chunks_exact_mut(4 * S::LANES).enumerate() {
            column_sums::<S, 4>(s, self.x, self.stride, self.first + i * 4 * S::LANES, sums);
        }
        for (i, sums) in rest.chunks_exact_mut(S::LANES).enumerate() {
            column_sums::<S, 1>(s, self.x, self.stride, self.first + wide + i * S::LANES, sums);
        }
    }
}

/// Adds the sums of `V` vectors of columns.
#[inline(always)]
fn column_sums<S: Simd, const V: usize>(
    s: S,
    x: &[f32],
    stride: usize,
    first: usize,
    sums: &mut [f32],
) {
    // Rows are summed in runs, so that rounding grows with the root of their number.
    const RUN: usize = 64;
    let mut totals = [s.splat(0.0); V];
    for run in x.chunks(RUN * stride) {
        let mut partial = [s.splat(0.0); V];
        for row in run.chunks_exact(stride) {
            let values = row[first..first + V * S::LANES].chunks_exact(S::LANES);
            for (sum, values) in partial.iter_mut().zip(values) {
                // SAFETY: the chunk has a register's length.
                *sum = *sum + unsafe { s.load(values.as_ptr()) };
            }
        }
        for (total, sum) in totals.iter_mut().zip(partial) {
            *total = *total + sum;
        }
    }
    for (to, total) in sums.chunks_exact_mut(S::LANES).zip(totals) {
        // SAFETY: the chunk has a register's length.
        unsafe { s.store(to.as_mut_ptr(), s.load(to.as_ptr()) + total) };
    }
}
