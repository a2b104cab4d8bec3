//! Layers that are computed together give the bits of layers that are computed one after the other.

use super::*;
use crate::Order;
use crate::ops::conv::tests::contexts;
use crate::ops::conv::winograd::tests::rt;
use crate::simd::Isa;

nin_macros::transforms!(F4x5);

fn sample(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 37 + seed * 11) % 64) as f32 / 32.0 - 1.0).collect()
}

/// A layer with its parameters.
struct Layer {
    shape: ConvShape,
    weights: Vec<f32>,
    bias: Vec<f32>,
    relu: bool,
}

impl Layer {
    fn new(shape: ConvShape, relu: bool) -> Self {
        let mut layer = Self {
            shape,
            weights: sample(shape.weights_len(), 1),
            bias: sample(shape.bias_len(), 2),
            relu,
        };
        // What pads the output channels is zero.
        layer.bias[shape.co..].fill(0.0);
        layer
    }

    fn pointwise(&self) -> Pointwise<'_> {
        let Self { shape, weights, bias, relu } = self;
        Pointwise { shape, weights, bias, relu: *relu }
    }

    fn pass<'a>(&'a self, n: usize, x: Source<'a>) -> Forward<'a> {
        Forward { shape: &self.shape, n, x, bias: &self.bias, relu: self.relu }
    }
}

/// A convolution to `channels[0]` and pointwise layers to the others.
fn layers(first: ConvShape, channels: &[usize]) -> Vec<Layer> {
    let mut layers = vec![Layer::new(first, true)];
    for (i, &co) in channels.iter().enumerate() {
        let before = layers[i].shape;
        let shape = ConvShape::new(
            (before.co, co),
            before.output(),
            (1, 1),
            (1, 1),
            (0, 0),
            Order::ChannelsLast,
        );
        layers.push(Layer::new(shape, i % 2 == 0));
    }
    layers
}

/// The layers' outputs one after the other, each by direct sums, from the first one's.
fn one_by_one(n: usize, layers: &[Layer], mut y: Vec<f32>) -> Vec<f32> {
    let cx = Context::sequential(Isa::get());
    for layer in layers {
        let mut next = vec![f32::NAN; n * layer.shape.output_len()];
        layer.pass(n, Source::Activations(&y)).direct(&cx, &layer.weights, &mut next, &mut []);
        y = next;
    }
    y
}

fn check(n: usize, first: ConvShape, channels: &[usize]) {
    let layers = layers(first, channels);
    let (first, next) = layers.split_first().expect("a convolution");
    let shapes: Vec<_> = next.iter().map(|layer| &layer.shape).collect();
    let pointwise: Vec<_> = next.iter().map(Layer::pointwise).collect();
    let image = sample(n * first.shape.input_len(), 3);
    let images: Vec<_> = image.chunks(first.shape.input_len()).collect();
    let x = match first.shape.order {
        Order::Planar => Source::Images(&images),
        Order::ChannelsLast => Source::Activations(&image),
    };
    let pass = first.pass(n, x);
    let len = n * next.last().unwrap_or(first).shape.output_len();
    let by_direct_sums = |cx: &Context| {
        let mut y = vec![f32::NAN; len];
        let work = first.shape.direct_work::<f32>(n) + first.shape.mlp_work(&shapes, 1);
        pass.mlp(cx, &first.weights, &pointwise, &mut y, &mut vec![f32::NAN; work]);
        y
    };
    let row_by_row = |cx: &Context, next: &[Pointwise<'_>]| {
        let shape = &first.shape;
        let mut u = vec![f32::NAN; shape.rowwise_weights_len(8)];
        shape.rowwise_weights::<F4x5, 4, 5, 8>(cx, &first.weights, &mut u);
        let mlp = if next.is_empty() { 0 } else { shape.mlp_work(&shapes, shape.output().1) };
        let last = next.last().map_or(shape, |layer| layer.shape);
        let mut y = vec![f32::NAN; n * last.output_len()];
        let mut work = vec![f32::NAN; shape.rowwise_work(4, 8) + mlp];
        pass.rowwise::<F4x5, 4, 5, 8>(cx, &u, next, &mut y, &mut work);
        y
    };
    let alone = Context::sequential(Isa::get());
    let mut y = vec![f32::NAN; n * first.shape.output_len()];
    let mut work = vec![f32::NAN; first.shape.direct_work::<f32>(n)];
    pass.direct(&alone, &first.weights, &mut y, &mut work);
    let want = one_by_one(n, next, y);
    let rowwise = first.shape.order == Order::Planar;
    let want_rowwise = rowwise.then(|| one_by_one(n, next, row_by_row(&alone, &[])));
    let mut contexts = contexts();
    contexts.push(("40 threads".into(), Context::with_threads(Isa::get(), 40)));
    for (name, cx) in contexts.iter().filter(|(_, cx)| cx.isa() == Isa::get()) {
        assert!(by_direct_sums(cx) == want, "{name}: {n} of {:?} {channels:?}", first.shape);
        if let Some(want) = &want_rowwise {
            assert!(row_by_row(cx, &pointwise) == *want, "{name}: {n} of {:?}", first.shape);
        }
    }
}

#[test]
fn layers_together_give_the_bits_of_layers_one_by_one() {
    let same =
        |ci, co, (h, w), order| ConvShape::new((ci, co), (h, w), (5, 5), (1, 1), (2, 2), order);
    use Order::{ChannelsLast, Planar};
    check(1, same(1, 32, (28, 28), Planar), &[32, 32]);
    check(2, same(3, 20, (9, 70), Planar), &[50, 7, 16]);
    check(3, same(20, 35, (7, 6), ChannelsLast), &[10]);
    // Rows that do not fit between two layers.
    check(1, same(1, 64, (5, 300), Planar), &[16, 16]);
    let pointwise =
        |ci, co, pixels| ConvShape::new((ci, co), pixels, (1, 1), (1, 1), (0, 0), ChannelsLast);
    check(1, pointwise(64, 64, (13, 13)), &[64]);
    check(2, pointwise(40, 300, (17, 11)), &[300, 10]);
    check(4, pointwise(16, 10, (1, 1)), &[10]);
    let strided = ConvShape::new((3, 24), (23, 21), (5, 5), (2, 2), (0, 0), ChannelsLast);
    check(1, strided, &[40, 24]);
}

#[test]
#[should_panic(expected = "after")]
fn layers_that_do_not_fit_are_refused() {
    let pointwise =
        |ci, co| ConvShape::new((ci, co), (4, 4), (1, 1), (1, 1), (0, 0), Order::ChannelsLast);
    let (first, next) = (Layer::new(pointwise(16, 20), true), Layer::new(pointwise(24, 16), true));
    let x = sample(first.shape.input_len(), 0);
    let mut y = vec![0.0; next.shape.output_len()];
    let mut work = vec![0.0; first.shape.mlp_work(&[&next.shape], 1)];
    first.pass(1, Source::Activations(&x)).mlp(
        &Context::sequential(Isa::get()),
        &first.weights,
        &[next.pointwise()],
        &mut y,
        &mut work,
    );
}
