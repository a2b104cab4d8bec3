//! Convolution by Winograd's minimal filtering.
//!
//! With the linear maps of [`Transform`], `Y = Aᵀ[(G·W·Gᵀ) ⊙ (Bᵀ·X·B)]A` for each tile of the output
//! (Lavin and Gray, 2015). Summed over input channels, the products at one point are a matrix
//! product of tiles × ci and ci × co, so that almost all arithmetic is that of the one matrix product.
//!
//! All passes are made of the same stages. The input's gradient is the convolution of the output's
//! gradient with the weights turned by 180 degrees. The weights' gradient is `Gᵀ[Σ E ⊙ V]G` over
//! all tiles, with `V = Bᵀ·X·B` as in the forward pass and `E = A·dY·Aᵀ`.
//!
//! A stride is taken apart into its phases (space to depth): a convolution of stride s over c
//! channels is one of stride 1 over s²·c channels, with kernels of 1/s the size. So is the planar image
//! brought into the order that vectors want.

mod lanes;
mod passes;
mod phases;
mod stages;
mod tile;
mod tiling;
mod weights;

#[cfg(all(test, feature = "std"))]
pub(super) mod tests;

pub(super) use tile::call;
pub use tile::{Ragged, Tile, Tiles, Transform};

use super::ConvShape;
use crate::Order;
use crate::simd::{LINE, PANEL, padded};
use lanes::Group;
use tiling::Tiling;

/// A convolution of stride 1 over activations, as the stages see it.
#[derive(Clone, Copy, Debug)]
struct Problem {
    ci: usize,
    co: usize,
    input: (usize, usize),
    padding: (usize, usize),
    output: (usize, usize),
    tiling: Tiling,
    /// Panels of output channels that are multiplied and transformed back at a time.
    group: usize,
}

/// Tiles that a pass should have before more images no longer help: with fewer, reading the
/// transformed weights takes longer than multiplying.
const TILES_PER_PASS: usize = 36;

/// Tiles that a group of panels is sized for, if an image has no more.
const TILES_OF_GROUP: usize = 24;

/// Elements of transformed outputs that stay in the second cache between multiplying and transforming
/// back: 384 KiB.
const GROUP_LEN: usize = 96 << 10;

/// Elements of transformed inputs that stay in the second cache: 2 MiB.
const NEAR_LEN: usize = 1 << 19;

/// Elements of transformed inputs that the weights' gradient keeps, to sum over their images before it
/// transforms back: 16 MiB.
const KEPT_LEN: usize = 1 << 22;

impl Problem {
    const fn forward<W: Tile>(shape: &ConvShape) -> Self {
        let (kh, kw) = phase_kernel(shape);
        assert!(kh == W::KERNEL.0 && kw == W::KERNEL.1, "the transform is for another kernel");
        let output = shape.output();
        let (ci, input, padding) = if shape.needs_phases() {
            let input = (output.0 + kh - 1, output.1 + kw - 1);
            (shape.ci * shape.stride.0 * shape.stride.1, input, (0, 0))
        } else {
            (shape.ci, shape.input, shape.padding)
        };
        Self::new::<W>((ci, shape.co), input, padding, output)
    }

    const fn input_gradient<W: Tile>(shape: &ConvShape) -> Self {
        let (kh, kw) = shape.kernel;
        assert!(kh == W::KERNEL.0 && kw == W::KERNEL.1, "the transform is for another kernel");
        assert!(!shape.needs_phases(), "an input gradient by Winograd has stride 1");
        assert!(
            shape.padding.0 < kh && shape.padding.1 < kw,
            "an input gradient by Winograd has less padding than kernel"
        );
        let padding = (kh - 1 - shape.padding.0, kw - 1 - shape.padding.1);
        Self::new::<W>((shape.co, shape.ci), shape.output(), padding, shape.input)
    }

    const fn new<W: Tile>(
        (ci, co): (usize, usize),
        input: (usize, usize),
        padding: (usize, usize),
        output: (usize, usize),
    ) -> Self {
        let tiling = Tiling::new::<W>(output);
        let (points, count) = (tiling.points(), tiling.tiles().0 * tiling.tiles().1);
        // A pass has the tiles of one image, or a few more than `TILES_PER_PASS`.
        let fits = match (count + TILES_PER_PASS).checked_mul(points * 4) {
            Some(len) => len.checked_mul(padded(ci) + padded(co)).is_some(),
            None => false,
        };
        assert!(fits, "the transformed tiles of a convolution can be addressed");
        let weights = (padded(ci) * points * 4).checked_mul(padded(co));
        assert!(weights.is_some(), "so can its transformed weights");
        let count = if count > TILES_OF_GROUP { count } else { TILES_OF_GROUP };
        // Each group reads the transformed inputs, which costs most where they do not stay near either.
        let group = if points * count * padded(ci) > NEAR_LEN && 2 * padded(co) <= padded(ci) {
            padded(co) / PANEL
        } else {
            // Pairs of panels make the widest register tiles.
            GROUP_LEN / (points * count * PANEL) / 2 * 2
        };
        let group = if group > 2 { group } else { 2 };
        Self { ci, co, input, padding, output, tiling, group }
    }

    /// Tiles of one image.
    const fn tiles(&self) -> usize {
        let (rows, columns) = self.tiling.tiles();
        rows * columns
    }

    /// Images, of `n`, whose tiles go through the stages together.
    const fn images_per_pass(&self, n: usize) -> usize {
        let images = TILES_PER_PASS.div_ceil(self.tiles());
        if images < n { images } else { n }
    }

    /// Images, of `n`, over which the weights' gradient sums before it transforms back.
    const fn images_per_sum(&self, n: usize) -> usize {
        let (pass, kept) = (self.images_per_pass(n), KEPT_LEN / self.input_points(1));
        let images = if kept > pass { kept } else { pass };
        if images < n { images } else { n }
    }

    /// The passes over the images of a sum.
    const fn passes_per_sum(&self, n: usize) -> usize {
        match self.images_per_pass(n) {
            0 => 0,
            images => self.images_per_sum(n).div_ceil(images),
        }
    }

    /// Elements of the transformed inputs of `images` images that go through the stages together.
    const fn input_points(&self, images: usize) -> usize {
        self.tiling.points() * room(images * self.tiles() * padded(self.ci))
    }

    /// Elements of their transformed outputs, of the channels of so many panels.
    const fn output_points(&self, images: usize, panels: usize) -> usize {
        self.tiling.points() * room(images * self.tiles() * panels * PANEL)
    }

    /// Elements of the transformed weights.
    const fn weight_points(&self) -> usize {
        let rest = self.panels() % self.group;
        self.panels() / self.group * self.group_points(self.group) + self.group_points(rest)
    }

    /// Elements of the transformed weights of so many panels.
    const fn group_points(&self, panels: usize) -> usize {
        self.tiling.points() * spread(panels * self.ci * PANEL)
    }

    /// Panels of output channels.
    const fn panels(&self) -> usize {
        padded(self.co) / PANEL
    }

    /// Where the transformed weights of a panel start, and how far its points are apart. For each group
    /// they are `[points][panels of the group][ci][PANEL]`: in the order in which they are read.
    fn panel(&self, panel: usize) -> (usize, usize) {
        let first = panel / self.group * self.group;
        let panels = self.group.min(self.panels() - first);
        let size = self.ci * PANEL;
        let start = first / self.group * self.group_points(self.group) + (panel - first) * size;
        (start, spread(panels * size))
    }
}

impl ConvShape {
    /// Whether the input is rearranged before it is transformed: for its stride or its planes.
    const fn needs_phases(&self) -> bool {
        self.stride.0 * self.stride.1 > 1 || matches!(self.order, Order::Planar)
    }

    /// Elements of one image's input, rearranged.
    const fn phases_len(&self) -> usize {
        if !self.needs_phases() {
            return 0;
        }
        let ((h, w), (kh, kw)) = (self.output(), phase_kernel(self));
        (h + kh - 1) * (w + kw - 1) * padded(self.ci * self.stride.0 * self.stride.1)
    }

    /// Elements of the transformed weights of the forward pass.
    #[must_use]
    pub const fn winograd_weights_len<W: Tile>(&self) -> usize {
        Problem::forward::<W>(self).weight_points()
    }

    /// Elements of the transformed weights of the input's gradient.
    #[must_use]
    pub const fn winograd_transposed_len<W: Tile>(&self) -> usize {
        Problem::input_gradient::<W>(self).weight_points()
    }

    /// Elements of work space that the forward pass of `n` images needs.
    #[must_use]
    pub const fn winograd_work<W: Tile>(&self, n: usize) -> usize {
        Problem::forward::<W>(self).work(n, self.phases_len())
    }

    /// Elements of work space that the input's gradient of `n` images needs.
    #[must_use]
    pub const fn winograd_input_gradient_work<W: Tile>(&self, n: usize) -> usize {
        Problem::input_gradient::<W>(self).work(n, 0)
    }

    /// Elements of work space that the weights' gradient of `n` images needs.
    #[must_use]
    pub const fn winograd_weight_gradient_work<W: Tile>(&self, n: usize) -> usize {
        let problem = Problem::forward::<W>(self);
        let images = problem.images_per_pass(n);
        images * self.phases_len()
            + problem.passes_per_sum(n) * problem.input_points(images)
            + problem.gradients_work(images)
    }
}

/// How far the matrices of neighbouring points are apart that have `len` elements: an odd number of cache
/// lines, so that the points of a tile do not compete for the same places of a cache.
const fn spread(len: usize) -> usize {
    if len > 0 && (len / LINE).is_multiple_of(2) { len + LINE } else { len }
}

/// Space for a matrix that is [`spread`] from the next. Twice the elements never need more than twice
/// the space, so that work space for one image suffices as a share for each of several.
const fn room(len: usize) -> usize {
    len + LINE
}

/// The kernel's size after its stride was taken apart.
const fn phase_kernel(shape: &ConvShape) -> (usize, usize) {
    (shape.kernel.0.div_ceil(shape.stride.0), shape.kernel.1.div_ceil(shape.stride.1))
}
