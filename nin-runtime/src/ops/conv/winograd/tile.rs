//! The transforms: one-dimensional ones, which the compiler derives and writes, and their
//! combination for tiles.

use crate::simd::{Simd, Vector};
use core::marker::PhantomData;

/// The linear maps of F(M, R), which computes M outputs of a kernel of R from T = M + R − 1 inputs.
///
/// The compiler derives them from interpolation points in exact fractions (Cook–Toom) and writes
/// them as straight-line code.
pub trait Transform<const M: usize, const R: usize, const T: usize>:
    Copy + Send + Sync + 'static
{
    /// The point at which A gives the sum of the outputs' gradients, if there is one.
    const SUM: Option<usize>;

    /// Bᵀ: inputs to points.
    fn input<V: Vector>(x: [V; T]) -> [V; T];
    /// G: weights to points.
    fn weight<V: Vector>(x: [V; R]) -> [V; T];
    /// Aᵀ: products at the points to outputs.
    fn output<V: Vector>(x: [V; T]) -> [V; M];
    /// A: the gradient of the outputs to points.
    fn output_adjoint<V: Vector>(x: [V; M]) -> [V; T];
    /// Gᵀ: the gradient at the points to the weights.
    fn weight_adjoint<V: Vector>(x: [V; T]) -> [V; R];
}

/// A grid of vectors in memory: row and column strides in elements.
#[derive(Clone, Copy)]
pub struct Grid<P> {
    pub(super) start: P,
    pub(super) row: usize,
    pub(super) column: usize,
}

/// The largest tile that transforms are made for, points; it has no more outputs or taps.
pub(super) const MAX_POINTS: usize = 64;

/// Whether a tile is the last along rows and along columns, and smaller than the others.
pub type IsEdge = (bool, bool);

/// The two-dimensional maps of a tile, rows × columns.
///
/// Each reads a grid of vectors and writes another. The last tiles along an axis may have fewer outputs:
/// their maps then are those of smaller tiles, whose points are the first of a whole tile's, so that
/// all are multiplied by the same transformed weights.
///
/// # Safety
/// Of an implementation: `TILE` is `OUTPUT + KERNEL - 1` along both axes, with at most 64 points in all,
/// and so is `EDGE_TILE` of `EDGE_OUTPUT`, which is no larger than `OUTPUT`. Each map writes its whole
/// grid and touches nothing else.
///
/// Of a call of a map: the grids must be valid for reading and for writing as many vectors as the map's
/// name says, and the second must not overlap the first.
#[expect(clippy::missing_safety_doc, reason = "the trait says it once for all of its maps")]
pub unsafe trait Tile: Copy + Send + Sync + 'static {
    /// Outputs of a tile.
    const OUTPUT: (usize, usize);
    /// The kernel's size.
    const KERNEL: (usize, usize);
    /// Inputs of a tile, and points.
    const TILE: (usize, usize);
    /// Outputs of the last tile along each axis where it is smaller, else as of the others.
    const EDGE_OUTPUT: (usize, usize);
    /// Its inputs and points.
    const EDGE_TILE: (usize, usize);
    /// The point, of those that all tiles have, at which E is the sum of dY, if there is one.
    const SUM: Option<(usize, usize)>;

    /// V = Bᵀ·X·B: a tile of inputs to points.
    unsafe fn input<S: Simd>(s: S, edge: IsEdge, x: Grid<*const f32>, v: Grid<*mut f32>);
    /// U = G·W·Gᵀ: a kernel to points.
    unsafe fn weight<S: Simd>(s: S, w: Grid<*const f32>, u: Grid<*mut f32>);
    /// Y = Aᵀ·M·A: points to a tile of outputs.
    unsafe fn output<S: Simd>(s: S, edge: IsEdge, m: Grid<*const f32>, y: Grid<*mut f32>);
    /// E = A·dY·Aᵀ: the gradient of a tile of outputs to points.
    unsafe fn output_adjoint<S: Simd>(s: S, edge: IsEdge, dy: Grid<*const f32>, e: Grid<*mut f32>);
    /// dW = Gᵀ·dU·G: the gradient at points to that of a kernel.
    unsafe fn weight_adjoint<S: Simd>(s: S, du: Grid<*const f32>, dw: Grid<*mut f32>);
}

/// A map of a tile: each of A rows from B to D values, then each of D columns from A to C.
///
/// A macro, since a call through `impl Fn` is not always inlined, and then not compiled for the
/// instruction set.
macro_rules! separable {
    ($map:ident($($edge:ty)?): $a:ident, $b:ident => $c:ident, $d:ident) => {
        #[inline(always)]
        unsafe fn $map<S: Simd>(
            s: S,
            $(_: $edge,)?
            from: Grid<*const f32>,
            to: Grid<*mut f32>,
        ) {
            let zero = s.splat(0.0);
            let mut middle = [[zero; $d]; $a];
            for (i, middle) in middle.iter_mut().enumerate() {
                let mut row = [zero; $b];
                for (j, value) in row.iter_mut().enumerate() {
                    // SAFETY: (i, j) lies in the grid that the caller vouches for.
                    *value = unsafe { s.load(from.start.add(i * from.row + j * from.column)) };
                }
                *middle = if S::IS_WIDE { call(Columns::$map, row) } else { Columns::$map(row) };
            }
            for j in 0..$d {
                let mut column = [zero; $a];
                for (value, row) in column.iter_mut().zip(&middle) {
                    *value = row[j];
                }
                let column = if S::IS_WIDE { call(Rows::$map, column) } else { Rows::$map(column) };
                for (i, &value) in column.iter().enumerate() {
                    // SAFETY: (i, j) lies in the grid that the caller vouches for.
                    unsafe { s.store(to.start.add(i * to.row + j * to.column), value) };
                }
            }
        }
    };
}

/// `f(x)`, never inlined: one copy of a transform serves all rows or columns, and all sizes of tiles.
#[inline(never)]
pub(in crate::ops::conv) fn call<X, Y>(f: impl Fn(X) -> Y, x: X) -> Y {
    f(x)
}

/// Tiles whose rows are transformed by one [`Transform`], `Rows`, and whose columns by another.
#[derive(Clone, Copy)]
pub struct Tiles<
    Rows,
    Columns,
    const RM: usize,
    const RR: usize,
    const RT: usize,
    const CM: usize,
    const CR: usize,
    const CT: usize,
>(PhantomData<(Rows, Columns)>);

// SAFETY: `TILE` does not compile with other sizes; the maps run over the grids that the sizes say.
unsafe impl<
    Rows: Transform<RM, RR, RT>,
    Columns: Transform<CM, CR, CT>,
    const RM: usize,
    const RR: usize,
    const RT: usize,
    const CM: usize,
    const CR: usize,
    const CT: usize,
> Tile for Tiles<Rows, Columns, RM, RR, RT, CM, CR, CT>
{
    const OUTPUT: (usize, usize) = (RM, CM);
    const KERNEL: (usize, usize) = (RR, CR);
    const TILE: (usize, usize) = {
        assert!(RM > 0 && RR > 0 && CM > 0 && CR > 0, "a tile has outputs and a kernel taps");
        assert!(RT == RM + RR - 1 && CT == CM + CR - 1, "a tile has a point for each input");
        assert!(RT * CT <= MAX_POINTS, "a tile has at most 64 points");
        (RT, CT)
    };
    const EDGE_OUTPUT: (usize, usize) = Self::OUTPUT;
    const EDGE_TILE: (usize, usize) = Self::TILE;
    const SUM: Option<(usize, usize)> = match (Rows::SUM, Columns::SUM) {
        (Some(row), Some(column)) => Some((row, column)),
        _ => None,
    };

    separable!(input(IsEdge): RT, CT => RT, CT);
    separable!(weight(): RR, CR => RT, CT);
    separable!(output(IsEdge): RT, CT => RM, CM);
    separable!(output_adjoint(IsEdge): RM, CM => RT, CT);
    separable!(weight_adjoint(): RT, CT => RR, CR);
}

/// Tiles of which those at the edges of the output are smaller: the last in a row, `Right`, the last in a
/// column, `Bottom`, and the one that is both, `Corner`. An axis along which all are alike has the same
/// sizes in all.
#[derive(Clone, Copy)]
pub struct Ragged<Whole, Right, Bottom, Corner>(PhantomData<(Whole, Right, Bottom, Corner)>);

/// Of the tiles that [`Ragged`] is made of, each stands for itself.
const NO_EDGE: IsEdge = (false, false);

const fn same(a: (usize, usize), b: (usize, usize)) -> bool {
    a.0 == b.0 && a.1 == b.1
}

/// A map by the tile that stands at an edge.
macro_rules! at_edges {
    ($map:ident) => {
        #[inline(always)]
        unsafe fn $map<S: Simd>(s: S, edge: IsEdge, from: Grid<*const f32>, to: Grid<*mut f32>) {
            // SAFETY: the caller's promise, which is for the tile at this edge.
            unsafe {
                match edge {
                    (false, false) => Whole::$map(s, NO_EDGE, from, to),
                    (false, true) => Right::$map(s, NO_EDGE, from, to),
                    (true, false) => Bottom::$map(s, NO_EDGE, from, to),
                    (true, true) => Corner::$map(s, NO_EDGE, from, to),
                }
            }
        }
    };
}

// SAFETY: `EDGE_TILE` does not compile with sizes that do not fit together; the maps are those of tiles.
unsafe impl<Whole: Tile, Right: Tile, Bottom: Tile, Corner: Tile> Tile
    for Ragged<Whole, Right, Bottom, Corner>
{
    const OUTPUT: (usize, usize) = Whole::OUTPUT;
    const KERNEL: (usize, usize) = Whole::KERNEL;
    const TILE: (usize, usize) = Whole::TILE;
    const EDGE_OUTPUT: (usize, usize) = Corner::OUTPUT;
    const EDGE_TILE: (usize, usize) = {
        let (whole, corner) = (Whole::TILE, Corner::TILE);
        assert!(corner.0 <= whole.0 && corner.1 <= whole.1, "a tile at an edge is not larger");
        assert!(same(Right::TILE, (whole.0, corner.1)), "the last of a row");
        assert!(same(Bottom::TILE, (corner.0, whole.1)), "the last of a column");
        let kernel = Whole::KERNEL;
        assert!(same(Right::KERNEL, kernel) && same(Bottom::KERNEL, kernel), "one kernel");
        assert!(same(Corner::KERNEL, kernel), "one kernel");
        Corner::TILE
    };
    const SUM: Option<(usize, usize)> = match (Whole::SUM, Right::SUM, Bottom::SUM, Corner::SUM) {
        (Some(sum), Some(right), Some(bottom), Some(corner))
            if same(sum, right) && same(sum, bottom) && same(sum, corner) =>
        {
            Some(sum)
        }
        _ => None,
    };

    at_edges!(input);
    at_edges!(output);
    at_edges!(output_adjoint);

    #[inline(always)]
    unsafe fn weight<S: Simd>(s: S, w: Grid<*const f32>, u: Grid<*mut f32>) {
        // SAFETY: the caller's promise.
        unsafe { Whole::weight(s, w, u) }
    }

    #[inline(always)]
    unsafe fn weight_adjoint<S: Simd>(s: S, du: Grid<*const f32>, dw: Grid<*mut f32>) {
        // SAFETY: the caller's promise.
        unsafe { Whole::weight_adjoint(s, du, dw) }
    }
}
