//! Sums of the rows that a list names, some panels wide.

use super::lists::List;
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
    /// the first cache, and two at least, for what each value of a list costs besides.
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

/// A matrix as panels that lie `panel` elements apart, each with its rows one after another.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub(super) start: *const f32,
    pub(super) panel: usize,
}

impl Rows {
    /// `to = Σ value · row`, over a list, for the first `count` panels of the matrix, added to what stands there
    /// if `accumulate`; zero where the gate is closed.
    ///
    /// # Safety
    /// The list's places must be rows of the matrix's panels, as elements from their start. The gate must
    /// have as many values as `to`, and `to` have whole panels, `count` of them.
    #[inline(always)]
    pub(super) unsafe fn sum<S: Simd>(
        self,
        s: S,
        list: List<'_>,
        count: usize,
        accumulate: bool,
        gate: Option<*const f32>,
        to: &mut [f32],
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            match count {
                1 => self.panels::<S, 1>(s, list, accumulate, gate, to),
                2 => self.panels::<S, 2>(s, list, accumulate, gate, to),
                3 if S::LANES >= 8 => self.panels::<S, 3>(s, list, accumulate, gate, to),
                4 if S::LANES >= 8 => self.panels::<S, 4>(s, list, accumulate, gate, to),
                _ => unreachable!("{count} panels at once"),
            }
        }
    }

    #[inline(always)]
    unsafe fn panels<S: Simd, const P: usize>(
        self,
        s: S,
        list: List<'_>,
        accumulate: bool,
        gate: Option<*const f32>,
        to: &mut [f32],
    ) {
        let vectors = P * PANEL / S::LANES;
        let mut sums = [s.splat(0.0); MAX_VECTORS];
        // A second set of sums, as long as registers last, hides how long an FMA takes.
        let two = P < 4 && S::LANES >= 8;
        let mut others = [s.splat(0.0); MAX_VECTORS];
        debug_assert_eq!(to.len(), P * PANEL);
        let to = to.as_mut_ptr();
        // SAFETY: the caller's promise.
        unsafe {
            if accumulate {
                for (j, sum) in sums[..vectors].iter_mut().enumerate() {
                    *sum = s.load(to.add(j * S::LANES));
                }
            }
            let pairs = list.len() / 2;
            for i in 0..pairs {
                self.add(s, list, 2 * i, &mut sums[..vectors]);
                let sums = if two { &mut others } else { &mut sums };
                self.add(s, list, 2 * i + 1, &mut sums[..vectors]);
            }
            if list.len() % 2 == 1 {
                self.add(s, list, 2 * pairs, &mut sums[..vectors]);
            }
            for (j, (sum, other)) in sums.into_iter().zip(others).take(vectors).enumerate() {
                let mut sum = if two { sum + other } else { sum };
                if let Some(gate) = gate {
                    sum = s.gate(s.load(gate.add(j * S::LANES)), sum);
                }
                s.store(to.add(j * S::LANES), sum);
            }
        }
    }

    /// Adds what value `i` of the list contributes.
    #[inline(always)]
    unsafe fn add<S: Simd>(self, s: S, list: List<'_>, i: usize, sums: &mut [S::V]) {
        // SAFETY: the caller's promise.
        unsafe {
            let (value, place) = list.get_unchecked(i);
            let value = s.splat(value);
            let row = self.start.add(place);
            for (j, sum) in sums.iter_mut().enumerate() {
                let column = j * S::LANES / PANEL * self.panel + j * S::LANES % PANEL;
                *sum = value.mul_add(s.load(row.add(column)), *sum);
            }
        }
    }
}
