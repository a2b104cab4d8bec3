//! The register tile: `R` rows of `C` by `P` panels, all sums in registers.

use super::{Finish, Gemm, Operand};
use crate::simd::{LINE, PANEL, Simd, Vector};

/// Where a tile stands.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Its first row and panel.
    pub(super) outer: usize,
    pub(super) inner: usize,
    pub(super) panel: usize,
    /// Its number, and how many tiles there are.
    pub(super) share: (usize, usize),
}

/// Vectors that the widest tile has to a row; tiles with fewer leave the rest unused.
const MAX_VECTORS: usize = 4;

/// Computes a tile of `height` rows, at most [`Simd::MAX_ROWS`].
#[inline(always)]
pub(super) unsafe fn run<S: Simd, T: Operand, const P: usize, const UNIT_K: bool>(
    simd: S,
    gemm: &Gemm<'_, T>,
    at: Place,
    height: usize,
) {
    macro_rules! heights {
        ($($rows:literal)*) => {
            match height {
                // SAFETY: the caller's promise.
                $($rows if $rows <= S::MAX_ROWS => unsafe { tile::<S, T, $rows, P, UNIT_K>(simd, gemm, at) },)*
                _ => unreachable!("a tile of {height} rows"),
            }
        };
    }
    heights!(1 2 3 4 5 6 7 8 9 10);
}

#[expect(clippy::needless_range_loop, reason = "i and j are a tile's rows and columns throughout")]
#[inline(always)]
unsafe fn tile<S: Simd, T: Operand, const R: usize, const P: usize, const UNIT_K: bool>(
    simd: S,
    gemm: &Gemm<'_, T>,
    at: Place,
) {
    let vectors = P * PANEL / S::LANES;
    // Where vector `j` of a row stands in panels that are `panel` elements apart.
    let column = |j: usize, panel: usize| (j * S::LANES / PANEL) * panel + j * S::LANES % PANEL;
    let output = gemm.output;
    let c_offset = at.outer * output.outer + at.inner * output.row + at.panel * output.panel;
    let c_at = |i: usize, j: usize| c_offset + i * output.row + column(j, output.panel);

    let mut prefetch = Prefetch::<R, P>::new(gemm, at, c_offset);
    let mut sums = [[simd.splat(0.0); MAX_VECTORS]; R];
    // SAFETY: the caller vouches for every address that counts and strides give.
    unsafe {
        let bias = gemm.start.bias;
        if gemm.start.accumulate {
            for (i, row) in sums.iter_mut().enumerate() {
                for j in 0..vectors {
                    row[j] = T::load(simd, gemm.c.add(c_at(i, j)));
                }
            }
        } else if !bias.is_null() {
            for (j, start) in (0..vectors).map(|j| (j, bias.add(at.panel * PANEL + j * S::LANES))) {
                let value = T::load(simd, start);
                for row in &mut sums {
                    row[j] = value;
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
                    prefetch.run(simd, gemm);
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

/// What a tile asks for while it sums, a little with each run of [`LINE`] products, so that no request
/// waits for another.
struct Prefetch<const R: usize, const P: usize> {
    /// Runs so far.
    run: usize,
    /// The first element of the sums' lines.
    c: usize,
    /// The lines of each part of [`Ahead`](super::Ahead) that are next, and how many a run asks for.
    ahead: [(*const f32, usize); 2],
}

impl<const R: usize, const P: usize> Prefetch<R, P> {
    #[inline(always)]
    fn new<T: Operand>(gemm: &Gemm<'_, T>, at: Place, c: usize) -> Self {
        // Sums that are added to are read first, so those of the next tile are asked for.
        let c = if gemm.start.accumulate { c + R * gemm.output.row } else { c };
        let (number, tiles) = at.share;
        let [outer, middle, inner] = gemm.sum;
        let runs = outer.count * middle.count * inner.count.div_ceil(LINE);
        let ahead = gemm.ahead.0.map(|part| {
            let lines = part.len().div_ceil(LINE * tiles * runs.max(1));
            (part.as_ptr().wrapping_add(number * runs * lines * LINE), lines)
        });
        Self { run: 0, c, ahead }
    }

    /// Asks for what is due with this run.
    #[inline(always)]
    fn run<S: Simd, T: Operand>(&mut self, simd: S, gemm: &Gemm<'_, T>) {
        for (next, lines) in &mut self.ahead {
            for _ in 0..*lines {
                simd.prefetch_to_second(*next);
                *next = next.wrapping_add(LINE);
            }
        }
        // A panel's lines a run: first of the gate, which is read, then of `C`.
        let panel = self.run % P;
        let matrix = match gemm.finish {
            Finish::Gate(gate) if self.run < P => Some(gate),
            Finish::Gate(_) if self.run < 2 * P => Some(gemm.c.cast_const()),
            Finish::Plain | Finish::Relu if self.run < P => Some(gemm.c.cast_const()),
            _ => None,
        };
        if let Some(matrix) = matrix {
            let start = self.c + panel * gemm.output.panel;
            for i in 0..R {
                simd.prefetch(matrix.wrapping_add(start + i * gemm.output.row));
            }
        }
        self.run += 1;
    }
}
