//! Products that are left out because `A` is zero there, in all rows of a register tile.
//!
//! Behind a ReLU about half of the values are zero, and mostly those of the same channels at neighbouring pixels: of
//! eight pixels, all in a third of the channels. So for each tile it is first found out which products are to be computed,
//! for all panels together.
//!
//! What is left out would add zero, and sums keep their bits, as long as what stands in `B` is finite: zero times what is
//! infinite or NaN would be NaN, and is left out as well.

use super::tile::{self, Place};
use super::{Gemm, LEAST_WIDE, Operand};
use crate::simd::{Isa, Kernel, PANEL, Simd, padded};
use core::mem::MaybeUninit;
use core::ops::Range;

/// Steps that there is room for: 16 KiB, which stay in the first cache beside an operand.
const ROOM: usize = 1 << 13;
/// Tiles whose steps are kept at a time, at most: so few that rows which were looked through are still near when they
/// are multiplied.
const MOST_TILES: usize = 16;
/// Fewest multiply-adds of a row for which looking for zeros pays.
const LEAST_WORK: usize = 32 * 32;
/// Fewest panels for which it does.
const LEAST_PANELS: usize = 2;

/// Whether it may pay to look for zeros.
pub(super) fn may_pay<T>(gemm: &Gemm<'_, T>) -> bool {
    debug_assert!(!gemm.has_zeros || (gemm.rows.0 == 1 && gemm.a_rows.1.is_multiple_of(PANEL)));
    debug_assert!(!gemm.has_zeros || gemm.sum[0].count * gemm.sum[1].count == 1);
    debug_assert!(!gemm.has_zeros || gemm.ahead.0.iter().all(|part| part.is_empty()));
    let products = gemm.sum[2].count;
    let work = products * gemm.panels * PANEL;
    gemm.has_zeros && work >= LEAST_WORK && gemm.panels >= LEAST_PANELS && products <= ROOM
}

/// The product whose `A` has zeros, many or few. A kernel of its own, as are those that compute all products: there
/// the stack is not touched for what it keeps.
pub(super) struct Skipping<'a, T, const GATES: bool> {
    pub(super) isa: Isa,
    pub(super) gemm: Gemm<'a, T>,
    /// Computes all products of some rows.
    pub(super) all: fn(Isa, Gemm<'a, T>),
}

impl<T: Operand, const GATES: bool> Kernel for Skipping<'_, T, GATES> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let gemm = &self.gemm;
        let mut first = 0;
        // Instruction sets without tiles for it compute all products.
        if let Some(mut tiles) = gemm.rows.1.checked_div(S::SKIP_ROWS) {
            // Few rows alone would leave registers idle.
            if (1..LEAST_WIDE).contains(&(gemm.rows.1 - tiles * S::SKIP_ROWS)) {
                tiles = tiles.saturating_sub(1);
            }
            let room = ROOM / padded(gemm.sum[2].count);
            let mut steps = Steps::new();
            while first < tiles {
                let count = MOST_TILES.min(room).min(tiles - first);
                // SAFETY: `Gemm::run` and `run_gated`, the only ways here, pass their callers' promise on, and tiles
                // are in range.
                let is_worthwhile = unsafe { steps.find(simd, gemm, first, count) };
                if !is_worthwhile {
                    break;
                }
                // SAFETY: as before.
                unsafe { self.columns(simd, first, &steps) };
                first += count;
            }
        }
        let rest = first * S::SKIP_ROWS..gemm.rows.1;
        if !rest.is_empty() {
            (self.all)(self.isa, self.rows(rest));
        }
    }
}

impl<'a, T: Operand, const GATES: bool> Skipping<'a, T, GATES> {
    /// The loop over panels, in widths of which none leaves one panel over.
    ///
    /// # Safety
    /// As for [`Operand::multiply`], for the rows of these tiles.
    #[inline(always)]
    unsafe fn columns<S: Simd>(&self, simd: S, first: usize, steps: &Steps) {
        let gemm = &self.gemm;
        let mut panel = 0;
        while panel < gemm.panels {
            let place = Place::new(gemm, (0, first * S::SKIP_ROWS), panel);
            let width = match gemm.panels - panel {
                _ if S::TILE_ROWS.len() < 3 => 1,
                2 | 4 => 2,
                _ => 3,
            };
            // SAFETY: rows and panels are in range, so the caller's promise holds.
            unsafe {
                match width {
                    1 => tile::run_skipping::<S, T, 1, GATES>(simd, gemm, place, steps.lists()),
                    2 => tile::run_skipping::<S, T, 2, GATES>(simd, gemm, place, steps.lists()),
                    _ => tile::run_skipping::<S, T, 3, GATES>(simd, gemm, place, steps.lists()),
                }
            }
            panel += width;
        }
    }

    /// The product of some rows, all of whose zeros are multiplied.
    fn rows(&self, rows: Range<usize>) -> Gemm<'a, T> {
        let gemm = self.gemm;
        let to = rows.start * gemm.output.row;
        let mut finish = gemm.finish;
        if GATES {
            finish.operand = finish.operand.wrapping_add(to);
        }
        Gemm {
            rows: (1, rows.len()),
            a: gemm.a.wrapping_add(rows.start * gemm.a_rows.1),
            c: gemm.c.wrapping_add(to),
            finish,
            ..gemm
        }
    }
}

/// For each tile of a block of rows, the steps from one product that is to be computed to the next.
struct Steps {
    /// List behind list, with room for what is written beyond the last.
    all: [MaybeUninit<u16>; ROOM + PANEL],
    /// Where each tile's list ends.
    ends: [MaybeUninit<u16>; MOST_TILES],
    tiles: usize,
}

impl Steps {
    const fn new() -> Self {
        let ends = [MaybeUninit::uninit(); MOST_TILES];
        Self { all: [MaybeUninit::uninit(); ROOM + PANEL], ends, tiles: 0 }
    }

    /// Finds those of some tiles; returns whether they leave out at least one product in sixteen, of the first tile and
    /// of all.
    ///
    /// # Safety
    /// The rows of these tiles must lie in `A`, and must be whole panels.
    #[inline(always)]
    unsafe fn find<S: Simd, T>(
        &mut self,
        simd: S,
        gemm: &Gemm<'_, T>,
        first: usize,
        tiles: usize,
    ) -> bool {
        let (row, products) = (gemm.a_rows.1, gemm.sum[2].count);
        assert!(tiles <= MOST_TILES && tiles * padded(products) <= ROOM, "{tiles} tiles");
        let mut end = 0;
        for tile in 0..tiles {
            let a = gemm.a.wrapping_add((first + tile) * S::SKIP_ROWS * row);
            let mut gap = 0;
            for k in (0..products).step_by(S::LANES) {
                // SAFETY: the caller's promise; there is room for all products.
                unsafe {
                    let mut any = simd.load(a.add(k));
                    for i in 1..S::SKIP_ROWS {
                        any = simd.or_bits(any, simd.load(a.add(i * row + k)));
                    }
                    let left = products - k;
                    let real = if left < S::LANES { (1 << left) - 1 } else { u32::MAX };
                    let ones = simd.nonzero(any) & real;
                    gap = simd.store_steps(ones, gap, self.all[end..].as_mut_ptr().cast());
                    end += ones.count_ones() as usize;
                }
            }
            self.ends[tile].write(end as u16);
            // Where there are few, one tile tells in most cases.
            let is_known = tile == 0 || tile + 1 == tiles;
            if is_known && 16 * end > 15 * (tile + 1) * products {
                return false;
            }
        }
        self.tiles = tiles;
        true
    }

    /// The tiles' lists.
    #[inline(always)]
    fn lists(&self) -> impl Iterator<Item = &[u16]> {
        let mut start = 0;
        self.ends[..self.tiles].iter().map(move |end| {
            // SAFETY: `find` has written the ends of so many lists, and all steps before them.
            unsafe {
                let end = usize::from(end.assume_init());
                let list = &self.all[start..end];
                start = end;
                core::slice::from_raw_parts(list.as_ptr().cast(), list.len())
            }
        })
    }
}
