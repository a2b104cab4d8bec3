//! The register tile: `R` rows of `C` by `P` panels, all sums in registers.

use super::prefetch::{Lines, Prefetch, Requests, Trickle};
use super::sums::{Operands, Sums, column};
use super::{Axis, Finish, Gemm, LEAST_WIDE, Operand, Step};
use crate::simd::{LINE, PANEL, Simd};

/// Where a tile stands: its first row of `A`, where its first sum goes in `C`, and its first panel.
#[derive(Clone, Copy)]
pub(super) struct Place {
    a: *const f32,
    c: usize,
    panel: usize,
    /// Whether it sums from last to first.
    is_reversed: bool,
}

impl Place {
    /// The tile that starts with row `(outer, inner)`.
    #[inline(always)]
    pub(super) fn new<T>(gemm: &Gemm<'_, T>, (outer, inner): (usize, usize), panel: usize) -> Self {
        let output = gemm.output;
        Self {
            a: gemm.a.wrapping_add(outer * gemm.a_rows.0 + inner * gemm.a_rows.1),
            c: outer * output.outer + inner * output.row + panel * output.panel,
            panel,
            is_reversed: false,
        }
    }

    /// The place of the next tile, so many rows further down.
    #[inline(always)]
    fn below<T>(self, gemm: &Gemm<'_, T>, rows: usize) -> Self {
        let (a, c) = (rows * gemm.a_rows.1, rows * gemm.output.row);
        let is_reversed = gemm.turns && !self.is_reversed;
        Self { a: self.a.wrapping_add(a), c: self.c + c, is_reversed, ..self }
    }
}

/// Products of the longest sum that leaves three panels of `B`, 24 KiB, in the first cache, and in which it pays to go
/// by lines.
const SHORT: usize = 128;

/// How many rows a tile has to be short of what [`Simd::TILE_ROWS`] says, so that the sums of B's columns have registers
/// beside its own, a row of `B` and a broadcast.
pub(super) const fn rows_short<S: Simd, const P: usize>() -> usize {
    let vectors = P * PANEL / S::LANES;
    let with_columns = (S::TILE_ROWS[P - 1] + 1) * vectors;
    (with_columns + vectors + 1 > S::REGISTERS) as usize
}

/// Computes `count` tiles of `height` rows, one below the other: at most what [`Simd::TILE_ROWS`] says, less
/// [`rows_short`] with the sums of B's columns. Returns the place below.
#[inline(always)]
pub(super) unsafe fn run<
    S: Simd,
    T: Operand,
    const P: usize,
    const UNIT_K: bool,
    const GATES: bool,
    const COLUMN_SUMS: bool,
>(
    simd: S,
    gemm: &Gemm<'_, T>,
    mut at: Place,
    (count, height): (usize, usize),
    ahead: &mut Requests,
) -> Place {
    let most = S::TILE_ROWS[P - 1] - if COLUMN_SUMS { rows_short::<S, P>() } else { 0 };
    macro_rules! heights {
        ($($rows:literal)*) => {
            match height {
                $($rows if $rows <= most
                    && (P == 1 || $rows >= LEAST_WIDE || COLUMN_SUMS) =>
                {
                    let lines = trickles::<T, P, GATES>(gemm).then(|| Lines::new::<T, $rows, P>(gemm));
                    for _ in 0..count {
                        // SAFETY: the caller's promise.
                        unsafe {
                            tile::<S, T, $rows, P, UNIT_K, GATES, COLUMN_SUMS, false>(
                                simd, gemm, at, &[], lines.as_ref(), ahead,
                            );
                        }
                        at = at.below(gemm, $rows);
                    }
                },)*
                _ => assert!(count * height == 0, "tiles of {height} rows"),
            }
        };
    }
    heights!(1 2 3 4 5 6 7 8 9 10);
    at
}

/// How many turns of the loop over a sum's products are written out for a tile of so many sums. Where operands' steps
/// are not known, the address of each turn takes registers.
pub(super) const fn unroll<S: Simd, const UNIT_K: bool>(sums: usize) -> usize {
    match UNIT_K {
        _ if sums < S::TALL => 1,
        true => S::UNROLL,
        false => S::UNROLL.div_ceil(2),
    }
}

/// How many lines of the next tile's rows of `A` a tile asks for with so many turns that are written out: as many as it
/// reads of its own, so that these are in the first cache when it starts, and no multiplication waits for one.
const fn next_lines<const R: usize>(turns: usize) -> usize {
    (R * turns + LINE / 2) / LINE
}

/// Whether a tile asks for the lines of a transposed `A` behind its own, which later tiles read: the first panels read
/// `A` from afar, and each line when the first tile has a part of it.
#[inline(always)]
fn asks_for_next_lines<const R: usize, const UNIT_K: bool>(at: Place) -> bool {
    !UNIT_K && at.panel == 0 && at.a.addr() / size_of::<f32>() % LINE < R
}

/// Whether a tile asks for rows of `B`: those of three panels of short sums stay in the first cache.
#[inline(always)]
fn asks_for_b<T: Operand, const P: usize, const UNIT_K: bool>(gemm: &Gemm<'_, T>) -> bool {
    if UNIT_K { P == 3 && gemm.products() > SHORT } else { P > 1 }
}

/// Whether a tile asks for its part of `C` while it sums; one panel's tile does so before.
#[inline(always)]
fn asks_for_c<T, const P: usize>(gemm: &Gemm<'_, T>) -> bool {
    P > 1 && !gemm.c_is_near
}

/// Whether a tile asks for its part of `C` and of the gate line by line. With a gate these are twice as many as without,
/// and more runs, or more requests at a time, cost long sums 1 to 2 %. Others do not gain by it.
#[inline(always)]
fn trickles<T: Operand, const P: usize, const GATES: bool>(gemm: &Gemm<'_, T>) -> bool {
    GATES && asks_for_b::<T, P, true>(gemm)
}

/// Whether a sum goes by lines. The processor foresees where loops of eight turns end, and of loops of 24 or more only if
/// the code happens to lie well; else it takes a wrong way and comes back, which costs these tiles 5 %. Of long sums that
/// is less than what more loops cost.
#[inline(always)]
fn goes_by_lines<T: Operand, const P: usize, const UNIT_K: bool>(gemm: &Gemm<'_, T>) -> bool {
    UNIT_K && P > 1 && gemm.products() <= SHORT
}

/// Computes tiles of [`Simd::SKIP_ROWS`] rows, one below the other, each of the products to which its steps lead.
#[inline(always)]
pub(super) unsafe fn run_skipping<'l, S: Simd, T: Operand, const P: usize, const GATES: bool>(
    simd: S,
    gemm: &Gemm<'_, T>,
    first: Place,
    lists: impl Iterator<Item = &'l [u16]>,
) {
    let mut nothing = Requests::NONE;
    let mut at = first;
    for steps in lists {
        macro_rules! tile {
            ($rows:literal) => {
                tile::<S, T, $rows, P, true, GATES, false, true>(
                    simd,
                    gemm,
                    at,
                    steps,
                    None,
                    &mut nothing,
                )
            };
        }
        // SAFETY: the caller's promise.
        unsafe {
            match S::SKIP_ROWS {
                6 => tile!(6),
                8 => tile!(8),
                rows => unreachable!("tiles of {rows} rows"),
            }
        }
        at = at.below(gemm, S::SKIP_ROWS);
    }
}

/// Computes one tile: all products, or if it skips some, those to which the steps lead, each from one product to the
/// next, the first from where the sum begins.
#[expect(clippy::needless_range_loop, reason = "j is a tile's vector throughout")]
#[inline(always)]
unsafe fn tile<
    S: Simd,
    T: Operand,
    const R: usize,
    const P: usize,
    const UNIT_K: bool,
    const GATES: bool,
    const COLUMN_SUMS: bool,
    const SKIPS: bool,
>(
    simd: S,
    gemm: &Gemm<'_, T>,
    at: Place,
    steps: &[u16],
    lines: Option<&Lines>,
    ahead: &mut Requests,
) {
    let vectors = P * PANEL / S::LANES;
    let (row, panel) = gemm.output.within_tile::<UNIT_K>();

    let mut prefetch = Prefetch::<T, R, P, UNIT_K, GATES>::new(gemm, at.c);
    // SAFETY: the caller vouches for every address that counts and strides give.
    unsafe {
        let mut sums = Sums::<S, R>::zeros(simd);
        let is_reversed = !UNIT_K && at.is_reversed;
        let mut operands = Operands::new::<R, UNIT_K>(gemm, at.a, at.panel);
        let mut sum = gemm.sum;
        if is_reversed {
            operands.reverse::<R>(sum);
            sum = sum.map(Axis::reversed);
        }
        let [outer, middle, inner] = sum;
        let unroll = match unroll::<S, UNIT_K>(R * vectors) {
            turns if SKIPS => turns.min(2),
            turns => turns,
        };
        if P == 1 {
            prefetch.all(simd, gemm);
        }
        let mut to_come = if SKIPS { steps.len() } else { gemm.products() };
        // Of a sum that skips products, one line is left.
        let (mut left, mut middle_left) = (inner.count.min(to_come), middle.count);
        let mut steps = steps.as_ptr();
        let asks_for_next_lines = asks_for_next_lines::<R, UNIT_K>(at);
        let asks_for_b = asks_for_b::<T, P, UNIT_K>(gemm);
        let asks_for_c = asks_for_c::<T, P>(gemm);
        let longest = if goes_by_lines::<T, P, UNIT_K>(gemm) { LINE } else { usize::MAX };
        let mut stream = ahead.of_a_tile();
        let mut trickle = Trickle::new(lines, gemm.c.wrapping_add(at.c).cast_const());
        while to_come > 0 {
            let mut run = left.min(longest);
            if lines.is_some() {
                run = run.min(trickle.run(to_come, unroll));
            } else if asks_for_c {
                run = match to_come.checked_sub(prefetch.last()) {
                    Some(quiet @ 1..) => run.min(quiet),
                    _ => run.min(LINE),
                };
                if to_come <= prefetch.last() {
                    prefetch.share(simd, gemm, to_come);
                }
            }
            if UNIT_K && !SKIPS && ahead.are_left() {
                run = run.min(LINE);
                ahead.ask(simd);
            }
            macro_rules! multiply {
                ($turns:expr, $next_lines:literal, $b:literal) => {
                    for turn in 0..$turns {
                        if SKIPS {
                            let step = usize::from(*steps);
                            steps = steps.add(1);
                            operands.step::<R>(step, step * PANEL);
                        }
                        let turn = if SKIPS { 0 } else { turn };
                        operands.multiply::<S, R, P, UNIT_K, COLUMN_SUMS, $next_lines, $b>(
                            simd, &mut sums, turn,
                        );
                    }
                    if !SKIPS {
                        operands.advance::<R>($turns);
                    }
                };
            }
            macro_rules! turns {
                ($next_lines:literal, $b:literal) => {{
                    // As many turns as are written out, and what is left.
                    for _ in 0..run / unroll {
                        if !UNIT_K {
                            stream.ask_for_one(simd);
                        } else if !SKIPS {
                            operands.ask::<S, R>(simd, next_lines::<R>(unroll));
                            // SAFETY: gated tiles that ask for `B` have lines, and ask once for so many turns.
                            if GATES && $b {
                                trickle.ask_for_one(simd);
                            }
                        }
                        multiply!(unroll, $next_lines, $b);
                        if unroll > 1 {
                            operands.pin::<S, R>(simd);
                        }
                    }
                    for _ in 0..run % unroll {
                        multiply!(1, $next_lines, $b);
                    }
                }};
            }
            // Of the four, each kind of tile can meet two at most.
            match (asks_for_next_lines, asks_for_b) {
                (false, false) => turns!(false, false),
                (false, true) => turns!(false, true),
                (true, false) => turns!(true, false),
                (true, true) => turns!(true, true),
            }
            to_come -= run;
            if to_come == 0 {
                break;
            }
            left -= run;
            if left == 0 {
                left = inner.count;
                // From where this loop ended to where the next one starts.
                let (mut a, mut b) = from_end(inner, middle);
                middle_left -= 1;
                if middle_left == 0 {
                    middle_left = middle.count;
                    let (outer_a, outer_b) = from_end(middle, outer);
                    (a, b) = (a.wrapping_add(outer_a), b.wrapping_add(outer_b));
                }
                operands.step::<R>(a, b);
                operands.look_below::<R>();
            }
        }

        if !UNIT_K {
            ahead.go_on(stream);
        }
        if COLUMN_SUMS {
            for j in 0..vectors {
                let to = gemm.column_sums.add(at.panel * PANEL + j * S::LANES);
                T::store(simd, to, T::load(simd, to) + sums.columns[j]);
            }
        }
        // Stores take turns with what comes before them, since they use a port of the multiplications that follow.
        // Loops this short unroll, and only then are the sums in registers.
        let Finish { step, operand } = gemm.finish;
        let bias = operand.wrapping_add(at.panel * PANEL);
        let mut c = gemm.c.wrapping_add(at.c).cast_const();
        let mut gate = operand.wrapping_add(at.c);
        macro_rules! store {
            (|$sum:ident, $to:ident, $j:ident| $value:expr) => {
                for sums in &sums.rows {
                    for $j in 0..vectors {
                        let ($sum, $to) = (sums[$j], column::<S>($j, panel));
                        T::store(simd, c.add($to).cast_mut(), $value);
                    }
                    (c, gate) = (c.wrapping_add(row), gate.wrapping_add(row));
                    if UNIT_K {
                        // Of rows that are known as multiples of one distance, the compiler would keep each in memory.
                        (c, gate) = (simd.afresh(c), simd.afresh(gate));
                    }
                }
            };
        }
        match step {
            Step::Bias if UNIT_K && !GATES => {
                store!(|sum, to, j| sum + T::load(simd, bias.add(j * S::LANES)));
            }
            Step::BiasAndRelu if UNIT_K && !GATES => {
                let zero = simd.splat(0.0);
                store!(|sum, to, j| simd.max(zero, sum + T::load(simd, bias.add(j * S::LANES))));
            }
            Step::Gate if GATES => {
                store!(|sum, to, j| simd.gate(T::load(simd, gate.add(to)), sum));
            }
            Step::Accumulate if !UNIT_K => {
                // Here it is quicker to read all before the first is stored.
                for (i, sums) in sums.rows.iter_mut().enumerate() {
                    for j in 0..vectors {
                        let at = i * row + column::<S>(j, panel);
                        sums[j] = sums[j] + T::load(simd, c.add(at));
                    }
                }
                store!(|sum, to, j| sum);
            }
            _ => store!(|sum, to, j| sum),
        }
    }
}

/// How far the operands move, modulo the size of memory, from where a loop ended to its start in the next turn of the
/// loop around it.
#[inline(always)]
const fn from_end(inner: Axis, outer: Axis) -> (usize, usize) {
    let (a, b) = (inner.count.wrapping_mul(inner.a), inner.count.wrapping_mul(inner.b));
    (outer.a.wrapping_sub(a), outer.b.wrapping_sub(b))
}
