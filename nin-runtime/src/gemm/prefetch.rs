//! What products ask for before it is read or written, so that it comes nearer meanwhile.

use super::tile::unroll;
use super::{Gemm, Operand, Step, width};
use crate::simd::{LINE, Simd};
use core::ops::Range;

/// What the caller will read next, as far as it has not been asked for. Products ask for their share in turn, since
/// requests that come many at once make each other and the product's own operands wait: from both streams with each line
/// of products, or where `A` is transposed, from one after the other with each turn of a tile's loop.
pub(super) struct Requests([Stream; 2]);

/// Memory to ask for, so many lines at a time, whose addresses are a line apart, or less if there are more turns than
/// lines.
#[derive(Clone, Copy)]
pub(super) struct Stream {
    next: *const f32,
    end: *const f32,
    lines: usize,
    apart: usize,
}

impl Stream {
    /// Nothing is due; what is asked for all the same is the line that lies there.
    const fn rest<T>(at: *const T) -> Self {
        Self { next: at.cast(), end: at.cast(), lines: 0, apart: 0 }
    }

    /// A part of which so many lines are due at a time.
    fn new(part: &[f32], lines: usize, apart: usize) -> Self {
        let Range { start, end } = part.as_ptr_range();
        Self { next: start, end, lines, apart }
    }

    /// Asks for what is due with a line of products, into the second cache. (Processors drop such requests while they
    /// take its prefetches for useless.)
    #[inline(always)]
    fn ask<S: Simd>(&mut self, simd: S) {
        for _ in 0..self.lines {
            self.next = simd.afresh(self.next);
            simd.prefetch_to_second(self.next);
            self.next = self.next.wrapping_add(self.apart);
        }
    }

    /// Asks for what is due with a turn, at most a line, into the first cache, which has room since B's panels pass
    /// through it and do not stay. Where nothing is due it asks for one line again and again, which takes less time
    /// than to find out.
    #[inline(always)]
    pub(super) fn ask_for_one<S: Simd>(&mut self, simd: S) {
        simd.prefetch(self.next);
        self.next = self.next.wrapping_add(self.apart);
    }

    fn is_done(&self) -> bool {
        self.next >= self.end
    }
}

impl Requests {
    /// Nothing is asked for.
    pub(super) const NONE: Self = Self([Stream::rest(core::ptr::null::<f32>()); 2]);

    #[inline(always)]
    pub(super) fn new<S: Simd, T: Operand, const UNIT_K: bool>(gemm: &Gemm<'_, T>) -> Self {
        let parts: [&[f32]; 2] = match gemm.ahead.0 {
            [lone, []] | [[], lone] => {
                // Processors read two streams ahead by themselves where one would have to do with less. Where these
                // are asked for one after the other, an empty one is to lie where there is memory.
                let first = if UNIT_K { lone.len() / LINE / 2 * LINE } else { lone.len() };
                lone.split_at(first).into()
            }
            both => both,
        };
        let len: usize = parts.iter().map(|part| part.len()).sum();
        if len == 0 {
            return Self([Stream::rest(gemm.b); 2]);
        }
        let (mut tiles, mut panel) = (0, 0);
        while panel < gemm.panels {
            let width = width::<S>(gemm.panels - panel, gemm.rows.1, gemm.turns);
            tiles += gemm.rows.0 * gemm.rows.1.div_ceil(S::TILE_ROWS[width - 1]);
            panel += width;
        }
        let [outer, middle, inner] = gemm.sum;
        let loops = tiles * outer.count * middle.count;
        let times = if UNIT_K {
            loops * inner.count.div_ceil(LINE)
        } else {
            loops * (inner.count / unroll::<S, UNIT_K>(S::TALL))
        };
        Self(parts.map(|part| {
            if UNIT_K {
                Stream::new(part, part.len().div_ceil(LINE).div_ceil(times.max(1)), LINE)
            } else {
                Stream::new(part, 1, len.div_ceil(times.max(1)).min(LINE))
            }
        }))
    }

    /// Whether there is something to ask for.
    #[inline(always)]
    pub(super) fn are_left(&self) -> bool {
        !self.0.iter().all(Stream::is_done)
    }

    /// Asks for what is due with a line of products.
    #[inline(always)]
    pub(super) fn ask<S: Simd>(&mut self, simd: S) {
        for stream in &mut self.0 {
            if !stream.is_done() {
                stream.ask(simd);
            }
        }
    }

    /// What a tile asks for with each turn.
    #[inline(always)]
    pub(super) fn of_a_tile(&self) -> Stream {
        self.0[0]
    }

    /// Goes on from where a tile's stream has come.
    #[inline(always)]
    pub(super) fn go_on(&mut self, stream: Stream) {
        self.0[0] = stream;
        if stream.is_done() {
            self.0.swap(0, 1);
            if self.0[0].is_done() {
                self.0[0].apart = 0;
            }
        }
    }
}

/// What a tile asks for of `C` and of the gate, unless it is a [`Trickle`]. One panel's lines are asked for when the tile
/// starts. Those of more panels would come so many at once that they made each other wait, and early enough to be gone
/// from the first cache when they are used: a share of them is asked for with each of the tile's last runs.
///
/// Lines are asked for in the order in which they lie, since the processor's own prefetches then run ahead.
pub(super) struct Prefetch<T, const R: usize, const P: usize, const UNIT_K: bool, const GATES: bool>
{
    /// The matrices that are asked for: `C`, or both.
    matrices: usize,
    /// Where what is asked for next lies in each.
    gate: *const T,
    c: *const T,
}

impl<T: Operand, const R: usize, const P: usize, const UNIT_K: bool, const GATES: bool>
    Prefetch<T, R, P, UNIT_K, GATES>
{
    /// What the tile asks for whose first sum is element `c`.
    #[inline(always)]
    pub(super) fn new(gemm: &Gemm<'_, T>, c: usize) -> Self {
        let matrices = match gemm.finish.step {
            _ if gemm.c_is_near => 0,
            Step::Gate if GATES => 2,
            _ => 1,
        };
        let gate = gemm.finish.operand.wrapping_add(c);
        Self { matrices, gate, c: gemm.c.wrapping_add(c) }
    }

    /// How many products are still to come when the first share is asked for.
    #[inline(always)]
    pub(super) const fn last(&self) -> usize {
        self.matrices * P * LINE
    }

    /// Asks for all of one panel.
    #[inline(always)]
    pub(super) fn all<S: Simd>(&mut self, simd: S, gemm: &Gemm<'_, T>) {
        if self.matrices > 0 {
            self.ask_for_c(simd, gemm);
        }
        if self.matrices > 1 {
            self.ask_for_gate(simd, gemm);
        }
    }

    /// Asks for what is due with a run when so many products, at most `last`, are still to come: first the gate, which
    /// is read, then `C`.
    #[inline(always)]
    pub(super) fn share<S: Simd>(&mut self, simd: S, gemm: &Gemm<'_, T>, to_come: usize) {
        if GATES && to_come > P * LINE {
            self.ask_for_gate(simd, gemm);
        } else {
            self.ask_for_c(simd, gemm);
        }
    }

    /// Asks for one of `P` shares of the gate.
    #[inline(always)]
    fn ask_for_gate<S: Simd>(&mut self, simd: S, gemm: &Gemm<'_, T>) {
        self.gate = Self::ask(simd, gemm, self.gate, |line| simd.prefetch(line));
    }

    /// Asks for one of `P` shares of `C`.
    #[inline(always)]
    fn ask_for_c<S: Simd>(&mut self, simd: S, gemm: &Gemm<'_, T>) {
        self.c = Self::ask(simd, gemm, self.c, |line| simd.prefetch_to_write(line.cast_mut()));
    }

    /// Asks for the share of a matrix that lies here; returns where the next one does.
    #[inline(always)]
    fn ask<S: Simd>(
        simd: S,
        gemm: &Gemm<'_, T>,
        mut at: *const T,
        ask: impl Fn(*const T),
    ) -> *const T {
        let (row, panel) = gemm.output.within_tile::<UNIT_K>();
        // A row's panels are neighbours, and else a panel's rows are.
        let (rows, panels) = if UNIT_K { (R.div_ceil(P), P) } else { (R, 1) };
        for _ in 0..rows {
            at = simd.afresh(at);
            for j in 0..panels {
                ask(at.wrapping_add(j * panel));
            }
            at = at.wrapping_add(row);
        }
        if !UNIT_K {
            at = at.wrapping_add(panel).wrapping_sub(rows * row);
        }
        at
    }
}

/// Lines that the widest gated tile asks for.
const MOST_LINES: usize = 48;

/// Where the lines of the gate and of `C` lie that a tile asks for one by one, in bytes from its first sum.
pub(super) struct Lines {
    offsets: [usize; MOST_LINES],
    count: usize,
}

impl Lines {
    /// Those of a tile of `R` rows and `P` panels: first the gate's, which are read.
    #[inline(always)]
    pub(super) fn new<T: Operand, const R: usize, const P: usize>(gemm: &Gemm<'_, T>) -> Self {
        assert!(2 * R * P <= MOST_LINES, "a tile of {R} rows and {P} panels");
        let mut lines = Self { offsets: [0; MOST_LINES], count: 0 };
        if gemm.finish.step == Step::Gate {
            lines.push::<T, R, P>(gemm, gemm.finish.operand.addr().wrapping_sub(gemm.c.addr()));
        }
        lines.push::<T, R, P>(gemm, 0);
        lines
    }

    /// Adds those of a matrix that lies so many bytes from `C`, modulo the size of memory.
    #[inline(always)]
    fn push<T: Operand, const R: usize, const P: usize>(
        &mut self,
        gemm: &Gemm<'_, T>,
        distance: usize,
    ) {
        for i in 0..R {
            for j in 0..P {
                let at = (i * gemm.output.row + j * gemm.output.panel) * size_of::<T>();
                self.offsets[self.count + i * P + j] = at.wrapping_add(distance);
            }
        }
        self.count += R * P;
    }
}

/// What a tile asks for line by line, one with each of its last turns that are written out, for which its loop need not
/// be interrupted. Until then the first is asked for again and again, as in [`Stream::ask_for_one`].
pub(super) struct Trickle<'a> {
    lines: Option<&'a Lines>,
    /// The tile's first sum.
    first: *const u8,
    next: *const usize,
    /// Whether lines are due, 1 or 0.
    step: usize,
}

impl<'a> Trickle<'a> {
    /// The tile's whose first sum is at `c`, if it has lines.
    #[inline(always)]
    pub(super) fn new<T>(lines: Option<&'a Lines>, c: *const T) -> Self {
        let next = lines.map_or(core::ptr::null(), |lines| lines.offsets.as_ptr());
        Self { lines, first: c.cast(), next, step: 0 }
    }

    /// How many of the next products, with so many more to come, go in one run, where `unroll` turns are written out.
    #[inline(always)]
    pub(super) fn run(&mut self, to_come: usize, unroll: usize) -> usize {
        let last = self.lines.map_or(0, |lines| lines.count) * unroll;
        if to_come > last {
            return to_come - last;
        }
        self.step = 1;
        to_come
    }

    /// Asks for the next line that is due.
    ///
    /// # Safety
    /// The tile must have lines, and ask at most once for each `unroll` products.
    #[inline(always)]
    pub(super) unsafe fn ask_for_one<S: Simd>(&mut self, simd: S) {
        // SAFETY: lines are due with no more than the last `count · unroll` products, so that there are enough.
        unsafe {
            simd.prefetch(self.first.wrapping_add(*self.next));
            self.next = self.next.add(self.step);
        }
    }
}
