//! Convolutions of the nets in `nets` and some more: all passes, by all algorithms.

use std::cell::Cell;

use criterion::Criterion;
use nin_runtime::ops::conv::winograd::{Ragged, Tile, Tiles};
use nin_runtime::ops::conv::{ConvShape, Forward, InputGradient, Source, WeightGradient};
use nin_runtime::ops::pool::{PoolShape, max_pool_backward, max_pool_forward};
use nin_runtime::simd::{Isa, padded};
use nin_runtime::{Buffer, Context, Order};

use crate::report::{Group, Work, group};
use crate::{KERNEL_TIME, fill};

/// What transforms refer to.
mod rt {
    pub use core::clone::Clone;
    pub use core::marker::Copy;
    pub use core::option::Option::{self, None, Some};
    pub use nin_runtime::ops::conv::winograd::Transform;
    pub use nin_runtime::simd::Vector;
}

nin_macros::transforms!(F4x3, F6x3, F4x5With2, F2x5With4, F2x7);

type Tiles4Of3 = Tiles<F4x3, F4x3, 4, 3, 6, 4, 3, 6>;
type Tiles6Of3 = Tiles<F6x3, F6x3, 6, 3, 8, 6, 3, 8>;
type Tiles4Of5 = Ragged<
    Tiles<F4x5With2, F4x5With2, 4, 5, 8, 4, 5, 8>,
    Tiles<F4x5With2, F2x5With4, 4, 5, 8, 2, 5, 6>,
    Tiles<F2x5With4, F4x5With2, 2, 5, 6, 4, 5, 8>,
    Tiles<F2x5With4, F2x5With4, 2, 5, 6, 2, 5, 6>,
>;
type Tiles2Of7 = Tiles<F2x7, F2x7, 2, 7, 8, 2, 7, 8>;

/// Images that gradients of layers with small activations are computed for together, as a lane has in training. From
/// so many elements on it takes them one at a time.
const LANE: usize = 4;
const LARGE: usize = 1 << 16;

/// Memory for a layer and all of its operands, one after the other, as a net has them. In buffers of their own, those of
/// less than a megabyte would stand on small pages, wherever the system has some, and crowd each other out of the second
/// cache.
struct Memory(Buffer);

impl Memory {
    fn new() -> Self {
        /// What the largest layer needs, and more: 128 MiB.
        const FLOATS: usize = 32 << 20;
        Self(Buffer::zeros(FLOATS))
    }

    /// A square convolution of `size` × `size` pixels.
    fn layer(
        &mut self,
        (ci, co): (usize, usize),
        size: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
        order: Order,
    ) -> Layer<'_> {
        let pair = |n| (n, n);
        let (kernel2, stride2, padding2) = (pair(kernel), pair(stride), pair(padding));
        let shape = ConvShape::new((ci, co), pair(size), kernel2, stride2, padding2, order);
        let (h, w) = shape.output();
        let batch = if shape.input_len().max(shape.output_len()) < LARGE { LANE } else { 1 };
        let rest = Rest(Cell::new(&mut self.0));
        let x = rest.values(batch * shape.input_len());
        let y = rest.values(batch * shape.output_len());
        clear_padding(y, co);
        if order == Order::ChannelsLast {
            clear_padding(x, ci);
        }
        let weights = rest.values(shape.weights_len());
        let depth = kernel * kernel * ci;
        weights.iter_mut().for_each(|weight| *weight /= (depth as f32).sqrt());
        let bias = rest.values(shape.bias_len());
        let stride = if stride > 1 { format!("/{stride}") } else { String::new() };
        Layer {
            name: format!("{kernel}×{kernel}{stride} {ci}→{co}, {h}×{w}"),
            shape,
            batch,
            channels: co,
            planar: order == Order::Planar,
            flops: 2 * (depth * co * h * w) as u64,
            x,
            y,
            weights,
            bias,
            rest,
        }
    }
}

/// What is left of the memory.
struct Rest<'m>(Cell<&'m mut [f32]>);

impl<'m> Rest<'m> {
    fn zeros(&self, len: usize) -> &'m mut [f32] {
        let (floats, rest) = self.0.take().split_at_mut(padded(len));
        self.0.set(rest);
        floats.fill(0.0);
        &mut floats[..len]
    }

    fn values(&self, len: usize) -> &'m mut [f32] {
        let values = self.zeros(len);
        fill(values);
        values
    }
}

/// A convolution and its operands.
struct Layer<'m> {
    name: String,
    shape: ConvShape,
    /// Images that its gradients are computed for together.
    batch: usize,
    /// Of its output.
    channels: usize,
    /// Whether it reads the images, which need no gradient.
    planar: bool,
    /// Of one image's forward pass, by direct sums.
    flops: u64,
    x: &'m mut [f32],
    y: &'m mut [f32],
    weights: &'m mut [f32],
    bias: &'m mut [f32],
    /// For other operands.
    rest: Rest<'m>,
}

/// Padded channels of activations are zero.
fn clear_padding(activations: &mut [f32], c: usize) {
    activations.chunks_exact_mut(padded(c)).for_each(|pixel| pixel[c..].fill(0.0));
}

/// The max pool of the book's net, for `size` × `size` pixels.
fn pool(channels: usize, size: usize) -> PoolShape {
    let output = (size - 3) / 2 + 1;
    PoolShape::new(channels, (size, size), (output, output), (3, 3), (2, 2), (0, 0))
}

impl<'m> Layer<'m> {
    /// Takes an image, or activations, as the input of the whole batch, and gives one image's output without a bias.
    fn output(&mut self, cx: &Context, x: &[f32]) -> Vec<f32> {
        self.x.chunks_exact_mut(x.len()).for_each(|image| image.copy_from_slice(x));
        self.bias.fill(0.0);
        let images = self.images();
        let x = self.source(&images, 1);
        let mut y = vec![0.0; self.shape.output_len()];
        let work = self.rest.zeros(self.shape.direct_work::<f32>(1));
        let pass = Forward { shape: &self.shape, n: 1, x, bias: self.bias, relu: true };
        pass.direct(cx, self.weights, &mut y, work);
        y
    }

    /// Images planar and apart, or activations.
    fn images(&self) -> Vec<&[f32]> {
        self.x.chunks_exact(self.shape.input_len()).collect()
    }

    /// The input of the first `n` images.
    fn source<'a>(&'a self, images: &'a [&'a [f32]], n: usize) -> Source<'a> {
        match self.planar {
            true => Source::Images(&images[..n]),
            false => Source::Activations(&self.x[..n * self.shape.input_len()]),
        }
    }

    /// Times the forward pass, given its operands.
    fn bench_forward(
        &self,
        group: &mut Group<'_>,
        mut forward: impl FnMut(Forward<'_>, &mut [f32]),
    ) {
        let (shape, images) = (&self.shape, self.images());
        let x = self.source(&images, 1);
        let pass = Forward { shape, n: 1, x, bias: self.bias, relu: true };
        let out = self.rest.zeros(shape.output_len());
        group.bench(&format!("{}: forward", self.name), Work::Flops(self.flops), || {
            forward(pass, out);
        });
    }

    /// Times the gradients, each given its operands, as far as the layer has them.
    fn bench_gradients(
        &self,
        group: &mut Group<'_>,
        mut weight_gradient: impl FnMut(WeightGradient<'_>, &mut [f32], &mut [f32]),
        mut input_gradient: Option<impl FnMut(InputGradient<'_>, &mut [f32])>,
    ) {
        let Self { name, shape, batch: n, x, y, flops, .. } = self;
        let (images, n) = (self.images(), *n);
        let (work, of) = (Work::Flops(n as u64 * flops), if n == 1 { "image" } else { "images" });

        let pass = WeightGradient { shape, n, x: self.source(&images, n), dy: y };
        let (dw, db) = (self.rest.zeros(shape.weights_len()), self.rest.zeros(shape.bias_len()));
        group.bench(&format!("{name}: weight gradient of {n} {of}"), work, || {
            weight_gradient(pass, dw, db);
        });

        if let Some(input_gradient) = &mut input_gradient {
            let pass = InputGradient { shape, n, dy: y, gate: Some(x) };
            let dx = self.rest.zeros(n * shape.input_len());
            group.bench(&format!("{name}: input gradient of {n} {of}"), work, || {
                input_gradient(pass, dx);
            });
        }
    }

    fn bench_direct(&self, group: &mut Group<'_>) {
        let (shape, cx) = (&self.shape, Context::sequential(Isa::get()));
        let work = self.rest.zeros(shape.direct_work::<f32>(self.batch));
        let gradient_work = self.rest.zeros(shape.direct_weight_gradient_work::<f32>(self.batch));
        let input_gradient = (!self.planar).then(|| {
            let transposed = self.rest.zeros(shape.transposed_len());
            shape.transpose_weights(&cx, self.weights, transposed);
            let work = self.rest.zeros(shape.direct_input_gradient_work(self.batch));
            let cx = cx.clone();
            move |pass: InputGradient<'_>, dx: &mut [f32]| {
                pass.direct(&cx, transposed, dx, work);
            }
        });
        self.bench_forward(group, |pass, y| pass.direct(&cx, self.weights, y, work));
        self.bench_gradients(
            group,
            |pass, dw, db| pass.direct(&cx, dw, db, gradient_work),
            input_gradient,
        );
    }

    /// The gradients of a pointwise layer behind windows of 3×3 that are 2 apart.
    fn bench_sparse(mut self, group: &mut Group<'_>) {
        let (shape, cx) = (self.shape, Context::sequential(Isa::get()));
        self.y = self.pooled_gradient(&cx);
        let transposed = self.rest.zeros(shape.transposed_len());
        shape.transpose_weights(&cx, self.weights, transposed);
        let work = self.rest.zeros(shape.sparse_weight_gradient_work::<f32>(self.batch));
        self.bench_gradients(
            group,
            |pass, dw, db| pass.sparse(&cx, dw, db, work),
            Some(|pass: InputGradient<'_>, dx: &mut [f32]| pass.sparse(&cx, transposed, dx)),
        );
    }

    /// What such windows of a max pool make of sample values.
    fn pooled_gradient(&self, cx: &Context) -> &'m mut [f32] {
        let pool = pool(self.channels, self.shape.output().0);
        let dy = self.rest.values(self.batch * pool.output_len());
        clear_padding(dy, self.channels);
        let dx = self.rest.zeros(self.y.len());
        max_pool_backward(cx, self.batch, &pool, true, self.y, dy, dx);
        dx
    }

    fn bench_winograd<W: Tile>(&self, group: &mut Group<'_>) {
        let (shape, cx) = (&self.shape, Context::sequential(Isa::get()));
        let u = self.rest.zeros(shape.winograd_weights_len::<W>());
        let bytes = Work::Bytes(4 * (self.weights.len() + u.len()) as u64);
        group.bench(&format!("{}: transform of weights", self.name), bytes, || {
            shape.winograd_weights::<W>(&cx, self.weights, u);
        });
        let work = self.rest.zeros(shape.winograd_work::<W>(1));
        let gradient_work = self.rest.zeros(shape.winograd_weight_gradient_work::<W>(self.batch));
        // By Winograd, the gradient of a strided convolution's input has no kernel to share.
        let input_gradient = (!self.planar).then(|| {
            let u = self.rest.zeros(shape.winograd_transposed_len::<W>());
            shape.winograd_transposed::<W>(&cx, self.weights, u);
            let work = self.rest.zeros(shape.winograd_input_gradient_work::<W>(self.batch));
            let cx = cx.clone();
            move |pass: InputGradient<'_>, dx: &mut [f32]| {
                pass.winograd::<W>(&cx, u, dx, work);
            }
        });
        self.bench_forward(group, |pass, y| pass.winograd::<W>(&cx, u, y, work));
        self.bench_gradients(
            group,
            |pass, dw, db| pass.winograd::<W>(&cx, dw, db, gradient_work),
            input_gradient,
        );
    }
}

use Order::{ChannelsLast, Planar};

/// 1×1 convolutions, which are products of pixels × channels.
pub fn products(criterion: &mut Criterion) {
    group(criterion, "matrix products", 1, KERNEL_TIME, |group| {
        let mut memory = Memory::new();
        for (channels, size) in [
            ((96, 96), 54),
            ((256, 256), 26),
            ((384, 384), 12),
            ((32, 32), 28),
            ((192, 160), 32),
            ((10, 10), 5),
        ] {
            memory.layer(channels, size, 1, 1, 0, ChannelsLast).bench_direct(group);
        }
    });
}

/// The 1×1 convolutions of the book's net on what it makes of an image with weights that are not trained: the same
/// kernels, which leave out what is zero behind a ReLU, in FLOPs as if nothing were left out.
pub fn rectified(criterion: &mut Criterion) {
    let cx = Context::sequential(Isa::get());
    let mut x: Vec<f32> =
        (0..224 * 224).map(|i| ((i / 224 * 31 + i % 224 * 17) % 255) as f32 / 255.0).collect();
    group(criterion, "products behind a ReLU", 1, KERNEL_TIME, |group| {
        let mut memory = Memory::new();
        for (channels, size, kernel, stride, padding, order) in [
            ((1, 96), 224, 11, 4, 0, Planar),
            ((96, 256), 26, 5, 1, 2, ChannelsLast),
            ((256, 384), 12, 3, 1, 1, ChannelsLast),
        ] {
            let mut first = memory.layer(channels, size, kernel, stride, padding, order);
            let (c, (size, _)) = (first.channels, first.shape.output());
            let mut y = first.output(&cx, &x);
            for number in ["second", "third"] {
                let mut layer = memory.layer((c, c), size, 1, 1, 0, ChannelsLast);
                layer.name = format!("{number} of {c}, {size}×{size}");
                y = layer.output(&cx, &y);
                // A gradient is zero where its activation is.
                for dy in layer.y.chunks_exact_mut(y.len()) {
                    let closed = dy.iter_mut().zip(&y).filter(|(_, y)| **y == 0.0);
                    closed.for_each(|(dy, _)| *dy = 0.0);
                }
                layer.bench_direct(group);
            }
            let shape = pool(c, size);
            x = vec![0.0; shape.output_len()];
            max_pool_forward(&cx, 1, &shape, &y, &mut x);
        }
    });
}

/// The gradients of those before a max pool, in FLOPs as if nothing were left out.
pub fn sparse(criterion: &mut Criterion) {
    group(criterion, "gradients behind a max pool", 1, KERNEL_TIME, |group| {
        let mut memory = Memory::new();
        for (c, size) in [(96, 54), (256, 26), (384, 12), (32, 28), (64, 13)] {
            memory.layer((c, c), size, 1, 1, 0, ChannelsLast).bench_sparse(group);
        }
    });
}

/// Larger kernels by direct sums.
pub fn direct(criterion: &mut Criterion) {
    group(criterion, "direct convolution", 1, KERNEL_TIME, |group| {
        let mut memory = Memory::new();
        for (channels, size, kernel, stride, padding, order) in [
            ((1, 96), 224, 11, 4, 0, Planar),
            ((3, 96), 224, 11, 4, 0, Planar),
            ((1, 32), 28, 5, 1, 2, Planar),
            ((96, 256), 26, 5, 1, 2, ChannelsLast),
            ((256, 384), 12, 3, 1, 1, ChannelsLast),
            ((384, 10), 5, 3, 1, 1, ChannelsLast),
            ((32, 48), 28, 7, 1, 3, ChannelsLast),
            ((32, 64), 28, 3, 2, 1, ChannelsLast),
        ] {
            memory.layer(channels, size, kernel, stride, padding, order).bench_direct(group);
        }
    });
}

/// The same by Winograd, in tiles that the compiler would pick.
pub fn winograd(criterion: &mut Criterion) {
    group(criterion, "convolution by Winograd", 1, KERNEL_TIME, |group| {
        let mut memory = Memory::new();
        let first = memory.layer((1, 96), 224, 11, 4, 0, Planar);
        first.bench_winograd::<Tiles6Of3>(group);
        let first = memory.layer((3, 96), 224, 11, 4, 0, Planar);
        first.bench_winograd::<Tiles6Of3>(group);
        let five = memory.layer((96, 256), 26, 5, 1, 2, ChannelsLast);
        five.bench_winograd::<Tiles4Of5>(group);
        let three = memory.layer((256, 384), 12, 3, 1, 1, ChannelsLast);
        three.bench_winograd::<Tiles4Of3>(group);
        let seven = memory.layer((32, 48), 28, 7, 1, 3, ChannelsLast);
        seven.bench_winograd::<Tiles2Of7>(group);
    });
}
