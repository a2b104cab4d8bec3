//! The stages that the passes are made of: transforming tiles, multiplying, transforming back.

use super::tile::{Grid, IsEdge, MAX_POINTS, Tile};
use super::tiling::{PerTile, Row, Tiling, for_each_tile};
use super::{Group, Problem, spread};
use crate::gemm::{Ahead, Axis, Finish, Gemm, Output};
use crate::simd::{Kernel, LINE, PANEL, Simd, padded};
use crate::{Context, DisjointMut};
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ops::Range;

/// Activations of one image, of which tiles are read; around them everything is zero.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) data: &'a [f32],
    pub(super) size: (usize, usize),
    /// Padded channels.
    pub(super) channels: usize,
}

/// What a tile's values are mapped by: the input's transform, or that of the output's gradient.
pub(super) trait Scatter: Send + Sync + 'static {
    type Tile: Tile;
    /// Rows and columns that a tile reads, and one at the edges.
    const READ: [(usize, usize); 2];
    /// Whether no two tiles read the same, so that a tile finds nothing near unless the last one asked for it.
    const READS_ONCE: bool;
    unsafe fn map<S: Simd>(s: S, edge: IsEdge, from: Grid<*const f32>, to: Grid<*mut f32>);
}

/// [`Tile::input`] as a [`Scatter`].
pub(super) struct OfInput<W>(PhantomData<W>);

impl<W: Tile> Scatter for OfInput<W> {
    type Tile = W;
    const READ: [(usize, usize); 2] = [W::TILE, W::EDGE_TILE];
    const READS_ONCE: bool = false;

    #[inline(always)]
    unsafe fn map<S: Simd>(s: S, edge: IsEdge, from: Grid<*const f32>, to: Grid<*mut f32>) {
        // SAFETY: the caller's promise.
        unsafe { W::input(s, edge, from, to) }
    }
}

/// [`Tile::output_adjoint`] as a [`Scatter`].
pub(super) struct OfGradient<W>(PhantomData<W>);

impl<W: Tile> Scatter for OfGradient<W> {
    type Tile = W;
    const READ: [(usize, usize); 2] = [W::OUTPUT, W::EDGE_OUTPUT];
    const READS_ONCE: bool = true;

    #[inline(always)]
    unsafe fn map<S: Simd>(s: S, edge: IsEdge, from: Grid<*const f32>, to: Grid<*mut f32>) {
        // SAFETY: the caller's promise.
        unsafe { W::output_adjoint(s, edge, from, to) }
    }
}

/// Transforms all tiles of `images` images: `to` becomes `[points][images · tiles][channels]`, with the
/// given part of the field's channels.
pub(super) fn scatter<'a, M: Scatter>(
    cx: &Context,
    images: usize,
    (tiling, padding): (Tiling, (usize, usize)),
    field: impl Fn(usize) -> Field<'a> + Sync,
    part: Range<usize>,
    to: &mut [f32],
) {
    let len = to.len();
    let to = DisjointMut::new(to);
    let (rows, columns) = tiling.tiles();
    let (all, channels) = (images * rows * columns, part.len());
    cx.for_each(images * rows, 2 * len, |task| {
        let (image, tile_row) = (task / rows, task % rows);
        let field = field(image);
        assert_eq!(field.data.len(), field.size.0 * field.size.1 * field.channels);
        assert!(part.end <= field.channels);
        let point = spread(all * channels);
        assert!(tiling.points() * point <= len);
        cx.isa().run(ScatterRow::<M> {
            field,
            part: part.clone(),
            y: (tile_row * M::Tile::OUTPUT.0).wrapping_sub(padding.0),
            padding: padding.1,
            tiles: tiling.row(images, image, tile_row),
            to: to.as_mut_ptr(),
            point,
            map: PhantomData,
        });
    });
}

/// One row of tiles.
struct ScatterRow<'a, M> {
    field: Field<'a>,
    part: Range<usize>,
    /// The first row that its tiles read; before the field it wraps around.
    y: usize,
    padding: usize,
    tiles: Row,
    to: *mut f32,
    /// Elements between points.
    point: usize,
    map: PhantomData<M>,
}

impl<M: Scatter> Kernel for ScatterRow<'_, M> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // SAFETY: `scatter` holds all tiles' points to the buffer.
        unsafe { for_each_tile(s, self.tiles, &self) };
    }
}

impl<M: Scatter> PerTile for ScatterRow<'_, M> {
    type Tile = M::Tile;

    #[inline(always)]
    unsafe fn tile<S: Simd>(&self, s: S, edge: IsEdge, t: usize, number: usize) {
        /// How many cache lines of each point are on their way before they are written. A matrix for each
        /// point is more streams than a processor follows by itself.
        const AHEAD: usize = 2;
        let Field { data, size: (h, w), channels } = self.field;
        let rows = M::READ[usize::from(edge.0)].0;
        let columns = M::READ[usize::from(edge.1)].1;
        let x = (t * M::Tile::OUTPUT.1).wrapping_sub(self.padding);
        let inside = self.y < h && self.y + rows <= h && x < w && x + columns <= w;
        for c in (0..self.part.len()).step_by(S::LANES) {
            let (point, from_c) = (self.point, self.part.start + c);
            // SAFETY: the caller vouches for the points; vectors lie in their pixel, and pixels in the
            // field as `inside` or the copy's tests say.
            unsafe {
                let to = self.to.add(number * self.part.len() + c);
                let next = to.wrapping_add(AHEAD * LINE);
                for i in 0..M::Tile::TILE.0 * M::Tile::TILE.1 {
                    s.prefetch_to_write(next.wrapping_add(i * point));
                }
                let to = Grid { start: to, row: M::Tile::TILE.1 * point, column: point };
                if inside {
                    let start = data.as_ptr().add((self.y * w + x) * channels + from_c);
                    if M::READS_ONCE {
                        let next = start.wrapping_add(columns * channels);
                        for i in 0..rows {
                            for j in 0..columns {
                                s.prefetch(next.wrapping_add((i * w + j) * channels));
                            }
                        }
                    }
                    M::map(s, edge, Grid { start, row: w * channels, column: channels }, to);
                    continue;
                }
                let mut copy = MaybeUninit::<[S::V; MAX_POINTS]>::uninit();
                let copy = copy.as_mut_ptr().cast::<f32>();
                for i in 0..rows {
                    let y = self.y.wrapping_add(i);
                    for j in 0..columns {
                        let x = x.wrapping_add(j);
                        let value = if y < h && x < w {
                            s.load(data.as_ptr().add((y * w + x) * channels + from_c))
                        } else {
                            s.splat(0.0)
                        };
                        s.store(copy.add((i * columns + j) * S::LANES), value);
                    }
                }
                let from =
                    Grid { start: copy.cast_const(), row: columns * S::LANES, column: S::LANES };
                M::map(s, edge, from, to);
            }
        }
    }
}

/// What is done to the outputs of tiles before they are stored.
#[derive(Clone, Copy)]
pub(super) enum Epilogue<'a> {
    Bias {
        bias: &'a [f32],
        relu: bool,
    },
    /// Kept where this image's values, laid out as the output, are positive or NaN.
    Gate(Option<&'a [f32]>),
}

/// Transforms the products of all tiles of a group of channels back: `m` is
/// `[points][images · tiles][channels of the group]`.
///
/// # Safety
/// While it runs, nobody else may use these channels of `y`.
pub(super) unsafe fn gather<'a, W: Tile>(
    cx: &Context,
    images: usize,
    (problem, group): (&Problem, Group),
    m: &[f32],
    epilogue: impl Fn(usize) -> Epilogue<'a> + Sync,
    y: &DisjointMut<'_, f32>,
) {
    let channels = padded(problem.co);
    let len = problem.output.0 * problem.output.1 * channels;
    let (tile_rows, _) = problem.tiling.tiles();
    let all = images * problem.tiles();
    assert_eq!(y.len(), images * len);
    let point = spread(all * group.channels());
    assert!(m.len() >= problem.tiling.points() * point);
    // A task is a row of tiles, or half of its channels where rows are too few to share evenly.
    let halves = if cx.threads() > 1 && group.panels.is_multiple_of(2) { 2 } else { 1 };
    let part = group.channels() / halves;
    cx.for_each(images * tile_rows * halves, 2 * m.len(), |task| {
        let (row_of_tiles, half) = (task / halves, task % halves);
        let (image, tile_row) = (row_of_tiles / tile_rows, row_of_tiles % tile_rows);
        let epilogue = epilogue(image);
        match epilogue {
            Epilogue::Gate(gate) => assert!(gate.is_none_or(|gate| gate.len() == len)),
            Epilogue::Bias { bias, .. } => assert_eq!(bias.len(), channels),
        }
        let y_row = tile_row * W::OUTPUT.0;
        let first_channel = group.first * PANEL + half * part;
        let offset = y_row * problem.output.1 * channels + first_channel;
        cx.isa().run(GatherRow::<W> {
            tiles: problem.tiling.row(images, image, tile_row),
            m: m[half * part..].as_ptr(),
            m_tile: group.channels(),
            point,
            part: first_channel..first_channel + part,
            size: (W::OUTPUT.0.min(problem.output.0 - y_row), problem.output.1),
            channels,
            offset,
            // SAFETY: the place of the row's first channel in the image's output.
            y: unsafe { y.as_mut_ptr().add(image * len + offset) },
            epilogue,
            tile: PhantomData,
        });
    });
}

/// Some channels of one row of tiles: up to `OUTPUT.0` rows of the output.
struct GatherRow<'a, W> {
    tiles: Row,
    m: *const f32,
    /// Elements between tiles and between points.
    m_tile: usize,
    point: usize,
    part: Range<usize>,
    /// Rows and columns of the output that the tiles cover.
    size: (usize, usize),
    /// Elements of a pixel.
    channels: usize,
    /// Where the rows and channels start in the image.
    offset: usize,
    y: *mut f32,
    epilogue: Epilogue<'a>,
    tile: PhantomData<W>,
}

impl<W: Tile> Kernel for GatherRow<'_, W> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // SAFETY: `gather` holds the buffers to their lengths; rows, columns and channels are in range,
        // and other tasks have other rows or channels.
        unsafe { for_each_tile(s, self.tiles, &self) };
    }
}

impl<W: Tile> PerTile for GatherRow<'_, W> {
    type Tile = W;

    #[inline(always)]
    unsafe fn tile<S: Simd>(&self, s: S, edge: IsEdge, t: usize, number: usize) {
        let columns = if edge.1 { W::EDGE_OUTPUT.1 } else { W::OUTPUT.1 };
        let (rows, width) = self.size;
        let x = t * W::OUTPUT.1;
        let valid = columns.min(width - x);
        for c in (0..self.part.len()).step_by(S::LANES) {
            let mut tile = MaybeUninit::<[S::V; MAX_POINTS]>::uninit();
            let tile = tile.as_mut_ptr().cast::<f32>();
            // SAFETY: the caller's promise.
            unsafe {
                let m = Grid {
                    start: self.m.add(number * self.m_tile + c),
                    row: W::TILE.1 * self.point,
                    column: self.point,
                };
                let to = Grid { start: tile, row: columns * S::LANES, column: S::LANES };
                let at = |i: usize, j: usize| (i * width + x + j) * self.channels + c;
                // Outputs that come from memory are on their way while the tile is transformed.
                for i in 0..rows {
                    for j in 0..valid {
                        s.prefetch_to_write(self.y.add(at(i, j)));
                    }
                }
                W::output(s, edge, m, to);
                for i in 0..rows {
                    for j in 0..valid {
                        let at = at(i, j);
                        let value = s.load(tile.add((i * columns + j) * S::LANES));
                        let value = match self.epilogue {
                            Epilogue::Bias { bias, relu } => {
                                let bias = s.load(bias.as_ptr().add(self.part.start + c));
                                if relu { s.relu(value + bias) } else { value + bias }
                            }
                            Epilogue::Gate(None) => value,
                            Epilogue::Gate(Some(gate)) => {
                                s.gate(s.load(gate.as_ptr().add(self.offset + at)), value)
                            }
                        };
                        s.store(self.y.add(at), value);
                    }
                }
            }
        }
    }
}

/// Elements of transformed weights that stay in the second cache from pass to pass: 512 KiB.
const FEW_WEIGHTS: usize = 1 << 17;

/// `M = V·U` at each point, for a group of output channels:
/// `[points][tiles][ci] · [points][panels][ci][PANEL]`.
pub(super) fn products(
    cx: &Context,
    images: usize,
    (problem, group): (&Problem, Group),
    v: &[f32],
    u: &[f32],
    m: &mut [f32],
) {
    let (ci, co) = (padded(problem.ci), group.channels());
    let tiles = images * problem.tiles();
    let apart = spread(tiles * co);
    assert!(m.len() >= problem.tiling.points() * apart);
    assert_eq!(u.len(), problem.weight_points());
    let v = Points::new(v, tiles * ci, group.has_own_tiles);
    let (start, apart_u) = problem.panel(group.first);
    let are_near = group.has_own_tiles && u.len() <= FEW_WEIGHTS;
    let u = Points { all: &u[start..], len: co * problem.ci, apart: apart_u, are_near };
    let m = DisjointMut::new(m);
    for_each_point(cx, problem, tiles * co, v, u, |point, ahead| {
        let tiles = problem.tiling.at(images, point);
        let gemm = Gemm {
            rows: (1, tiles.len()),
            panels: group.panels,
            sum: [Axis::ONCE, Axis::ONCE, Axis { count: problem.ci, a: 1, b: PANEL }],
            a: v.at(point)[tiles.start * ci..].as_ptr(),
            a_rows: (0, ci),
            b: u.at(point).as_ptr(),
            b_panel: problem.ci * PANEL,
            // SAFETY: each point has its own matrix in `m`, with a row for each tile.
            c: unsafe { m.as_mut_ptr().add(point * apart + tiles.start * co) },
            output: Output { outer: 0, row: co, panel: PANEL },
            finish: Finish::NOTHING,
            ahead,
            column_sums: core::ptr::null_mut(),
            turns: false,
            c_is_near: false,
            has_zeros: false,
        };
        // SAFETY: lengths were checked, and each point's matrix is written once.
        unsafe { gemm.run(cx.isa()) };
    });
}

/// `dU = Vᵀ·E` at each point for a group of output channels, or added to what stands there:
/// `[points][tiles][ci]ᵀ · [points][tiles][channels of the group]`, in the layout of U's group. Adds the sums of E
/// over the tiles at a point to what stands beside its number, one for each channel of the group.
pub(super) fn weight_products(
    cx: &Context,
    images: usize,
    (problem, group): (&Problem, Group),
    (v, e): (&[f32], &[f32]),
    accumulate: bool,
    du: &mut [f32],
    sums: Option<(usize, &mut [f32])>,
) {
    let (ci, co) = (padded(problem.ci), group.channels());
    let tiles = images * problem.tiles();
    let apart = spread(co * problem.ci);
    assert_eq!(du.len(), problem.tiling.points() * apart);
    let v = Points::new(v, tiles * ci, false);
    // What threads have not shared, the same one has just written.
    let e = Points::new(e, tiles * co, cx.threads() == 1);
    let du = DisjointMut::new(du);
    let sums = sums.map(|(at, sums)| {
        assert_eq!(sums.len(), co);
        (at, DisjointMut::new(sums))
    });
    for_each_point(cx, problem, tiles * co, v, e, |point, ahead| {
        let tiles = problem.tiling.at(images, point);
        let gemm = Gemm {
            rows: (1, problem.ci),
            panels: group.panels,
            sum: [Axis::ONCE, Axis::ONCE, Axis { count: tiles.len(), a: ci, b: co }],
            a: v.at(point)[tiles.start * ci..].as_ptr(),
            a_rows: (0, 1),
            b: e.at(point)[tiles.start * co..].as_ptr(),
            b_panel: PANEL,
            // SAFETY: each point has its own matrix in `du`.
            c: unsafe { du.as_mut_ptr().add(point * apart) },
            output: Output { outer: 0, row: PANEL, panel: problem.ci * PANEL },
            finish: if accumulate { Finish::ACCUMULATE } else { Finish::NOTHING },
            ahead,
            turns: false,
            c_is_near: false,
            has_zeros: false,
            column_sums: match &sums {
                Some((at, sums)) if *at == point => sums.as_mut_ptr(),
                _ => core::ptr::null_mut(),
            },
        };
        // SAFETY: lengths were checked, each point's matrix is written once, and one point adds the sums.
        unsafe { gemm.run_transposed(cx.isa()) };
    });
}

/// A matrix for each point.
#[derive(Clone, Copy)]
struct Points<'a> {
    all: &'a [f32],
    /// Elements of one of them, and from one to the next.
    len: usize,
    apart: usize,
    /// Whether they were written just before, and are still in the second cache.
    are_near: bool,
}

impl<'a> Points<'a> {
    fn new(all: &'a [f32], len: usize, are_near: bool) -> Self {
        Self { all, len, apart: spread(len), are_near }
    }

    fn at(self, point: usize) -> &'a [f32] {
        &self.all[point * self.apart..][..self.len]
    }

    /// What of a point's matrix should be asked for. What is near comes in time without, and requests for it would
    /// keep others waiting.
    fn ahead(self, point: usize) -> &'a [f32] {
        if self.are_near { &[] } else { self.at(point) }
    }
}

/// Calls `f` for each point, with the operands of the next one.
fn for_each_point<'a>(
    cx: &Context,
    problem: &Problem,
    outputs: usize,
    a: Points<'a>,
    b: Points<'a>,
    f: impl Fn(usize, Ahead<'a>) + Sync,
) {
    // Neighbouring points make a task, so that one thread computes a point and the next.
    let share = problem.tiling.points().div_ceil(cx.shares());
    let work = problem.tiling.points() * outputs * problem.ci;
    cx.for_each(problem.tiling.points().div_ceil(share), work, |task| {
        let end = ((task + 1) * share).min(problem.tiling.points());
        for point in task * share..end {
            let next = point + 1;
            let ahead =
                if next < end { Ahead([a.ahead(next), b.ahead(next)]) } else { Ahead::NOTHING };
            f(point, ahead);
        }
    });
}
