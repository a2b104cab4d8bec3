//! Sums of rows times the values of a vector that are not zero, some panels wide.

use crate::simd::{PANEL, Simd, Vector};

/// Bytes of rows that the first cache has room for.
const NEAR: usize = 32 << 10;
/// Registers that the widest sum takes.
const MAX_VECTORS: usize = 8;

/// Some of a matrix's panels, which are summed together.
#[derive(Clone, Copy)]
pub(super) struct Width {
    /// The first of them.
    pub(super) panels: usize,
    pub(super) count: usize,
}

impl Width {
    /// Shares `panels` panels, of `len` elements each, in nearly equal widths: as wide as leaves the rows in
    /// the first cache, and two at least, for what each value costs besides.
    #[inline(always)]
    pub(super) fn shares<S: Simd>(
        _: S,
        panels: usize,
        len: usize,
    ) -> impl ExactSizeIterator<Item = Self> {
        let most = if S::LANES < 8 { 2 } else { 4 };
        let widest = (NEAR / (4 * len)).clamp(2, most);
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

/// A vector whose values are `step` elements apart.
#[derive(Clone, Copy)]
pub(super) struct Values {
    pub(super) start: *const f32,
    pub(super) step: usize,
}

/// Calls what is computed some panels wide, for as many as there are: `by_width!(count, P => f::<P>())`.
macro_rules! by_width {
    ($simd:ident, $count:expr, $panels:ident => $call:expr) => {
        match $count {
            1 => {
                const $panels: usize = 1;
                $call
            }
            2 => {
                const $panels: usize = 2;
                $call
            }
            3 if $simd::LANES >= 8 => {
                const $panels: usize = 3;
                $call
            }
            4 if $simd::LANES >= 8 => {
                const $panels: usize = 4;
                $call
            }
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
        (bits, values): (&[u64], Values),
        accumulate: bool,
        gate: Option<*const f32>,
        to: *mut f32,
    ) {
        let vectors = P * PANEL / S::LANES;
        let mut sums = [s.splat(0.0); MAX_VECTORS];
        // SAFETY: the caller's promise.
        unsafe {
            if accumulate {
                for (j, sum) in sums[..vectors].iter_mut().enumerate() {
                    *sum = s.load(to.add(j * S::LANES));
                }
            }
            let (mut value, mut row) = (values.start, self.start);
            for &word in bits {
                let mut word = word;
                while word != 0 {
                    let i = word.trailing_zeros() as usize;
                    word &= word - 1;
                    let value = s.splat(*value.add(i * values.step));
                    let row = row.add(i * self.row);
                    for (j, sum) in sums[..vectors].iter_mut().enumerate() {
                        let column = j * S::LANES / PANEL * self.panel + j * S::LANES % PANEL;
                        *sum = value.mul_add(s.load(row.add(column)), *sum);
                    }
                }
                value = value.wrapping_add(u64::BITS as usize * values.step);
                row = row.wrapping_add(u64::BITS as usize * self.row);
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
