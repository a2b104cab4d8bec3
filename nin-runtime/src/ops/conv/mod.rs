//! Convolution: its geometry, and the passes with their operands. How each pass is computed stands
//! in `direct`, `sparse` and `winograd`.

#[cfg(all(test, feature = "std"))]
mod accuracy;
mod border;
mod column_sums;
mod direct;
mod mlp;
mod pack;
mod rowwise;
mod sparse;
#[cfg(all(test, feature = "std"))]
mod tests;
pub mod winograd;

pub use mlp::Pointwise;

use crate::simd::{Element, PANEL, padded};
use crate::{Order, params};

/// Threads that passes which share their work space have full parts for; with more of them, parts are smaller or the
/// stages are shared.
const LANES: usize = 2;

const fn larger(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

/// The geometry of a convolution with bias; every pair is (rows, columns).
///
/// It exists only if the kernel fits the padded input, so that the drivers need no checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    ci: usize,
    co: usize,
    input: (usize, usize),
    output: (usize, usize),
    kernel: (usize, usize),
    stride: (usize, usize),
    padding: (usize, usize),
    order: Order,
}

impl ConvShape {
    /// The convolution of `ci` channels of `input` pixels to `co` channels. `Order::Planar` says
    /// that it reads the planar image, else activations.
    ///
    /// # Panics
    /// If a count is zero, the kernel is larger than the padded input, or a buffer could not be addressed.
    #[must_use]
    pub const fn new(
        (ci, co): (usize, usize),
        input: (usize, usize),
        kernel: (usize, usize),
        stride: (usize, usize),
        padding: (usize, usize),
        order: Order,
    ) -> Self {
        assert!(ci > 0 && co > 0, "a convolution has channels");
        assert!(kernel.0 > 0 && kernel.1 > 0, "a kernel has pixels");
        assert!(stride.0 > 0 && stride.1 > 0, "a stride is positive");
        let numbers = [ci, co, input.0, input.1, stride.0, stride.1, padding.0, padding.1];
        let mut i = 0;
        while i < numbers.len() {
            assert!(numbers[i] < usize::MAX / 64, "sums of a convolution's sizes do not overflow");
            i += 1;
        }
        let h = input.0 + 2 * padding.0;
        let w = input.1 + 2 * padding.1;
        assert!(kernel.0 <= h && kernel.1 <= w, "the kernel fits the padded input");
        // With this much room no sum of offsets below overflows.
        let pixels = (h + kernel.0 + stride.0).checked_mul(w + kernel.1 + stride.1);
        let fits = match pixels {
            Some(pixels) => pixels.checked_mul(4 * (padded(ci) + padded(co))).is_some(),
            None => false,
        };
        assert!(fits, "the activations of a convolution can be addressed");
        let taps = kernel.0 * kernel.1;
        assert!((padded(ci) * taps).checked_mul(4 * padded(co)).is_some(), "so can its weights");
        let output = ((h - kernel.0) / stride.0 + 1, (w - kernel.1) / stride.1 + 1);
        Self { ci, co, input, output, kernel, stride, padding, order }
    }

    /// The same convolution without the last rows and columns of its output, as if these were cut off.
    ///
    /// # Panics
    /// If it has no such rows or columns, or none are left.
    #[must_use]
    pub const fn cropped(self, output: (usize, usize)) -> Self {
        assert!(output.0 > 0 && output.1 > 0, "a convolution has outputs");
        assert!(
            output.0 <= self.output.0 && output.1 <= self.output.1,
            "what is cropped does not grow"
        );
        Self { output, ..self }
    }

    /// Rows and columns of the output.
    #[must_use]
    pub const fn output(&self) -> (usize, usize) {
        self.output
    }

    /// Elements of one image's input.
    #[must_use]
    pub const fn input_len(&self) -> usize {
        self.input.0 * self.input.1 * self.planes() * self.pixel()
    }

    /// Elements of one image's output.
    #[must_use]
    pub const fn output_len(&self) -> usize {
        let (h, w) = self.output();
        h * w * padded(self.co)
    }

    /// Elements of the weights in the arena.
    #[must_use]
    pub const fn weights_len(&self) -> usize {
        padded(self.co) * self.kernel.0 * self.kernel.1 * self.ci
    }

    /// Elements of the bias in the arena.
    #[must_use]
    pub const fn bias_len(&self) -> usize {
        padded(self.co)
    }

    /// Planes of the input as it lies in memory: its channels if it is planar, else one.
    const fn planes(&self) -> usize {
        match self.order {
            Order::Planar => self.ci,
            Order::ChannelsLast => 1,
        }
    }

    /// Elements between neighbouring pixels of the input.
    const fn pixel(&self) -> usize {
        match self.order {
            Order::Planar => 1,
            Order::ChannelsLast => padded(self.ci),
        }
    }

    /// Products that one output value sums.
    const fn depth(&self) -> usize {
        self.ci * self.kernel.0 * self.kernel.1
    }

    /// Panels of output channels.
    const fn panels(&self) -> usize {
        padded(self.co) / PANEL
    }

    /// Multiply-adds of one image's forward pass by direct sums.
    const fn macs(&self) -> usize {
        self.output_len().saturating_mul(self.depth())
    }

    /// The same layer over a row of `pixels`.
    const fn with_row_of(&self, pixels: usize) -> Self {
        Self { input: (1, pixels), output: (1, pixels), ..*self }
    }

    /// Whether it is a fully connected layer at each pixel, so that pixels need no rows.
    const fn is_pointwise(&self) -> bool {
        matches!((self.kernel, self.stride, self.padding), ((1, 1), (1, 1), (0, 0)))
            && matches!(self.order, params::Order::ChannelsLast)
            && self.input.0 == self.output.0
            && self.input.1 == self.output.1
    }
}

/// What a convolution reads, kept as numbers of type `X`.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a, X = f32> {
    /// Planar images, `(c, h, w)` each, of which at least as many as the pass has.
    Images(&'a [&'a [X]]),
    /// Activations, `(n, h, w, padded(c))`.
    Activations(&'a [X]),
}

impl<'a, X: Element> Source<'a, X> {
    /// The input of image `i`, of `len` elements.
    fn image(self, i: usize, len: usize) -> &'a [X] {
        match self {
            Self::Images(images) => images[i],
            Self::Activations(x) => &x[i * len..(i + 1) * len],
        }
    }

    fn check(self, n: usize, shape: &ConvShape) {
        match self {
            Self::Images(images) => {
                assert_eq!(shape.order, Order::Planar, "images are planar");
                assert!(images.len() >= n, "{n} images, got {}", images.len());
                for image in &images[..n] {
                    assert_eq!(image.len(), shape.input_len(), "an image of {shape:?}");
                }
            }
            Self::Activations(x) => {
                assert_eq!(shape.order, Order::ChannelsLast, "activations have channels last");
                assert_eq!(Some(x.len()), n.checked_mul(shape.input_len()), "input of {shape:?}");
            }
        }
    }
}

/// A forward pass: `y = x ∗ weights + bias`, and a ReLU if asked. What it reads is kept as `X`; weights,
/// bias and what it writes as `T`.
#[derive(Clone, Copy, Debug)]
pub struct Forward<'a, X = f32, T = f32> {
    /// The geometry.
    pub shape: &'a ConvShape,
    /// The number of images.
    pub n: usize,
    /// The input.
    pub x: Source<'a, X>,
    /// One value an output channel, padded.
    pub bias: &'a [T],
    /// Whether negative outputs become zero.
    pub relu: bool,
}

impl<X: Element, T> Forward<'_, X, T> {
    fn check_operands(&self) {
        self.x.check(self.n, self.shape);
        assert_eq!(self.bias.len(), self.shape.bias_len(), "bias of {:?}", self.shape);
    }

    fn check(&self, y: &[T]) {
        self.check_operands();
        let len = self.n.checked_mul(self.shape.output_len());
        assert_eq!(Some(y.len()), len, "output of {:?}", self.shape);
    }
}

/// A gradient of weights and bias, added to what stands there.
#[derive(Clone, Copy, Debug)]
pub struct WeightGradient<'a, X = f32> {
    /// The geometry.
    pub shape: &'a ConvShape,
    /// The number of images.
    pub n: usize,
    /// The input of the forward pass.
    pub x: Source<'a, X>,
    /// The gradient with respect to the output, before its ReLU.
    pub dy: &'a [f32],
}

impl<X: Element> WeightGradient<'_, X> {
    fn check(&self, dw: &[f32], db: &[f32]) {
        self.x.check(self.n, self.shape);
        let len = self.n.checked_mul(self.shape.output_len());
        assert_eq!(Some(self.dy.len()), len, "output of {:?}", self.shape);
        assert_eq!(dw.len(), self.shape.weights_len(), "weights of {:?}", self.shape);
        assert_eq!(db.len(), self.shape.bias_len(), "bias of {:?}", self.shape);
    }
}

/// The gradient with respect to the input.
#[derive(Clone, Copy, Debug)]
pub struct InputGradient<'a> {
    /// The geometry.
    pub shape: &'a ConvShape,
    /// The number of images.
    pub n: usize,
    /// The gradient with respect to the output, before its ReLU.
    pub dy: &'a [f32],
    /// The input, if it is the output of a ReLU, whose derivative then goes into the gradient.
    pub gate: Option<&'a [f32]>,
}

impl InputGradient<'_> {
    fn check(&self, dx: &[f32]) {
        let shape = self.shape;
        assert_eq!(shape.order, Order::ChannelsLast, "images need no gradient");
        let output = self.n.checked_mul(shape.output_len());
        assert_eq!(Some(self.dy.len()), output, "output of {shape:?}");
        let input = self.n.checked_mul(shape.input_len());
        assert_eq!(Some(dx.len()), input, "input of {shape:?}");
        assert!(self.gate.is_none_or(|gate| gate.len() == dx.len()), "the gate is the input");
    }
}
