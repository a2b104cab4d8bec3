//! Matrix products: the one kernel that convolutions, Winograd products and all their gradients
//! run on.
//!
//! `C = A·B`, where `C` is `rows.0·rows.1 × panels·PANEL`. No operand is packed: each is described
//! by strides, and the sum runs over a nest of three loops, so that the windows of a direct
//! convolution are addressed where they lie. What a caller gets to choose is what stays in which
//! cache: it calls with blocks of rows that fit.
//!
//! `A` is `f32`; the weights, or whatever `B` is, and `C` are kept as one [`Operand`] and are widened
//! and rounded on their way into and out of registers.
//!
//! Per element of `C` the sum has one order, outermost loop first, whatever the blocking of rows
//! and columns, and where tiles [turn back](Gemm::turns) this or the reverse. That is why results do not depend on batches
//! or threads.

mod operand;
mod prefetch;
mod sums;
mod tile;
mod zeros;

pub use operand::Operand;

use crate::simd::{Isa, Kernel, PANEL, Simd};
use prefetch::Requests;
use zeros::Skipping;

/// One loop of the sum: how often it runs, and how far `A` and `B` move with each turn.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    pub(crate) count: usize,
    pub(crate) a: usize,
    pub(crate) b: usize,
}

impl Axis {
    /// A loop that runs once.
    pub(crate) const ONCE: Self = Self { count: 1, a: 0, b: 0 };

    /// The loop from its last turn to its first.
    const fn reversed(self) -> Self {
        Self { a: self.a.wrapping_neg(), b: self.b.wrapping_neg(), ..self }
    }
}

/// Where a matrix's rows and panels lie, in elements: row `(r, i)` of panel `p` starts at
/// `r·outer + i·row + p·panel`. A row's panels are neighbours; where `A` is transposed, a panel's rows are.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    pub(crate) outer: usize,
    pub(crate) row: usize,
    pub(crate) panel: usize,
}

impl Output {
    /// How far a row and a panel of a register tile are from the next one; one of them is known in advance.
    #[inline(always)]
    const fn within_tile<const UNIT_K: bool>(self) -> (usize, usize) {
        if UNIT_K { (self.row, PANEL) } else { (PANEL, self.panel) }
    }
}

/// What happens to the sums before they are stored.
///
/// The pointer stands outside the enum: the optimizer reads it in advance, and a variant without one would leave
/// it uninitialised, which memcheck reports.
#[derive(Clone, Copy, Debug)]
pub struct Finish<T> {
    step: Step,
    operand: *const T,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Nothing,
    /// The product with a transposed `A` does this or nothing, the other one all but this.
    Accumulate,
    Bias,
    BiasAndRelu,
    Gate,
}

impl<T> Finish<T> {
    pub(crate) const NOTHING: Self = Self { step: Step::Nothing, operand: core::ptr::null() };
    /// The sums are added to what stands in `C`, by the product with a transposed `A`.
    pub(crate) const ACCUMULATE: Self = Self { step: Step::Accumulate, operand: core::ptr::null() };

    /// To every row the same one of `panels·PANEL` values is added, and what is negative then becomes zero if a
    /// `relu` follows.
    pub(crate) const fn bias(row: *const T, relu: bool) -> Self {
        Self { step: if relu { Step::BiasAndRelu } else { Step::Bias }, operand: row }
    }

    /// The sums are kept where this matrix, laid out as `C`, is positive or NaN, and are zero elsewhere.
    pub(crate) const fn gate(matrix: *const T) -> Self {
        Self { step: Step::Gate, operand: matrix }
    }
}

/// What the caller will read next, in whole cache lines, so that it comes nearer while the product is
/// computed: operands that come from memory would stall their first reader.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ahead<'a>(pub(crate) [&'a [f32]; 2]);

impl Ahead<'_> {
    pub(crate) const NOTHING: Self = Self([&[], &[]]);
}

/// A product to compute; see the module's page for the meaning of the strides.
#[derive(Clone, Copy, Debug)]
pub struct Gemm<'a, T = f32> {
    /// Outer and inner count of rows; a register tile covers inner rows.
    pub(crate) rows: (usize, usize),
    /// Panels of 16 columns.
    pub(crate) panels: usize,
    /// The sum's loops, outermost first.
    pub(crate) sum: [Axis; 3],
    pub(crate) a: *const f32,
    /// How far `A` moves with an outer and an inner row.
    pub(crate) a_rows: (usize, usize),
    pub(crate) b: *const T,
    /// How far `B` moves with a panel: by `PANEL`, if `A` is transposed.
    pub(crate) b_panel: usize,
    pub(crate) c: *mut T,
    pub(crate) output: Output,
    pub(crate) finish: Finish<T>,
    pub(crate) ahead: Ahead<'a>,
    /// Where the sums of B's columns are added to, a row of `panels·PANEL` values, or null; only the product
    /// with a transposed `A` does it.
    pub(crate) column_sums: *mut T,
    /// Whether every second tile of the product with a transposed `A` turns back: it sums from last to first, and finds
    /// near what the tile before it has read last. Which order a sum has then depends on its row and on the width of its
    /// tile: callers that share panels between products give each all rows, and let it start with a whole triple.
    pub(crate) turns: bool,
    /// Whether `C` is in the near caches, so that nobody need ask for it.
    pub(crate) c_is_near: bool,
    /// Whether neighbouring rows of `A` may be zero at many places at once, as activations behind a ReLU are and
    /// gradients before it, so that it may pay to look for these. Rows are whole panels then, a sum is one loop, and
    /// nothing is asked for ahead.
    pub(crate) has_zeros: bool,
}

impl<T: Operand> Gemm<'_, T> {
    /// Computes the product, whose innermost sum moves `A` by 1 and `B` by a panel's row.
    ///
    /// # Safety
    /// As for [`Operand::multiply`].
    pub(crate) unsafe fn run(self, isa: Isa) {
        debug_assert_eq!((self.sum[2].a, self.sum[2].b, self.output.panel), (1, PANEL, PANEL));
        debug_assert!(!matches!(self.finish.step, Step::Accumulate | Step::Gate));
        // SAFETY: the caller's promise.
        unsafe {
            match zeros::may_pay(&self) {
                true => T::multiply_skipping(isa, self),
                false => T::multiply(isa, self),
            }
        }
    }
}

impl Gemm<'_> {
    /// [`run`](Self::run) with a gate, or nothing else behind the sums, as gradients of activations have it.
    ///
    /// # Safety
    /// As for [`Operand::multiply`].
    pub(crate) unsafe fn run_gated(self, isa: Isa) {
        debug_assert_eq!((self.sum[2].a, self.sum[2].b, self.output.panel), (1, PANEL, PANEL));
        debug_assert!(matches!(self.finish.step, Step::Nothing | Step::Gate));
        if zeros::may_pay(&self) {
            isa.run(Skipping::<f32, true> {
                isa,
                gemm: self,
                all: |isa, gemm| isa.run(Gated(gemm)),
            });
        } else {
            isa.run(Gated(self));
        }
    }

    /// Computes the product, whose inner row moves `A` by 1, as gradients of weights have it.
    ///
    /// # Safety
    /// As for [`Operand::multiply`].
    pub(crate) unsafe fn run_transposed(self, isa: Isa) {
        debug_assert_eq!((self.a_rows.1, self.b_panel, self.output.row), (1, PANEL, PANEL));
        debug_assert!(matches!(self.finish.step, Step::Nothing | Step::Accumulate));
        isa.run(Transposed(self));
    }
}

impl<T: Operand> Kernel for Gemm<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // SAFETY: `Operand` and `Skipping`, the only ways here, pass their callers' promise on.
        unsafe { self.columns::<S, true, false>(simd) };
    }
}

/// The product with a gate. A kernel of its own, as is the next one, so that programs that do not train are spared
/// its part of each register tile.
struct Gated<'a>(Gemm<'a>);

impl Kernel for Gated<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // SAFETY: `Gemm::run_gated` and `Skipping`, the only ways here, pass their callers' promise on.
        unsafe { self.0.columns::<S, true, true>(simd) };
    }
}

/// The product with `A` transposed.
struct Transposed<'a>(Gemm<'a>);

impl Kernel for Transposed<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // SAFETY: `Gemm::run_transposed`, the only way here, passes its caller's promise on.
        unsafe { self.0.columns::<S, false, false>(simd) };
    }
}

impl<T: Operand> Gemm<'_, T> {
    /// Products of one sum.
    fn products(&self) -> usize {
        self.sum.iter().map(|axis| axis.count).product()
    }

    /// The loop over panels, outermost, so that those of `B` stay in the nearest cache while
    /// all rows of `A` pass.
    #[inline(always)]
    unsafe fn columns<S: Simd, const UNIT_K: bool, const GATES: bool>(&self, simd: S) {
        let mut ahead = Requests::new::<S, T, UNIT_K>(self);
        let mut panel = 0;
        while panel < self.panels {
            let width = width::<S>(self.panels - panel, self.rows.1, self.turns);
            // SAFETY: the panels are in range, so the caller's promise holds.
            unsafe {
                match width {
                    4 if S::TILE_ROWS.len() >= 4 => {
                        self.rows::<S, 4, UNIT_K, GATES>(simd, panel, &mut ahead);
                    }
                    3 if S::TILE_ROWS.len() >= 3 => {
                        self.rows::<S, 3, UNIT_K, GATES>(simd, panel, &mut ahead);
                    }
                    2 if S::TILE_ROWS.len() >= 2 => {
                        self.rows::<S, 2, UNIT_K, GATES>(simd, panel, &mut ahead);
                    }
                    _ => self.rows::<S, 1, UNIT_K, GATES>(simd, panel, &mut ahead),
                }
            }
            panel += width;
        }
    }

    /// The loop over rows.
    #[inline(always)]
    unsafe fn rows<S: Simd, const P: usize, const UNIT_K: bool, const GATES: bool>(
        &self,
        simd: S,
        panel: usize,
        ahead: &mut Requests,
    ) {
        let (outer, inner) = self.rows;
        for row in 0..outer {
            // The last and lowest tile sums columns too, and may have to be short for that.
            let sums_columns = !UNIT_K && !self.column_sums.is_null() && row + 1 == outer;
            let short = if sums_columns { tile::rows_short::<S, P>() } else { 0 };
            let [(taller, _), (lower, height)] = tiles(inner + short, S::TILE_ROWS[P - 1]);
            let lower = lower - usize::from(sums_columns);
            let mut place = tile::Place::new(self, (row, 0), panel);
            // SAFETY: rows and panels are in range, so the caller's promise holds.
            unsafe {
                for (count, height) in [(taller, height + 1), (lower, height)] {
                    place = tile::run::<S, T, P, UNIT_K, GATES, false>(
                        simd,
                        self,
                        place,
                        (count, height),
                        ahead,
                    );
                }
                if sums_columns {
                    let one = (1, height - short);
                    tile::run::<S, T, P, UNIT_K, GATES, true>(simd, self, place, one, ahead);
                }
            }
        }
    }
}

/// Shares rows between tiles of at most so many, nearly equal in height: five and four rows use the registers better
/// than six and three. How many there are of the taller ones, and their height, and the same of the others, of which
/// there is one at least.
#[inline(always)]
fn tiles(rows: usize, most: usize) -> [(usize, usize); 2] {
    let tiles = rows.div_ceil(most).max(1);
    let (height, taller) = (rows / tiles, rows % tiles);
    [(taller, height + 1), (tiles - taller, height)]
}

/// Rows from which on a register tile of AVX-512 is more than a panel wide. Fewer are so rare that tiles for them would
/// only make programs larger.
const LEAST_WIDE: usize = 4;

/// Panels that the next register tile of so many rows is wide, of those that are left. Three suit the caches best;
/// four, where else one or two would remain, which leave registers idle, and where the rows make no tile of few. Of eight
/// panels, tiles that turn back leave two: they are the same, wherever in threes `C` starts.
#[inline(always)]
fn width<S: Simd>(left: usize, rows: usize, turns: bool) -> usize {
    match (S::TILE_ROWS.len(), left) {
        (4.., 4) if rows >= 2 * LEAST_WIDE => 4,
        (4.., 8) if rows >= 2 * LEAST_WIDE && !turns => 4,
        (4.., _) => left.min(if rows >= LEAST_WIDE { 3 } else { 1 }),
        (most, _) => left.min(most),
    }
}

#[cfg(test)]
mod tests;
