//! A convolution's sizes in memory, by the rules of the runtime.

use super::{Method, Tile};
use crate::net::{Format, Layer, PANEL, Window};

/// `n` rounded up to whole panels.
pub(crate) const fn padded(n: usize) -> usize {
    n.div_ceil(PANEL) * PANEL
}

/// Tiles that a Winograd pass should have before more images no longer help; the runtime's constant.
const TILES_PER_PASS: usize = 36;
/// Tiles that a group of panels is sized for, if an image has no more; the runtime's constant.
const TILES_OF_GROUP: usize = 24;
/// Elements of transformed outputs that stay in the second cache; the runtime's constant.
const GROUP_LEN: usize = 96 << 10;
/// Elements of transformed inputs that stay in the second cache; the runtime's constant.
const NEAR_LEN: usize = 1 << 19;
/// Elements of transformed inputs that a weight gradient keeps; the runtime's constant.
const KEPT_LEN: usize = 1 << 22;

/// Threads that have work space of their own, and the panels of a group that they share; the runtime's constants.
const LANES: usize = 2;
const PAIR: usize = 2;

/// Elements of transformed inputs that each thread computes for itself; the runtime's constant.
const CHEAP_LEN: usize = 1 << 14;

/// Elements of the strips that direct sums copy their input to: fewer pay for too small a part, more
/// leave the second cache. The runtime's constants.
const LEAST_STRIP: usize = 1 << 12;
const LARGEST_STRIP: usize = 1 << 16;

/// Elements of transformed rows that a thread has at a time; the runtime's constant.
const ROWWISE_STRIP: usize = 1 << 13;

/// Elements between two layers of an mlpconv layer that a block may have in any case; the runtime's constant.
const LEAST_BETWEEN: usize = 1 << 12;

/// Pixels that sparse sums of weights' gradients take at a time, and the most channels; the runtime's constants.
const SPARSE_CHUNK: usize = 64;
const SPARSE_CHANNELS: usize = 1 << 12;

/// How far the matrices of neighbouring points are apart that have `len` elements; the runtime's rule.
fn spread(len: usize) -> usize {
    if len > 0 && (len / PANEL).is_multiple_of(2) { len + PANEL } else { len }
}

/// Space for such a matrix; the runtime's rule.
fn room(len: usize) -> usize {
    len + PANEL
}

/// A convolution as the runtime's drivers see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConvGeometry {
    pub(crate) ci: usize,
    pub(crate) co: usize,
    pub(crate) input: (usize, usize),
    pub(crate) output: (usize, usize),
    pub(crate) window: Window,
    /// Whether it reads the image.
    pub(crate) planar: bool,
    /// Whether what it reads is not kept as f32.
    pub(crate) narrow: bool,
}

/// A convolution of stride 1 that Winograd's stages compute.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Problem {
    pub(crate) ci: usize,
    pub(crate) co: usize,
    pub(crate) tiles: usize,
    pub(crate) points: usize,
    pub(crate) output: (usize, usize),
}

impl Problem {
    fn new((ci, co): (usize, usize), output: (usize, usize), tile: Tile) -> Self {
        let Tile { rows, columns } = tile;
        Self {
            ci,
            co,
            tiles: output.0.div_ceil(rows.m) * output.1.div_ceil(columns.m),
            points: rows.tile() * columns.tile(),
            output,
        }
    }

    /// Images, of `n`, whose tiles go through the stages together.
    pub(crate) fn images_per_pass(&self, n: usize) -> usize {
        TILES_PER_PASS.div_ceil(self.tiles).min(n)
    }

    /// Images, of `n`, over which the weights' gradient sums before it transforms back.
    fn images_per_sum(&self, n: usize) -> usize {
        (KEPT_LEN / self.input_points(1)).max(self.images_per_pass(n)).min(n)
    }

    /// Elements of the transformed inputs of `images` images that go through the stages together.
    fn input_points(&self, images: usize) -> usize {
        self.points * room(images * self.tiles * padded(self.ci))
    }

    /// Elements of their transformed outputs, of the channels of so many panels.
    fn output_points(&self, images: usize, panels: usize) -> usize {
        self.points * room(images * self.tiles * panels * PANEL)
    }

    /// Elements of work space for transformed outputs of `images` images.
    fn outputs_work(&self, images: usize) -> usize {
        let (group, pairs) = self.sizes();
        self.output_points(images, group).max(pairs * self.output_points(images, PAIR))
    }

    /// Elements of work space for transformed gradients of their outputs, and of the weights.
    fn gradients_work(&self, images: usize) -> usize {
        let panels = PAIR.min(padded(self.co) / PANEL);
        let lanes = self.sizes().1.max(1);
        lanes * (self.output_points(images, panels) + self.group_points(panels))
    }

    /// Panels of output channels that go through the last stages together.
    fn group(&self) -> usize {
        let (ci, co) = (padded(self.ci), padded(self.co));
        let points = self.points * self.tiles.max(TILES_OF_GROUP);
        let group = match points * ci > NEAR_LEN && 2 * co <= ci {
            true => co / PANEL,
            false => GROUP_LEN / (points * PANEL) / 2 * 2,
        };
        group.max(2)
    }

    /// Panels of the first group, which no other exceeds, and pairs that threads have at a time.
    fn sizes(&self) -> (usize, usize) {
        let panels = padded(self.co) / PANEL;
        let even = 8 * LANES * panels.div_ceil(LANES) <= 9 * panels;
        (self.group().min(panels), if panels >= LANES * PAIR && even { LANES } else { 0 })
    }

    /// Elements of the transformed weights.
    pub(crate) fn weight_points(&self) -> usize {
        let (panels, group) = (padded(self.co) / PANEL, self.group());
        panels / group * self.group_points(group) + self.group_points(panels % group)
    }

    /// Elements of the transformed weights of so many panels.
    fn group_points(&self, panels: usize) -> usize {
        self.points * spread(panels * self.ci * PANEL)
    }

    /// Images that a pass has at most if threads have passes of their own; the runtime's rule.
    fn images_per_own_pass(&self, n: usize) -> Option<usize> {
        let most = self.images_per_pass(n);
        (n.div_ceil(most) >= LANES).then(|| most.min(n / LANES))
    }

    /// Elements of work space for all stages of up to `n` images, of which each takes `phases` elements besides.
    fn work(&self, n: usize, phases: usize) -> usize {
        let pass = |images| images * phases + self.input_points(images) + self.outputs_work(images);
        let own = self.images_per_own_pass(n).map_or(0, |images| LANES * pass(images));
        let cheap = self.sizes().1 > 0 && phases == 0 && n * self.input_points(1) <= CHEAP_LEN;
        let lanes = LANES * (self.input_points(n) + self.output_points(n, PAIR));
        pass(self.images_per_pass(n)).max(own).max(if cheap { lanes } else { 0 })
    }
}

impl ConvGeometry {
    pub(crate) fn new(layer: &Layer, window: Window, planar: bool, storage: Format) -> Self {
        Self {
            ci: layer.input.c,
            co: layer.output.c,
            input: (layer.input.h, layer.input.w),
            output: (layer.output.h, layer.output.w),
            window,
            planar,
            narrow: storage.is_narrow() && !planar,
        }
    }

    /// A fully connected layer at each pixel, which has nothing to gain from Winograd.
    pub(crate) fn is_pointwise(&self) -> bool {
        let Window { kernel, stride, padding } = self.window;
        (kernel, stride, padding) == ((1, 1), (1, 1), (0, 0)) && !self.planar
    }

    /// Whether Winograd's stages first rearrange the input: for its stride or its planes.
    pub(crate) fn needs_phases(&self) -> bool {
        self.window.stride != (1, 1) || self.planar
    }

    /// The kernel's size after the stride was taken apart.
    pub(crate) fn phase_kernel(&self) -> (usize, usize) {
        let Window { kernel, stride, .. } = self.window;
        (kernel.0.div_ceil(stride.0), kernel.1.div_ceil(stride.1))
    }

    /// Elements of one image's input, rearranged.
    pub(crate) fn phases_len(&self) -> usize {
        if !self.needs_phases() {
            return 0;
        }
        let (kh, kw) = self.phase_kernel();
        let stride = self.window.stride;
        (self.output.0 + kh - 1) * (self.output.1 + kw - 1) * padded(self.ci * stride.0 * stride.1)
    }

    /// The forward pass, and the weights' gradient, as Winograd's stages see it.
    pub(crate) fn forward_problem(&self, tile: Tile) -> Problem {
        let stride = if self.needs_phases() { self.window.stride } else { (1, 1) };
        Problem::new((self.ci * stride.0 * stride.1, self.co), self.output, tile)
    }

    /// The input's gradient as Winograd's stages see it.
    pub(crate) fn input_gradient_problem(&self, tile: Tile) -> Problem {
        Problem::new((self.co, self.ci), self.input, tile)
    }

    /// Whether Winograd's stages can compute the input's gradient.
    pub(crate) fn input_gradient_by_winograd(&self) -> bool {
        let Window { kernel, padding, .. } = self.window;
        !self.needs_phases() && padding.0 < kernel.0 && padding.1 < kernel.1
    }

    /// Elements of the forward pass's transformed weights.
    pub(crate) fn prepared_len(&self, method: Method) -> usize {
        match method {
            Method::Direct | Method::Sparse => 0,
            Method::Winograd(tile) => self.forward_problem(tile).weight_points(),
            Method::Rowwise(tile) => padded(self.co) * self.ci * tile.rows.r * tile.columns.tile(),
        }
    }

    /// Elements of the weights that the input's gradient reads.
    pub(crate) fn transposed_len(&self, method: Method) -> usize {
        match method {
            Method::Direct | Method::Sparse => {
                padded(self.ci) * self.window.kernel.0 * self.window.kernel.1 * self.co
            }
            Method::Winograd(tile) => self.input_gradient_problem(tile).weight_points(),
            Method::Rowwise(_) => unreachable!("no gradient is computed row by row"),
        }
    }

    /// Elements of work space of the forward pass of `n` images.
    pub(crate) fn forward_work(&self, method: Method, n: usize) -> usize {
        match method {
            Method::Direct if self.reads_in_place() => 0,
            Method::Direct => n * self.strips(),
            Method::Sparse => unreachable!("no forward pass is sparse"),
            Method::Winograd(tile) => self.forward_problem(tile).work(n, self.phases_len()),
            Method::Rowwise(tile) => self.rowwise_work(tile),
        }
    }

    /// Elements of work space for transformed rows, of a block of few.
    fn rowwise_work(&self, Tile { rows, columns }: Tile) -> usize {
        let groups = self.output.1.div_ceil(columns.m).div_ceil(PANEL);
        let apart = columns.m * (groups * PANEL + (columns.tile() - 1) / columns.m);
        let of = |outputs: usize| {
            self.ci * (outputs + rows.r - 1) * groups * columns.tile() * PANEL + apart
        };
        LANES * of(self.output.0).min(of(1).max(ROWWISE_STRIP))
    }

    /// Elements of work space that pointwise layers take besides, if their forward passes are computed with this one.
    pub(crate) fn mlp_work(&self, method: Method, next: &[Self]) -> usize {
        let Some((last, hidden)) = next.split_last() else { return 0 };
        let channels =
            hidden.iter().map(|layer| padded(layer.co)).fold(padded(self.co), usize::max);
        let weights = |layer: &Self| padded(layer.co) * layer.ci;
        let weights = hidden.iter().map(weights).fold(weights(last), usize::max);
        let least = LEAST_BETWEEN.max(channels * self.least_pixels(method));
        LANES * next.len().min(2) * weights.clamp(least, least.max(LARGEST_STRIP))
    }

    /// Pixels of the smallest block that a forward pass computes.
    pub(crate) fn least_pixels(&self, method: Method) -> usize {
        if matches!(method, Method::Rowwise(_)) { self.output.1 } else { 1 }
    }

    /// Elements of work space of the weights' gradient of `n` images.
    pub(crate) fn weight_gradient_work(&self, method: Method, n: usize) -> usize {
        match method {
            Method::Direct if self.reads_in_place() => 0,
            Method::Direct => n * self.bordered_len(),
            Method::Sparse => self.sparse_weight_gradient_work(n),
            Method::Winograd(tile) => {
                let problem = self.forward_problem(tile);
                let images = problem.images_per_pass(n);
                let passes = problem.images_per_sum(n).div_ceil(images);
                images * self.phases_len()
                    + passes * problem.input_points(images)
                    + problem.gradients_work(images)
            }
            Method::Rowwise(_) => unreachable!("no gradient is computed row by row"),
        }
    }

    /// Elements of work space of the input's gradient of `n` images.
    pub(crate) fn input_gradient_work(&self, method: Method, n: usize) -> usize {
        match method {
            Method::Direct => self.direct_input_gradient_work(n),
            Method::Sparse => 0,
            Method::Winograd(tile) => self.input_gradient_problem(tile).work(n, 0),
            Method::Rowwise(_) => unreachable!("no gradient is computed row by row"),
        }
    }

    /// Whether there are sparse gradients: of a pointwise convolution to not too many channels.
    pub(crate) fn has_sparse_gradients(&self) -> bool {
        self.is_pointwise() && padded(self.co) <= SPARSE_CHANNELS
    }

    /// Elements of the input in panels, if it isn't summed where it lies, of transposed sums, and of a chunk's gradient
    /// by channels, with a bit for each value.
    fn sparse_weight_gradient_work(&self, n: usize) -> usize {
        let (ci, co) = (padded(self.ci), padded(self.co));
        let pixels = (n * self.input.0 * self.input.1).next_multiple_of(SPARSE_CHUNK);
        let in_place = !self.narrow && ci < 8 * PANEL;
        let packed = if in_place { 0 } else { pixels * ci };
        packed + co * ci + co * (SPARSE_CHUNK + SPARSE_CHUNK / 32)
    }

    /// Whether direct sums read their windows where they lie.
    fn reads_in_place(&self) -> bool {
        self.window.padding == (0, 0) && !self.narrow
    }

    /// Elements of an input's pixel in all its planes.
    fn pixel(&self) -> usize {
        if self.planar { self.ci } else { padded(self.ci) }
    }

    /// Elements of one image's input with its padding as a border.
    fn bordered_len(&self) -> usize {
        let (ph, pw) = self.window.padding;
        (self.input.0 + 2 * ph) * (self.input.1 + 2 * pw) * self.pixel()
    }

    /// Elements of the strips of one image that direct sums copy as they go.
    fn strips(&self) -> usize {
        let (kh, kw) = self.window.kernel;
        let whole = self.bordered_len();
        let least = whole.min(LEAST_STRIP).max(kh * kw * self.pixel());
        (whole / 4).clamp(least, least.max(LARGEST_STRIP))
    }

    /// A copy of the output's gradient with a border for the windows that hang over, if there are any.
    fn direct_input_gradient_work(&self, n: usize) -> usize {
        let Window { kernel, stride, padding } = self.window;
        let overhang =
            |input: usize, output: usize, kernel: usize, stride: usize, padding: usize| {
                let last = (input - 1 + padding) / stride;
                kernel.div_ceil(stride) - 1 + (last + 1).saturating_sub(output)
            };
        let rows = overhang(self.input.0, self.output.0, kernel.0, stride.0, padding.0);
        let columns = overhang(self.input.1, self.output.1, kernel.1, stride.1, padding.1);
        if (rows, columns) == (0, 0) {
            return 0;
        }
        n * (self.output.0 + rows) * (self.output.1 + columns) * padded(self.co)
    }
}
