//! Sums of rows times the values of a vector that are not zero, some panels wide.

use crate::simd::{PANEL, Simd, Vector};
use core::num::NonZero;

/// Rows that are summed at a time, one for each bit of a word: so many stay in the first cache, of eight panels.
pub(super) const ROWS: usize = u64::BITS as usize;
/// Registers that the widest sum takes.
const MAX_VECTORS: usize = 12;

/// Some of a matrix's panels, which are summed together.
#[derive(Clone, Copy)]
pub(super) struct Width {
    /// The first of them.
    pub(super) panels: usize,
    pub(super) count: usize,
}

impl Width {
    /// Shares panels in nearly equal widths, as wide as registers allow, for what each value costs besides.
    #[inline(always)]
    pub(super) fn shares<S: Simd>(_: S, panels: usize) -> impl ExactSizeIterator<Item = Self> {
        let widest = match S::LANES {
            16.. => 8,
            8.. => 6,
            _ => 2,
        };
        let shares = panels.div_ceil(widest);
        (0..shares).map(move |i| {
            let (start, end) = (i * panels / shares, (i + 1) * panels / shares);
            Self { panels: start, count: end - start }
        })
    }
}

/// A matrix as panels that lie `panel` elements apart, each with rows that are `row` apart.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub(super) start: *const f32,
    pub(super) row: usize,
    pub(super) panel: usize,
}

/// Calls what is computed some panels wide, for as many as there are: `by_width!(count, P => f::<P>())`.
macro_rules! by_width {
    ($simd:ident, $count:expr, $panels:ident => $call:expr) => {
        by_width!($simd, $count, $panels => $call;
            1 from 1, 2 from 1, 3 from 8, 4 from 8, 5 from 8, 6 from 8, 7 from 16, 8 from 16)
    };
    ($simd:ident, $count:expr, $panels:ident => $call:expr; $($width:literal from $lanes:literal),*) => {
        match $count {
            $($width if $simd::LANES >= $lanes => {
                const $panels: usize = $width;
                $call
            })*
            count => unreachable!("{count} panels at once"),
        }
    };
}
pub(super) use by_width;

impl Rows {
    /// `to = Σ value · row`, over the rows whose bits are set, for the first `P` panels of the matrix, added to what
    /// stands there if `accumulate`; zero where the gate is closed.
    ///
    /// # Safety
    /// Each bit that is set must be that of a row and of a value. `to`, and the gate, must have `P` panels.
    #[inline(always)]
    pub(super) unsafe fn sum<S: Simd, const P: usize>(
        self,
        s: S,
        (bits, values): (u64, *const f32),
        accumulate: bool,
        gate: Option<*const f32>,
        to: *mut f32,
    ) {
        let vectors = P * PANEL / S::LANES;
        let mut sums = [s.splat(0.0); MAX_VECTORS];
        // SAFETY: the caller's promise; of so many bits one is left in each turn.
        unsafe {
            if accumulate {
                for (j, sum) in sums[..vectors].iter_mut().enumerate() {
                    *sum = s.load(to.add(j * S::LANES));
                }
            }
            let mut left = bits;
            for _ in 0..bits.count_ones() {
                let i = NonZero::new_unchecked(left).trailing_zeros() as usize;
                left &= left - 1;
                let value = s.splat(*values.add(i));
                let row = self.start.add(i * self.row);
                for (j, sum) in sums[..vectors].iter_mut().enumerate() {
                    let column = j * S::LANES / PANEL * self.panel + j * S::LANES % PANEL;
                    *sum = value.mul_add(s.load(row.add(column)), *sum);
                }
            }
            for (j, sum) in sums.into_iter().take(vectors).enumerate() {
                let sum = match gate {
                    Some(gate) => s.gate(s.load(gate.add(j * S::LANES)), sum),
                    None => sum,
                };
                s.store(to.add(j * S::LANES), sum);
            }
        }
    }
}
