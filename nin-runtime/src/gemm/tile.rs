//! The register tile: `R` rows of `C` by `P` panels, all sums in registers.

use super::{Finish, Gemm, Operand, Start};
use crate::simd::{PANEL, Simd, Vector};

/// The first row and panel of a tile.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) outer: usize,
    pub(super) inner: usize,
    pub(super) panel: usize,
}

/// Vectors that the widest tile has to a row; tiles with fewer leave the rest unused.
const MAX_VECTORS: usize = 4;

/// How many rows of a panel ahead a streamed operand is asked for: about the latency of memory.
const AHEAD: usize = 16;

/// Floats in a cache line.
const LINE: usize = 16;

/// Computes a tile of `height` rows, at most [`Simd::MAX_ROWS`].
#[inline(always)]
pub(super) unsafe fn run<
    S: Simd,
    T: Operand,
    const P: usize,
    const UNIT_K: bool,
    const STREAM: bool,
>(
    simd: S,
    gemm: &Gemm<T>,
    at: Place,
    height: usize,
) {
    macro_rules! heights {
        ($($rows:literal)*) => {
            match height {
                // SAFETY: the caller's promise.
                $($rows if $rows <= S::MAX_ROWS => unsafe { tile::<S, T, $rows, P, UNIT_K, STREAM>(simd, gemm, at) },)*
                _ => unreachable!("a tile of {height} rows"),
            }
        };
    }
    heights!(1 2 3 4 5 6 7 8 9 10);
}

#[expect(clippy::needless_range_loop, reason = "i and j are a tile's rows and columns throughout")]
#[inline(always)]
unsafe fn tile<
    S: Simd,
    T: Operand,
    const R: usize,
    const P: usize,
    const UNIT_K: bool,
    const STREAM: bool,
>(
    simd: S,
    gemm: &Gemm<T>,
    at: Place,
) {
    let vectors = P * PANEL / S::LANES;
    // Where vector `j` of a row stands in panels that are `panel` elements apart.
    let column = |j: usize, panel: usize| (j * S::LANES / PANEL) * panel + j * S::LANES % PANEL;
    let output = gemm.output;
    let c_offset = at.outer * output.outer + at.inner * output.row + at.panel * output.panel;
    let c_at = |i: usize, j: usize| c_offset + i * output.row + column(j, output.panel);

    let mut sums = [[simd.splat(0.0); MAX_VECTORS]; R];
    // SAFETY: the caller vouches for every address that counts and strides give.
    unsafe {
        match gemm.start {
            Start::Zero => {}
            Start::Bias(bias) => {
                for (j, start) in
                    (0..vectors).map(|j| (j, bias.add(at.panel * PANEL + j * S::LANES)))
                {
                    let value = T::load(simd, start);
                    for row in &mut sums {
                        row[j] = value;
                    }
                }
            }
            Start::Accumulate => {
                for (i, row) in sums.iter_mut().enumerate() {
                    for j in 0..vectors {
                        row[j] = T::load(simd, gemm.c.add(c_at(i, j)));
                    }
                }
            }
        }

        let [outer, middle, inner] = gemm.sum;
        let a = gemm.a.add(at.outer * gemm.a_rows.0 + at.inner * gemm.a_rows.1);
        let b = gemm.b.add(at.panel * gemm.b_panel);
        let a_row = if UNIT_K { gemm.a_rows.1 } else { 1 };
        let a_step = if UNIT_K { 1 } else { inner.a };
        for k0 in 0..outer.count {
            for k1 in 0..middle.count {
                let mut a = a.add(k0 * outer.a + k1 * middle.a);
                let mut b = b.add(k0 * outer.b + k1 * middle.b);
                let next = a.wrapping_add(R * a_row);
                let mut left = inner.count;
                while left > 0 {
                    let run = left.min(LINE);
                    if UNIT_K {
                        // The next tile's lines, so that they are near when it starts.
                        for i in 0..R {
                            simd.prefetch(next.wrapping_add(i * a_row + inner.count - left));
                        }
                    }
                    for _ in 0..run {
                        let mut weights = [simd.splat(0.0); MAX_VECTORS];
                        for j in 0..vectors {
                            weights[j] = T::load(simd, b.add(column(j, gemm.b_panel)));
                        }
                        if STREAM {
                            for panel in 0..P {
                                simd.prefetch(b.wrapping_add(panel * gemm.b_panel + AHEAD * PANEL));
                            }
                        }
                        for i in 0..R {
                            let x = simd.splat(*a.add(i * a_row));
                            for j in 0..vectors {
                                sums[i][j] = x.mul_add(weights[j], sums[i][j]);
                            }
                        }
                        // Behind the last turn they may lie outside their allocations.
                        a = a.wrapping_add(a_step);
                        b = b.wrapping_add(inner.b);
                    }
                    left -= run;
                }
            }
        }

        match gemm.finish {
            Finish::Plain => {}
            Finish::Relu => {
                for row in &mut sums {
                    for j in 0..vectors {
                        row[j] = simd.relu(row[j]);
                    }
                }
            }
            Finish::Gate(gate) => {
                for (i, row) in sums.iter_mut().enumerate() {
                    for j in 0..vectors {
                        row[j] = simd.gate(T::load(simd, gate.add(c_at(i, j))), row[j]);
                    }
                }
            }
        }
        // Loops this short unroll, and only then are the sums in registers.
        for (i, row) in sums.iter().enumerate() {
            for j in 0..vectors {
                T::store(simd, gemm.c.add(c_at(i, j)), row[j]);
            }
        }
    }
}
