//! The forward pass of a first layer by minimal filtering along rows, without a trip through memory.
//!
//! With the linear maps of [`Transform`], M outputs of a row are `Aᵀ[Σ (G·w) ⊙ (Bᵀ·x)]`, where the sum runs over
//! the kernel's rows and the few channels of an image. The sums stay in registers until they are transformed back:
//! as matrix products, the tiles of so few channels would take longer to write and read than to compute.

use super::direct::{Block, Blocks, even_shares};
use super::mlp::{self, InBlocks, Pointwise};
use super::winograd::{Transform, call};
use super::{ConvShape, Forward, LANES, larger};
use crate::simd::{Isa, Kernel, PANEL, Simd, Vector, padded};
use crate::{Context, DisjointMut, Order};
use core::marker::PhantomData;
use core::ops::Range;

/// Elements of transformed rows that a thread has at a time: 32 KiB, if those of a block take no more.
const STRIP: usize = 1 << 13;

/// How an image's rows lie when they are transformed: `[planes][rows][groups of PANEL tiles][points][PANEL]`.
#[derive(Clone, Copy)]
struct Rows {
    planes: usize,
    /// Rows of the kernel.
    kernel: usize,
    /// Tiles of a row, and groups of them.
    tiles: usize,
    groups: usize,
    /// Outputs and points of a tile.
    m: usize,
    t: usize,
}

impl Rows {
    const fn new(shape: &ConvShape, m: usize, t: usize) -> Self {
        let tiles = shape.output().1.div_ceil(m);
        let groups = tiles.div_ceil(PANEL);
        Self { planes: shape.ci, kernel: shape.kernel.0, tiles, groups, m, t }
    }

    /// Elements of a transformed row.
    const fn row(&self) -> usize {
        self.groups * self.t * PANEL
    }

    /// Elements of a row that is taken apart: one of every `m` inputs, from the first, the second and so on.
    const fn apart(&self) -> usize {
        self.m * self.pitch()
    }

    /// Elements of each.
    const fn pitch(&self) -> usize {
        self.groups * PANEL + (self.t - 1) / self.m
    }

    /// Elements for so many rows of output.
    const fn len(&self, rows: usize) -> usize {
        self.planes * (rows + self.kernel - 1) * self.row() + self.apart()
    }

    /// Rows of output that so many elements suffice for.
    fn fitting(&self, len: usize) -> usize {
        ((len - self.apart()) / (self.planes * self.row()) + 1).saturating_sub(self.kernel)
    }
}

impl ConvShape {
    /// Elements of the weights as [`Forward::rowwise`] reads them, transformed to tiles of `t`.
    #[must_use]
    pub const fn rowwise_weights_len(&self, t: usize) -> usize {
        padded(self.co) * self.ci * self.kernel.0 * t
    }

    /// Elements of work space that [`Forward::rowwise`] needs for tiles of `t` with `m` outputs, besides
    /// [`mlp_work`](Self::mlp_work).
    #[must_use]
    pub const fn rowwise_work(&self, m: usize, t: usize) -> usize {
        let rows = Rows::new(self, m, t);
        let (least, whole) = (rows.len(1), rows.len(self.output().0));
        let most = larger(least, STRIP);
        LANES * if whole < most { whole } else { most }
    }

    /// Transforms the weights in the arena, to `[panels][ci][kernel rows][points][PANEL]`.
    ///
    /// # Panics
    /// If a slice does not have the length that the geometry says.
    pub fn rowwise_weights<W, const M: usize, const R: usize, const T: usize>(
        &self,
        cx: &Context,
        weights: &[f32],
        transformed: &mut [f32],
    ) where
        W: Transform<M, R, T>,
    {
        self.check_rowwise(R);
        assert_eq!(weights.len(), self.weights_len(), "weights of {self:?}");
        assert_eq!(transformed.len(), self.rowwise_weights_len(T), "transformed weights, {self:?}");
        let (depth, work) = (self.ci * self.kernel.0, 8 * transformed.len());
        let to = DisjointMut::new(transformed);
        cx.for_each(self.panels(), work, |panel| {
            let (w, u) = (depth * R * PANEL, depth * T * PANEL);
            // SAFETY: panels do not overlap.
            let u = unsafe { to.part(panel * u..(panel + 1) * u) };
            let (w, _) = weights[panel * w..(panel + 1) * w].as_chunks::<PANEL>();
            for (w, u) in w.chunks_exact(R).zip(u.chunks_exact_mut(T * PANEL)) {
                for lane in 0..PANEL {
                    let points = W::weight(core::array::from_fn(|i| w[i][lane]));
                    for (u, point) in u.chunks_exact_mut(PANEL).zip(points) {
                        u[lane] = point;
                    }
                }
            }
        });
    }

    /// Holds the geometry to what is computed here.
    fn check_rowwise(&self, r: usize) {
        assert_eq!((self.order, self.stride), (Order::Planar, (1, 1)), "{self:?} along rows");
        assert_eq!(self.kernel.1, r, "the transform is for another kernel");
    }
}

impl Forward<'_> {
    /// Computes the pass from weights that were [transformed](ConvShape::rowwise_weights) by F(M, R), and pointwise
    /// layers after it; `y` is the last one's output.
    ///
    /// # Panics
    /// If layers do not fit each other, or a slice does not have the length that the geometries say: `work`
    /// [`rowwise_work`](ConvShape::rowwise_work) and [`mlp_work`](ConvShape::mlp_work).
    pub fn rowwise<W, const M: usize, const R: usize, const T: usize>(
        &self,
        cx: &Context,
        transformed: &[f32],
        next: &[Pointwise<'_>],
        y: &mut [f32],
        work: &mut [f32],
    ) where
        W: Transform<M, R, T>,
    {
        self.check_operands();
        self.shape.check_rowwise(R);
        assert_eq!(
            transformed.len(),
            self.shape.rowwise_weights_len(T),
            "weights of {:?}",
            self.shape
        );
        let rows = Rows::new(self.shape, M, T);
        let first = Rowwise::<W, M, R, T> { pass: self, rows, transformed, by: PhantomData };
        mlp::run(cx, &first, next, y, work.split_at_mut(self.shape.rowwise_work(M, T)));
    }
}

/// The layer with its transformed weights.
struct Rowwise<'a, W, const M: usize, const R: usize, const T: usize> {
    pass: &'a Forward<'a>,
    rows: Rows,
    transformed: &'a [f32],
    by: PhantomData<W>,
}

impl<W, const M: usize, const R: usize, const T: usize> InBlocks for Rowwise<'_, W, M, R, T>
where
    W: Transform<M, R, T>,
{
    fn shape(&self) -> &ConvShape {
        self.pass.shape
    }

    fn images(&self) -> usize {
        self.pass.n
    }

    fn smallest(&self) -> (usize, usize) {
        (self.pass.shape.output().1, self.rows.len(1))
    }

    fn blocks(&self, pixels: usize, strip: usize, shares: usize) -> Blocks {
        let (n, (h, w)) = (self.pass.n, self.pass.shape.output());
        let most = (pixels / w).min(self.rows.fitting(strip)).max(1);
        Blocks::of_rows(n, (h, w), even_shares(h, most, shares.div_ceil(n)))
    }

    fn compute(&self, isa: Isa, block: &Block, strip: &mut [f32], y: &mut [f32]) {
        let (height, rows, shape) = (block.rows.len(), &self.rows, self.pass.shape);
        assert!(strip.len() >= rows.len(height), "{} elements for {height} rows", strip.len());
        assert_eq!(y.len(), height * shape.output().1 * padded(shape.co), "a block of {shape:?}");
        let (apart, v) = strip.split_at_mut(rows.apart());
        isa.run(RowwiseBlock { layer: self, block, apart, v, y });
    }
}

struct RowwiseBlock<'a, W, const M: usize, const R: usize, const T: usize> {
    layer: &'a Rowwise<'a, W, M, R, T>,
    block: &'a Block,
    apart: &'a mut [f32],
    v: &'a mut [f32],
    y: &'a mut [f32],
}

impl<W, const M: usize, const R: usize, const T: usize> Kernel for RowwiseBlock<'_, W, M, R, T>
where
    W: Transform<M, R, T>,
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { layer, block, apart, v, y } = self;
        let (v, y, height) = (v.as_mut_ptr(), y.as_mut_ptr(), block.rows.len());
        // SAFETY: `compute` has held work space and output to their lengths.
        unsafe {
            layer.transform(s, block, apart, v);
            // Where there are registers for the sums of several tiles, they share the reading of weights.
            match S::TILE_ROWS.len() {
                1 => layer.multiply::<S, 1>(s, height, v, y),
                _ => layer.multiply::<S, 3>(s, height, v, y),
            }
        }
    }
}

impl<W, const M: usize, const R: usize, const T: usize> Rowwise<'_, W, M, R, T>
where
    W: Transform<M, R, T>,
{
    /// Transforms the rows of the image that a block reads.
    ///
    /// # Safety
    /// `apart` and `v` must have room for them.
    #[inline(always)]
    unsafe fn transform<S: Simd>(&self, s: S, block: &Block, apart: &mut [f32], v: *mut f32) {
        let (shape, rows) = (self.pass.shape, &self.rows);
        let ((h, w), (top, left)) = (shape.input, shape.padding);
        let image = self.pass.x.image(block.image, shape.input_len());
        let mut v = v;
        for plane in 0..rows.planes {
            for y in block.rows.start..block.rows.end + rows.kernel - 1 {
                let y = y.wrapping_sub(top);
                let row = if y < h { &image[(plane * h + y) * w..][..w] } else { &[] };
                take_apart(row, left, (M, rows.pitch()), apart);
                for tile in (0..rows.tiles).step_by(S::LANES) {
                    // SAFETY: vectors end with a group of tiles, and so before the end of what was taken apart and of
                    // the row.
                    unsafe {
                        let from = apart.as_ptr().add(tile);
                        let to = v.add(tile / PANEL * T * PANEL + tile % PANEL);
                        let x = |i: usize| s.load(from.add(i % M * rows.pitch() + i / M));
                        let x = core::array::from_fn(x);
                        let points = if S::IS_WIDE { call(W::input, x) } else { W::input(x) };
                        for (i, point) in points.into_iter().enumerate() {
                            s.store(to.add(i * PANEL), point);
                        }
                    }
                }
                v = v.wrapping_add(rows.row());
            }
        }
    }

    /// Sums products over the kernel's rows and the planes, and transforms them back, `N` tiles at a time.
    ///
    /// # Safety
    /// `v` must have the transformed rows for so many rows of output, and `y` room for these.
    #[inline(always)]
    unsafe fn multiply<S: Simd, const N: usize>(
        &self,
        s: S,
        height: usize,
        v: *const f32,
        y: *mut f32,
    ) {
        // A copy of the sizes: those behind a reference would be read again after each store.
        let (shape, rows) = (self.pass.shape, self.rows);
        let (w, co, vectors) = (shape.output().1, padded(shape.co), PANEL / S::LANES);
        let least = s.splat(if self.pass.relu { 0.0 } else { f32::NEG_INFINITY });
        let depth = rows.planes * rows.kernel * T * PANEL;
        let (bias, _) = self.pass.bias.as_chunks::<PANEL>();
        for ((panel, u), bias) in self.transformed.chunks_exact(depth).enumerate().zip(bias) {
            let mut next = Place::new(v, y.wrapping_add(panel * PANEL));
            let mut left = height * rows.tiles;
            while left > 0 {
                // Behind the last tile that one again.
                let places = core::array::from_fn::<_, N, _>(|_| {
                    let this = next;
                    if left > 1 {
                        next = this.next(rows, w * co, M * co);
                    }
                    left = left.saturating_sub(1);
                    this
                });
                // SAFETY: the tiles lie in rows of `v` and their outputs in rows of `y`; vectors end with their panel.
                unsafe {
                    let sums = Self::sums(s, rows, places.map(|place| place.v), u.as_ptr(), height);
                    for (sums, place) in sums.into_iter().zip(places) {
                        let valid = w - place.tile * M;
                        for (j, &sums) in sums[..vectors].iter().enumerate() {
                            let outputs =
                                if S::IS_WIDE { call(W::output, sums) } else { W::output(sums) };
                            let bias = s.load(bias.as_ptr().add(j * S::LANES));
                            let outputs = outputs.map(|output| s.max(least, output + bias));
                            let y = place.y.add(j * S::LANES);
                            if valid >= M {
                                for (i, output) in outputs.into_iter().enumerate() {
                                    s.store(y.add(i * co), output);
                                }
                            } else {
                                // A loop as long as that stays unrolled, and outputs in registers.
                                for (i, output) in outputs.into_iter().enumerate() {
                                    if i < valid {
                                        s.store(y.add(i * co), output);
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// The sums at all points of the tiles that start at `v`, for a panel's channels.
    ///
    /// # Safety
    /// As for [`multiply`](Self::multiply), and `u` must point to the panel's weights.
    #[inline(always)]
    unsafe fn sums<S: Simd, const N: usize>(
        s: S,
        rows: Rows,
        v: [*const f32; N],
        u: *const f32,
        height: usize,
    ) -> [Sums<S, T>; N] {
        let mut sums = [[[s.splat(0.0); T]; MAX_VECTORS]; N];
        // Where a panel has several vectors, there are no registers for all points at a time.
        let half = if PANEL > S::LANES { T / 2 } else { T };
        // SAFETY: the caller's promise.
        unsafe {
            Self::add_points(s, rows, (v, u), height, 0..half, &mut sums);
            Self::add_points(s, rows, (v, u), height, half..T, &mut sums);
        }
        sums
    }

    /// Adds all products at some points.
    ///
    /// # Safety
    /// As for [`sums`](Self::sums).
    #[inline(always)]
    unsafe fn add_points<S: Simd, const N: usize>(
        s: S,
        rows: Rows,
        (mut v, mut u): ([*const f32; N], *const f32),
        height: usize,
        points: Range<usize>,
        sums: &mut [Sums<S, T>; N],
    ) {
        if points.is_empty() {
            return;
        }
        for _ in 0..rows.planes {
            // SAFETY: the caller's promise.
            unsafe {
                // Kernels are square as a rule, and then the loop is written out.
                if rows.kernel == R {
                    for _ in 0..R {
                        (v, u) = Self::add_row(s, rows, (v, u), points.clone(), sums);
                    }
                } else {
                    for _ in 0..rows.kernel {
                        (v, u) = Self::add_row(s, rows, (v, u), points.clone(), sums);
                    }
                }
            }
            // The other rows of the block have passed.
            v = v.map(|v| v.wrapping_add((height - 1) * rows.row()));
        }
    }

    /// Adds the products with a row of the kernel at some points, and goes on to the next row.
    ///
    /// # Safety
    /// As for [`sums`](Self::sums).
    #[inline(always)]
    unsafe fn add_row<S: Simd, const N: usize>(
        s: S,
        rows: Rows,
        (v, u): ([*const f32; N], *const f32),
        points: Range<usize>,
        sums: &mut [Sums<S, T>; N],
    ) -> ([*const f32; N], *const f32) {
        for i in points {
            // SAFETY: the caller's promise.
            unsafe {
                let mut weights = [s.splat(0.0); MAX_VECTORS];
                let weights = &mut weights[..PANEL / S::LANES];
                for (j, weights) in weights.iter_mut().enumerate() {
                    *weights = s.load(u.add(i * PANEL + j * S::LANES));
                }
                for (sums, v) in sums.iter_mut().zip(v) {
                    let x = s.splat(*v.add(i * PANEL));
                    for (sums, &weights) in sums.iter_mut().zip(&*weights) {
                        sums[i] = x.mul_add(weights, sums[i]);
                    }
                }
            }
        }
        (v.map(|v| s.afresh(v.wrapping_add(rows.row()))), u.wrapping_add(T * PANEL))
    }
}

/// Vectors of a panel at most.
const MAX_VECTORS: usize = 4;

/// The sums of a tile at its points, for each vector of a panel; those that a panel has not stay unused.
type Sums<S, const T: usize> = [[<S as Simd>::V; T]; MAX_VECTORS];

/// Takes a row apart: the first of every `m` pixels of its padded form, then the second and so on, `pitch` elements
/// apart. One copy serves all instruction sets.
#[inline(never)]
fn take_apart(row: &[f32], left: usize, (m, pitch): (usize, usize), to: &mut [f32]) {
    to.fill(0.0);
    let (whole, part) = (left / m, left % m);
    for (i, to) in to.chunks_exact_mut(pitch).enumerate() {
        // The first pixel of the row itself that belongs here, and its place there.
        let (mut pixel, place) =
            if i < part { (i + m - part, whole + 1) } else { (i - part, whole) };
        for to in &mut to[place..] {
            let Some(&x) = row.get(pixel) else { break };
            *to = x;
            pixel += m;
        }
    }
}

/// Where a tile stands among those of a block.
#[derive(Clone, Copy)]
struct Place {
    /// Its number in its row, and its first point and output.
    tile: usize,
    v: *const f32,
    y: *mut f32,
    /// Those of the row's first tile.
    row: (*const f32, *mut f32),
}

impl Place {
    /// The first tile, whose points and outputs start here.
    #[inline(always)]
    fn new(v: *const f32, y: *mut f32) -> Self {
        Self { tile: 0, v, y, row: (v, y) }
    }

    /// The next one, where rows of output are `row` elements apart and outputs of tiles `tile`.
    #[inline(always)]
    fn next(mut self, rows: Rows, row: usize, tile: usize) -> Self {
        self.tile += 1;
        if self.tile == rows.tiles {
            let (v, y) = self.row;
            return Self::new(v.wrapping_add(rows.row()), y.wrapping_add(row));
        }
        let starts_group = self.tile.is_multiple_of(PANEL);
        let group = if starts_group { (rows.t - 1) * PANEL } else { 0 };
        self.v = self.v.wrapping_add(1 + group);
        self.y = self.y.wrapping_add(tile);
        self
    }
}

#[cfg(all(test, feature = "std"))]
mod tests;
