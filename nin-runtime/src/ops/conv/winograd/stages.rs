//! The stages that the passes are made of: rearranging phases, transforming tiles, multiplying.

use super::tile::{Grid, Tile};
use super::{Problem, phase_kernel};
use crate::gemm::{Axis, Finish, Gemm, Output, Start};
use crate::ops::conv::ConvShape;
use crate::simd::{Kernel, PANEL, Simd, padded};
use crate::{Context, DisjointMut, Order};
use core::marker::PhantomData;

/// The largest tile that transforms are made for, points.
const MAX_POINTS: usize = 64;

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
    /// Rows and columns that a tile reads.
    const READ: (usize, usize);
    /// Rows and columns from tile to tile.
    const STEP: (usize, usize);
    /// Points that it writes, as a grid.
    const POINTS: (usize, usize);
    unsafe fn map<S: Simd>(s: S, from: Grid<*const f32>, to: Grid<*mut f32>);
}

/// [`Tile::input`] as a [`Scatter`].
pub(super) struct OfInput<W>(PhantomData<W>);

impl<W: Tile> Scatter for OfInput<W> {
    const READ: (usize, usize) = W::TILE;
    const STEP: (usize, usize) = W::OUTPUT;
    const POINTS: (usize, usize) = W::TILE;

    #[inline(always)]
    unsafe fn map<S: Simd>(s: S, from: Grid<*const f32>, to: Grid<*mut f32>) {
        // SAFETY: the caller's promise.
        unsafe { W::input(s, from, to) }
    }
}

/// [`Tile::output_adjoint`] as a [`Scatter`].
pub(super) struct OfGradient<W>(PhantomData<W>);

impl<W: Tile> Scatter for OfGradient<W> {
    const READ: (usize, usize) = W::OUTPUT;
    const STEP: (usize, usize) = W::OUTPUT;
    const POINTS: (usize, usize) = W::TILE;

    #[inline(always)]
    unsafe fn map<S: Simd>(s: S, from: Grid<*const f32>, to: Grid<*mut f32>) {
        // SAFETY: the caller's promise.
        unsafe { W::output_adjoint(s, from, to) }
    }
}

/// Transforms all tiles of `images` images: `to` becomes `[points][images · tiles][channels]`.
pub(super) fn scatter<'a, M: Scatter>(
    cx: &Context,
    images: usize,
    tiles: (usize, usize),
    padding: (usize, usize),
    field: impl Fn(usize) -> Field<'a> + Sync,
    to: &mut [f32],
) {
    let len = to.len();
    let to = DisjointMut::new(to);
    cx.for_each(images * tiles.0, 2 * len, |task| {
        let (image, tile_row) = (task / tiles.0, task % tiles.0);
        let field = field(image);
        assert_eq!(field.data.len(), field.size.0 * field.size.1 * field.channels);
        let all = images * tiles.0 * tiles.1;
        assert!(M::POINTS.0 * M::POINTS.1 * all * field.channels <= len);
        let first = task * tiles.1;
        cx.isa().run(ScatterRow::<M> {
            field,
            y: (tile_row * M::STEP.0).wrapping_sub(padding.0),
            padding: padding.1,
            tiles: tiles.1,
            // SAFETY: the tile's place at the first point; `to` was held to its length.
            to: unsafe { to.as_mut_ptr().add(first * field.channels) },
            point: all * field.channels,
            map: PhantomData,
        });
    });
}

/// One row of tiles.
struct ScatterRow<'a, M> {
    field: Field<'a>,
    /// The first row that its tiles read; before the field it wraps around.
    y: usize,
    padding: usize,
    tiles: usize,
    to: *mut f32,
    /// Elements between points.
    point: usize,
    map: PhantomData<M>,
}

impl<M: Scatter> Kernel for ScatterRow<'_, M> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Field { data, size: (h, w), channels } = self.field;
        let (rows, columns) = M::READ;
        let inside_rows = self.y < h && self.y + rows <= h;
        for t in 0..self.tiles {
            let x = (t * M::STEP.1).wrapping_sub(self.padding);
            let inside = inside_rows && x < w && x + columns <= w;
            for c in (0..channels).step_by(S::LANES) {
                let point = self.point;
                // SAFETY: `scatter` holds all tiles' points to the buffer; vectors lie in their
                // pixel, and pixels in the field as `inside` or the copy's tests say.
                unsafe {
                    let to = self.to.add(t * channels + c);
                    let to = Grid { start: to, row: M::POINTS.1 * point, column: point };
                    if inside {
                        let start = data.as_ptr().add((self.y * w + x) * channels + c);
                        M::map(s, Grid { start, row: w * channels, column: channels }, to);
                        continue;
                    }
                    let mut copy = [s.splat(0.0); MAX_POINTS];
                    for i in 0..rows {
                        let y = self.y.wrapping_add(i);
                        for j in 0..columns {
                            let x = x.wrapping_add(j);
                            if y < h && x < w {
                                let from = data.as_ptr().add((y * w + x) * channels + c);
                                copy[i * columns + j] = s.load(from);
                            }
                        }
                    }
                    let start = copy.as_ptr().cast::<f32>();
                    M::map(s, Grid { start, row: columns * S::LANES, column: S::LANES }, to);
                }
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

/// Transforms the products of all tiles back: `m` is `[points][images · tiles][channels]`.
pub(super) fn gather<'a, W: Tile>(
    cx: &Context,
    images: usize,
    problem: &Problem,
    m: &[f32],
    epilogue: impl Fn(usize) -> Epilogue<'a> + Sync,
    y: &mut [f32],
) {
    let channels = padded(problem.co);
    let len = problem.output.0 * problem.output.1 * channels;
    assert_eq!(y.len(), images * len);
    assert!(m.len() >= images * problem.output_points());
    let y = DisjointMut::new(y);
    let (tile_rows, tile_columns) = problem.tiles;
    cx.for_each(images * tile_rows, 2 * m.len(), |task| {
        let (image, tile_row) = (task / tile_rows, task % tile_rows);
        let epilogue = epilogue(image);
        if let Epilogue::Gate(Some(gate)) = epilogue {
            assert_eq!(gate.len(), len);
        }
        if let Epilogue::Bias { bias, .. } = epilogue {
            assert_eq!(bias.len(), channels);
        }
        let first = tile_row * W::OUTPUT.0;
        let rows = W::OUTPUT.0.min(problem.output.0 - first);
        let row = problem.output.1 * channels;
        let start = image * len + first * row;
        cx.isa().run(GatherRow::<W> {
            m: &m[task * tile_columns * channels..],
            point: images * problem.tiles() * channels,
            channels,
            width: problem.output.1,
            offset: first * row,
            // SAFETY: each task has its own rows of the output.
            y: unsafe { y.part(start..start + rows * row) },
            epilogue,
            tile: PhantomData,
        });
    });
}

/// One row of tiles: up to `OUTPUT.0` rows of the output.
struct GatherRow<'a, W> {
    m: &'a [f32],
    point: usize,
    channels: usize,
    width: usize,
    /// Where the rows stand in the image.
    offset: usize,
    y: &'a mut [f32],
    epilogue: Epilogue<'a>,
    tile: PhantomData<W>,
}

impl<W: Tile> Kernel for GatherRow<'_, W> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (_, columns) = W::OUTPUT;
        let row = self.width * self.channels;
        let rows = self.y.len() / row;
        for t in 0..self.width.div_ceil(columns) {
            let x = t * columns;
            let valid = columns.min(self.width - x);
            for c in (0..self.channels).step_by(S::LANES) {
                let mut tile = [s.splat(0.0); MAX_POINTS];
                // SAFETY: `gather` holds the buffers to their lengths; rows, columns and channels
                // are in range.
                unsafe {
                    let m = Grid {
                        start: self.m.as_ptr().add(t * self.channels + c),
                        row: W::TILE.1 * self.point,
                        column: self.point,
                    };
                    let start = tile.as_mut_ptr().cast::<f32>();
                    W::output(s, m, Grid { start, row: columns * S::LANES, column: S::LANES });
                    for i in 0..rows {
                        for j in 0..valid {
                            let at = i * row + (x + j) * self.channels + c;
                            let value = tile[i * columns + j];
                            let value = match self.epilogue {
                                Epilogue::Bias { bias, relu } => {
                                    let value = value + s.load(bias.as_ptr().add(c));
                                    if relu { s.relu(value) } else { value }
                                }
                                Epilogue::Gate(None) => value,
                                Epilogue::Gate(Some(gate)) => {
                                    s.gate(s.load(gate.as_ptr().add(self.offset + at)), value)
                                }
                            };
                            s.store(self.y.as_mut_ptr().add(at), value);
                        }
                    }
                }
            }
        }
    }
}

/// `M = V·U` at each point: `[points][tiles][ci] · [points][co / PANEL][ci][PANEL]`.
pub(super) fn products(
    cx: &Context,
    tiles: usize,
    problem: &Problem,
    v: &[f32],
    u: &[f32],
    m: &mut [f32],
) {
    let (ci, co) = (padded(problem.ci), padded(problem.co));
    assert!(v.len() >= problem.points * tiles * ci && m.len() >= problem.points * tiles * co);
    assert_eq!(u.len(), problem.weight_points());
    let m = DisjointMut::new(m);
    cx.for_each(problem.points, problem.points * tiles * co * problem.ci, |point| {
        let gemm = Gemm {
            rows: (1, tiles),
            panels: problem.panels(),
            sum: [Axis::ONCE, Axis::ONCE, Axis { count: problem.ci, a: 1, b: PANEL }],
            a: v[point * tiles * ci..].as_ptr(),
            a_rows: (0, ci),
            b: u[point * co * problem.ci..].as_ptr(),
            b_panel: problem.ci * PANEL,
            // SAFETY: each point has its own matrix in `m`.
            c: unsafe { m.as_mut_ptr().add(point * tiles * co) },
            output: Output { outer: 0, row: co, panel: PANEL },
            start: Start::Zero,
            finish: Finish::Plain,
        };
        // SAFETY: lengths were checked above, and each task writes its own matrix.
        unsafe { gemm.run(cx.isa()) };
    });
}

/// `dU = Vᵀ·E` at each point, or added to what stands there: `[points][tiles][ci]ᵀ · [points][tiles][co]`,
/// in the layout of U.
pub(super) fn weight_products(
    cx: &Context,
    tiles: usize,
    problem: &Problem,
    (v, e): (&[f32], &[f32]),
    accumulate: bool,
    du: &mut [f32],
) {
    let (ci, co) = (padded(problem.ci), padded(problem.co));
    assert!(v.len() >= problem.points * tiles * ci && e.len() >= problem.points * tiles * co);
    assert_eq!(du.len(), problem.weight_points());
    let du = DisjointMut::new(du);
    cx.for_each(problem.points, problem.points * tiles * co * problem.ci, |point| {
        let gemm = Gemm {
            rows: (1, problem.ci),
            panels: problem.panels(),
            sum: [Axis::ONCE, Axis::ONCE, Axis { count: tiles, a: ci, b: co }],
            a: v[point * tiles * ci..].as_ptr(),
            a_rows: (0, 1),
            b: e[point * tiles * co..].as_ptr(),
            b_panel: PANEL,
            // SAFETY: each point has its own matrix in `du`.
            c: unsafe { du.as_mut_ptr().add(point * co * problem.ci) },
            output: Output { outer: 0, row: PANEL, panel: problem.ci * PANEL },
            start: if accumulate { Start::Accumulate } else { Start::Zero },
            finish: Finish::Plain,
        };
        // SAFETY: lengths were checked above, and each task writes its own matrix.
        unsafe { gemm.run(cx.isa()) };
    });
}

/// Takes the stride of an image's input apart: pixel (y, x), channel (c, i, j) of the result is
/// pixel (s·y + i, s·x + j), channel c of the padded input.
pub(super) fn rearrange(cx: &Context, shape: &ConvShape, x: &[f32], to: &mut [f32]) {
    let (kh, kw) = phase_kernel(shape);
    let (h, w) = (shape.output().0 + kh - 1, shape.output().1 + kw - 1);
    let channels = padded(shape.ci * shape.stride.0 * shape.stride.1);
    assert_eq!(to.len(), h * w * channels);
    let to = DisjointMut::new(to);
    cx.for_each(h, h * w * channels, |y| {
        // SAFETY: each task has its own row.
        let to = unsafe { to.part(y * w * channels..(y + 1) * w * channels) };
        to.fill(0.0);
        for c in 0..shape.ci {
            for i in 0..shape.stride.0 {
                let row = (shape.stride.0 * y + i).wrapping_sub(shape.padding.0);
                if row < shape.input.0 {
                    let first = (c * shape.stride.0 + i) * shape.stride.1;
                    rearrange_row(shape, x, (c, row), channels, &mut to[first..]);
                }
            }
        }
    });
}

/// One input row of one channel: `stride` neighbours become neighbouring channels.
fn rearrange_row(
    shape: &ConvShape,
    x: &[f32],
    (c, row): (usize, usize),
    channels: usize,
    to: &mut [f32],
) {
    let (width, stride) = (shape.input.1, shape.stride.1);
    let (start, step) = match shape.order {
        Order::Planar => ((c * shape.input.0 + row) * width, 1),
        Order::ChannelsLast => (row * width * padded(shape.ci) + c, padded(shape.ci)),
    };
    for (p, to) in to.chunks_mut(channels).enumerate() {
        let from = (p * stride).wrapping_sub(shape.padding.1);
        if step == 1 && from < width && from + stride <= width {
            to[..stride].copy_from_slice(&x[start + from..][..stride]);
            continue;
        }
        for (j, to) in to[..stride].iter_mut().enumerate() {
            let column = from.wrapping_add(j);
            if column < width {
                *to = x[start + column * step];
            }
        }
    }
}
