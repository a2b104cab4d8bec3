//! Which algorithm computes a pass: by a model of what each costs, within the error that f32 allows.
//!
//! Costs are in units of one multiply-add of a lane at the FMA peak. The constants were fitted to
//! measured passes of nets from 28 × 28 to 224 × 224 pixels; only their ratios matter.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::geometry::{ConvGeometry, Problem, padded};
use super::{ConvChoice, Method, Tile};
use crate::net::{Algorithm, Layer, Net, Op, Shape};
use crate::winograd::{MAX_TILE, OpCounts, Size, cost, relative_error};

/// Reading or writing one element of the transformed tiles, which do not fit the nearest caches.
const TOUCH: f64 = 3.0;
/// Reading one transformed weight, from the last cache or memory.
const STREAM: f64 = 9.0;
/// What starting and storing a register tile costs, as if the sum had this many more products.
const TILE_OVERHEAD: f64 = 6.0;
/// Direct sums reach this share of what the model says of products.
const DIRECT_EFFICIENCY: f64 = 0.92;
/// Products along rows reach this share of the same.
const ROWWISE_EFFICIENCY: f64 = 0.85;
/// Points of a tile of a row: the sums of three fill the registers.
const ROWWISE_TILE: usize = 8;
/// One value in so many that is not zero makes sparse sums pay; behind the usual pools it is one in four.
const SPARSE: usize = 3;
/// The largest relative rms error of a pass that is chosen without being asked for. Direct sums in
/// f32 have about 6e-7 at these sizes.
const ERROR_BUDGET: f64 = 1e-5;
/// The part of an axis's points that smaller tiles at the edge should save: they are more code.
const EDGE_SAVES: f64 = 0.02;
/// Images of a training pass, as far as the weights' traffic is concerned.
const TRAIN_IMAGES: usize = 8;

/// Chooses for the layers of one net.
pub(super) struct Chooser<'a> {
    net: &'a Net,
    first_params: usize,
}

impl<'a> Chooser<'a> {
    pub(super) fn new(net: &'a Net) -> Self {
        let first_params = net.layers.iter().position(|layer| layer.params > 0).unwrap_or(0);
        Self { net, first_params }
    }

    /// The choice for layer `i`, if it is a convolution.
    pub(super) fn choose(&self, i: usize, layer: &Layer) -> Option<ConvChoice> {
        let Op::Conv { window, algorithm, .. } = layer.op else { return None };
        let storage = self.net.options.storage;
        let geometry = ConvGeometry::new(layer, window, i == 0, storage);
        let has_input_gradient = i > self.first_params;
        let direct = |reason: &str| ConvChoice {
            geometry,
            forward: Method::Direct,
            weight_gradient: Method::Direct,
            input_gradient: Method::Direct,
            reason: reason.to_owned(),
            has_input_gradient,
        };
        let direct =
            |reason: &str| match self.leaves_few_gradients(i) && geometry.has_sparse_gradients() {
                true => ConvChoice {
                    weight_gradient: Method::Sparse,
                    input_gradient: Method::Sparse,
                    ..direct(reason)
                },
                false => direct(reason),
            };
        if algorithm == Algorithm::Direct || self.net.options.algorithm == Algorithm::Direct {
            return Some(direct("as asked"));
        }
        if storage.is_narrow() {
            // Transformed weights would take more memory than narrow ones save.
            return Some(direct(&format!("{} storage", storage.name())));
        }
        if geometry.is_pointwise() {
            return Some(direct("one matrix product: a fully connected layer at each pixel"));
        }
        let sums = direct_cost(&geometry, geometry.output, (geometry.ci, geometry.co));
        let (forward, cost) = best(&geometry, sums, geometry.output, |tile| {
            winograd_cost(&geometry, &geometry.forward_problem(tile), tile, 1)
        });
        let (forward, cost) = rowwise(&geometry, (forward, cost));
        let (weight_gradient, _) = best(&geometry, sums, geometry.output, |tile| {
            let problem = geometry.forward_problem(tile);
            winograd_cost(&geometry, &problem, tile, TRAIN_IMAGES)
        });
        let sums_of_input = direct_cost(&geometry, geometry.input, (geometry.co, geometry.ci))
            / (window.stride.0 * window.stride.1) as f64;
        let (input_gradient, _) = if geometry.input_gradient_by_winograd() {
            best(&geometry, sums_of_input, geometry.input, |tile| {
                let problem = geometry.input_gradient_problem(tile);
                winograd_cost(&geometry, &problem, tile, TRAIN_IMAGES)
            })
        } else {
            (Method::Direct, sums_of_input)
        };
        let reason = match forward {
            Method::Direct | Method::Sparse => "direct sums cost least".to_owned(),
            Method::Winograd(_) | Method::Rowwise(_) => {
                format!("{:.1} times as cheap as direct sums", sums / cost)
            }
        };
        Some(ConvChoice {
            geometry,
            forward,
            weight_gradient,
            input_gradient,
            reason,
            has_input_gradient,
        })
    }

    /// Whether a max pool reads layer `i` whose gradient is zero at most places, as each window hands on to one.
    fn leaves_few_gradients(&self, i: usize) -> bool {
        self.net.layers.get(i + 1).is_some_and(|next| {
            let pixels = |shape: Shape| shape.h * shape.w;
            let few = SPARSE * pixels(next.output) <= pixels(next.input);
            few && matches!(next.op, Op::MaxPool { .. })
        })
    }
}

/// The cheapest method: direct sums, which cost `direct`, or Winograd by the tile that costs least.
fn best(
    geometry: &ConvGeometry,
    direct: f64,
    output: (usize, usize),
    winograd: impl Fn(Tile) -> f64,
) -> (Method, f64) {
    let mut tiles: Vec<(f64, Tile)> =
        candidates(geometry.phase_kernel(), output).map(|tile| (winograd(tile), tile)).collect();
    tiles.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Errors take longer to compute than costs, so only the cheap tiles are asked for theirs. Tiles at the
    // edges hardly have larger ones.
    let error = |tile: Tile| relative_error(tile.rows, tile.columns, geometry.ci);
    let good = tiles
        .into_iter()
        .take_while(|&(cost, _)| cost < direct)
        .find(|&(_, tile)| error(tile) <= ERROR_BUDGET);
    good.map_or((Method::Direct, direct), |(cost, tile)| (Method::Winograd(tile), cost))
}

/// The cheapest method along rows, if that costs less than another.
fn rowwise(geometry: &ConvGeometry, other: (Method, f64)) -> (Method, f64) {
    let (kernel, (h, w)) = (geometry.window.kernel, geometry.output);
    if !geometry.planar || geometry.window.stride != (1, 1) || kernel.1 < 2 {
        return other;
    }
    let rows = Size { m: 1, r: kernel.0, with: None };
    let tiles = (2..=(ROWWISE_TILE + 1).saturating_sub(kernel.1))
        .map(|m| Tile { rows, columns: Size { m, r: kernel.1, with: None } });
    let good = |tile: &Tile| relative_error(rows, tile.columns, geometry.ci) <= ERROR_BUDGET;
    tiles.filter(good).fold(other, |(method, cost), tile| {
        let Tile { columns, .. } = tile;
        let (tiles, points, ops) = (w.div_ceil(columns.m), columns.tile(), counts(columns));
        let products = points * geometry.ci * kernel.0 + ops.output + 3 * columns.m;
        let outputs = (h * tiles * padded(geometry.co) * products) as f64 / ROWWISE_EFFICIENCY;
        let inputs = (h + kernel.0 - 1) * geometry.ci * padded(tiles) * (ops.input + 4 * points);
        let rowwise = outputs + inputs as f64;
        if rowwise < cost { (Method::Rowwise(tile), rowwise) } else { (method, cost) }
    })
}

/// Every pair of F(m, r) for a kernel that fits the largest tile and saves something.
fn candidates(kernel: (usize, usize), output: (usize, usize)) -> impl Iterator<Item = Tile> {
    let sizes = |r: usize, output: usize| {
        let largest = if r == 1 { 1 } else { (MAX_TILE + 1).saturating_sub(r) };
        let smallest = if r == 1 { 1 } else { 2 };
        (smallest..=largest).map(move |m| Size { m, r, with: edge(m, r, output) })
    };
    sizes(kernel.0, output.0)
        .flat_map(move |rows| sizes(kernel.1, output.1).map(move |columns| Tile { rows, columns }))
        .filter(move |_| kernel.0 * kernel.1 > 1)
}

/// The outputs of the last tile along an axis, where it saves enough to be computed by a size of its own.
fn edge(m: usize, r: usize, output: usize) -> Option<usize> {
    let rest = output % m;
    let points = output.div_ceil(m) * (m + r - 1);
    let worthwhile = output > m && rest > 0 && (m - rest) as f64 >= EDGE_SAVES * points as f64;
    worthwhile.then_some(rest)
}

/// A convolution to `output` pixels by direct sums.
fn direct_cost(geometry: &ConvGeometry, output: (usize, usize), channels: (usize, usize)) -> f64 {
    let (kh, kw) = geometry.window.kernel;
    let outputs = (output.0 * output.1 * padded(channels.1)) as f64;
    let depth = (channels.0 * kh * kw) as f64;
    outputs * (depth + TILE_OVERHEAD) / DIRECT_EFFICIENCY
}

/// The operations of F(m, r), which are asked for again and again and take long to derive.
fn counts(size: Size) -> OpCounts {
    thread_local! {
        static COUNTS: RefCell<BTreeMap<Size, OpCounts>> = const { RefCell::new(BTreeMap::new()) };
    }
    COUNTS.with_borrow_mut(|counts| *counts.entry(size).or_insert_with(|| cost(size)))
}

/// The sizes of an axis's tiles, each with their number.
fn sizes(axis: Size, output: usize) -> impl Iterator<Item = (usize, Size)> + Clone {
    let last = usize::from(axis.with.is_some());
    [(output.div_ceil(axis.m) - last, axis), (last, axis.last())].into_iter()
}

/// One image's share of a convolution by Winograd's stages over `n` images.
fn winograd_cost(geometry: &ConvGeometry, problem: &Problem, tile: Tile, n: usize) -> f64 {
    let images = problem.images_per_pass(n) as f64;
    let tiles = problem.tiles as f64;
    let (ci, co) = (padded(problem.ci) as f64, padded(problem.co) as f64);
    let mut all_points = 0.0;
    let mut transforms = 0.0;
    let columns = sizes(tile.columns, problem.output.1);
    for (rows, row) in sizes(tile.rows, problem.output.0) {
        for (columns, column) in columns.clone() {
            let number = (rows * columns) as f64;
            let points = (row.tile() * column.tile()) as f64;
            all_points += number * points;
            transforms += number * transform_cost(row, column, (ci, co));
        }
    }

    // A register tile should have four rows or more; with fewer, the FMA units wait for sums.
    let rows = (tiles * images).max(4.0) / (tiles * images);
    let multiply = all_points * rows * co * (problem.ci as f64 + TILE_OVERHEAD);
    let stream = problem.weight_points() as f64 * STREAM / images;
    let phases = TOUCH * geometry.phases_len() as f64;
    multiply.max(stream) + transforms + phases
}

/// The transforms of one tile: of its inputs, for each channel that comes in, and of its outputs.
///
/// A map from a×b to c×d runs once for each of a rows and then for each of d columns.
fn transform_cost(row: Size, column: Size, (ci, co): (f64, f64)) -> f64 {
    let (rows, columns) = (counts(row), counts(column));
    let points = (row.tile() * column.tile()) as f64;
    let outputs = (row.m * column.m) as f64;
    let input =
        (row.tile() * columns.input + column.tile() * rows.input) as f64 + (1.0 + TOUCH) * points;
    let output = (row.tile() * columns.output + column.m * rows.output) as f64
        + TOUCH * points
        + TOUCH * outputs;
    ci * input + co * output
}
