//! What a register tile sums, turn by turn.

use super::{Axis, Gemm, Operand};
use crate::simd::{LINE, PANEL, Simd, Vector};

/// Vectors that the widest tile has to a row; tiles with fewer leave the rest unused.
const MAX_VECTORS: usize = 4;

/// Rows that one pointer stands for. The address of each is the pointer and 0, 1 or 2 times the distance between
/// rows, which takes two registers for all pointers.
const REACH: usize = 3;

/// Pointers that the tallest tile takes.
const POINTERS: usize = 4;

/// How many products ahead operands are asked for that come from the second cache: a transposed `A`, several panels of
/// the `B` that it meets, and three of any other, which long sums do not leave in the first. Multiplications that were
/// scheduled for operands that are late cost their turns. With a transposed `A` rows of both operands may lie a power of
/// two apart, so that few of them fit in the first cache at once.
const fn lead<const UNIT_K: bool>() -> usize {
    if UNIT_K { 8 } else { 6 }
}

/// Where vector `j` of a row stands in panels that are `panel` elements apart.
#[inline(always)]
pub(super) const fn column<S: Simd>(j: usize, panel: usize) -> usize {
    (j * S::LANES / PANEL) * panel + j * S::LANES % PANEL
}

/// The sums of a tile.
pub(super) struct Sums<S: Simd, const R: usize> {
    pub(super) rows: [[S::V; MAX_VECTORS]; R],
    pub(super) columns: [S::V; MAX_VECTORS],
}

impl<S: Simd, const R: usize> Sums<S, R> {
    #[inline(always)]
    pub(super) fn zeros(simd: S) -> Self {
        let zeros = [simd.splat(0.0); MAX_VECTORS];
        Self { rows: [zeros; R], columns: zeros }
    }
}

/// Where a tile's next values lie.
pub(super) struct Operands<T> {
    a: [*const f32; POINTERS],
    a_row: usize,
    a_step: usize,
    b: *const T,
    b_panel: usize,
    b_step: usize,
    /// What is asked for next of the next tile's rows.
    next: *const f32,
}

impl<T: Operand> Operands<T> {
    /// Those of the first product of a tile whose first row of `A` is `a`, and whose first panel is this one.
    #[inline(always)]
    pub(super) fn new<const R: usize, const UNIT_K: bool>(
        gemm: &Gemm<'_, T>,
        a: *const f32,
        panel: usize,
    ) -> Self {
        let inner = gemm.sum[2];
        let (a_row, b_panel) = if UNIT_K { (gemm.a_rows.1, gemm.b_panel) } else { (1, PANEL) };
        let (a_step, b_step) = if UNIT_K { (1, PANEL) } else { (inner.a, inner.b) };
        let mut operands = Self {
            a: core::array::from_fn(|i| a.wrapping_add(i * REACH * a_row)),
            a_row,
            a_step,
            b: gemm.b.wrapping_add(panel * b_panel),
            b_panel,
            b_step,
            next: a,
        };
        operands.look_below::<R>();
        operands
    }

    /// Goes to a sum's last product, and from there back.
    #[inline(always)]
    pub(super) fn reverse<const R: usize>(&mut self, sum: [Axis; 3]) {
        for axis in sum {
            self.step::<R>((axis.count - 1) * axis.a, (axis.count - 1) * axis.b);
        }
        (self.a_step, self.b_step) = (self.a_step.wrapping_neg(), self.b_step.wrapping_neg());
    }

    /// What is asked for next is the next tile's row below these.
    #[inline(always)]
    pub(super) fn look_below<const R: usize>(&mut self) {
        self.next = self.a[0].wrapping_add(R * self.a_row);
    }

    /// How far the next product of this loop is behind so many, modulo the size of memory.
    #[inline(always)]
    fn distance(&self, products: usize) -> (usize, usize) {
        (products.wrapping_mul(self.a_step), products.wrapping_mul(self.b_step))
    }

    /// Moves on by so many products.
    #[inline(always)]
    pub(super) fn advance<const R: usize>(&mut self, products: usize) {
        let (a, b) = self.distance(products);
        self.step::<R>(a, b);
    }

    /// Moves on. Behind the last turn values may lie outside their allocations.
    #[inline(always)]
    pub(super) fn step<const R: usize>(&mut self, a: usize, b: usize) {
        for row in &mut self.a[..R.div_ceil(REACH)] {
            *row = row.wrapping_add(a);
        }
        self.b = self.b.wrapping_add(b);
    }

    /// Asks for lines of the next tile's rows, as if rows were whole panels and left no gaps.
    #[inline(always)]
    pub(super) fn ask<S: Simd, const R: usize>(&mut self, simd: S, lines: usize) {
        for i in 0..lines {
            simd.prefetch(self.next.wrapping_add(i * LINE));
        }
        self.next = simd.afresh(self.next.wrapping_add(lines * LINE));
    }

    /// Keeps the compiler from moving other pointers along in a loop, from which it would have to find these at the end.
    #[inline(always)]
    pub(super) fn pin<S: Simd, const R: usize>(&mut self, simd: S) {
        for row in &mut self.a[..R.div_ceil(REACH)] {
            *row = simd.afresh(*row);
        }
        self.b = simd.afresh(self.b);
    }

    /// Adds the products of a row of `B`, so many turns ahead, and what it meets of `A`. Turns that are written out
    /// find theirs without moving on.
    #[expect(clippy::needless_range_loop, reason = "j is a tile's vector throughout")]
    #[inline(always)]
    pub(super) unsafe fn multiply<
        S: Simd,
        const R: usize,
        const P: usize,
        const UNIT_K: bool,
        const COLUMN_SUMS: bool,
        const ASKS_FOR_NEXT_LINES: bool,
        const ASKS_FOR_B: bool,
    >(
        &mut self,
        simd: S,
        sums: &mut Sums<S, R>,
        turn: usize,
    ) {
        let (a_turn, b_turn) = self.distance(turn);
        let (a_lead, b_lead) = self.distance(lead::<UNIT_K>());
        let vectors = P * PANEL / S::LANES;
        // SAFETY: the caller vouches for the addresses.
        unsafe {
            let mut weights = [simd.splat(0.0); MAX_VECTORS];
            for j in 0..vectors {
                let b = self.b.wrapping_add(b_turn);
                weights[j] = T::load(simd, b.add(column::<S>(j, self.b_panel)));
            }
            if !UNIT_K {
                let a = self.a[0].wrapping_add(a_turn);
                simd.prefetch(a.wrapping_add(a_lead));
                if ASKS_FOR_NEXT_LINES {
                    simd.prefetch_to_second(a.wrapping_add(LINE));
                }
            }
            if ASKS_FOR_B {
                for panel in 0..P {
                    let b = self.b.wrapping_add(b_turn + panel * self.b_panel);
                    simd.prefetch(b.wrapping_add(b_lead));
                }
            }
            if COLUMN_SUMS {
                for j in 0..vectors {
                    sums.columns[j] = sums.columns[j] + weights[j];
                }
            }
            // As a loop they would be too long for the compiler to write out.
            const { assert!(R <= 10) };
            macro_rules! rows {
                ($($i:literal)*) => {
                    $(if $i < R {
                        self.row::<S, R, P, UNIT_K, $i>(simd, sums, &weights, a_turn);
                    })*
                };
            }
            rows!(0 1 2 3 4 5 6 7 8 9);
        }
    }

    /// Adds row `I`'s products of a row of `B`.
    #[expect(clippy::needless_range_loop, reason = "j is a tile's vector throughout")]
    #[inline(always)]
    unsafe fn row<S: Simd, const R: usize, const P: usize, const UNIT_K: bool, const I: usize>(
        &mut self,
        simd: S,
        sums: &mut Sums<S, R>,
        weights: &[S::V; MAX_VECTORS],
        a_turn: usize,
    ) {
        let (base, from) = if UNIT_K { (I / REACH, I % REACH * self.a_row) } else { (0, I) };
        let next = if UNIT_K { (I + 1) / REACH } else { 0 };
        let vectors = P * PANEL / S::LANES;
        // SAFETY: the caller vouches for the addresses.
        unsafe {
            let x = simd.splat(*self.a[base].wrapping_add(a_turn).add(from));
            for j in 0..vectors {
                let sum = &mut sums.rows[I][j];
                *sum = x.mul_add(weights[j], *sum);
                if j + 1 == vectors && I + 1 < R {
                    // For a second `x` there is no register.
                    self.a[next] = simd.once_known(sum, self.a[next]);
                }
            }
        }
    }
}
