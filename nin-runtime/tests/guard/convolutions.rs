//! Convolutions by every algorithm.

use super::cases::{Case, work_case};
use super::{F1x3With4, F2x3, F2x5, F4x3, F4x3With1, F4x5, F6x3};
use nin_runtime::ops::conv::winograd::{Ragged, Tile, Tiles, Transform};
use nin_runtime::ops::conv::{
    ConvShape, Forward, InputGradient, Pointwise, Source, WeightGradient,
};
use nin_runtime::simd::{Element, kept_mut as kept};
use nin_runtime::{Context, Operand, Order, bf16, f16};

type Square<F, const M: usize, const R: usize, const T: usize> = Tiles<F, F, M, R, T, M, R, T>;

/// Tiles of which the last along both axes are smaller.
type FourAndOne = Ragged<
    Square<F4x3With1, 4, 3, 6>,
    Tiles<F4x3With1, F1x3With4, 4, 3, 6, 1, 3, 3>,
    Tiles<F1x3With4, F4x3With1, 1, 3, 3, 4, 3, 6>,
    Square<F1x3With4, 1, 3, 3>,
>;

/// All passes of convolutions.
pub(super) fn convolutions(cases: &mut Vec<Case>) {
    use Order::{ChannelsLast, Planar};
    for (n, channels, input, kernel, stride, padding, order) in [
        (2, (5, 7), (7, 9), (3, 3), (1, 1), (1, 1), ChannelsLast),
        (1, (16, 33), (5, 4), (2, 3), (1, 1), (0, 0), ChannelsLast),
        (2, (17, 16), (9, 8), (5, 3), (2, 3), (2, 1), ChannelsLast),
        (3, (20, 35), (3, 5), (1, 1), (1, 1), (0, 0), ChannelsLast),
        (2, (3, 18), (11, 13), (5, 5), (2, 2), (1, 2), Planar),
        (1, (1, 1), (6, 5), (3, 2), (1, 1), (0, 0), Planar),
    ] {
        let shape = ConvShape::new(channels, input, kernel, stride, padding, order);
        direct(cases, n, shape, order == Planar);
        let (h, w) = shape.output();
        direct(cases, n, shape.cropped((h - 1, w.max(3) - 2)), order == Planar);
    }
    for (n, channels, input) in [
        (1, (1, 1), (1, 1)),
        (2, (17, 33), (9, 11)),
        (1, (130, 35), (12, 11)),
        (3, (64, 20), (3, 5)),
        (1, (3, 4096), (1, 2)),
    ] {
        let shape = ConvShape::new(channels, input, (1, 1), (1, 1), (0, 0), ChannelsLast);
        for apart in [1, 5] {
            sparse(cases, n, shape, apart);
        }
    }
    let shape = |channels, input, kernel, stride, padding, order| {
        ConvShape::new(
            channels,
            input,
            (kernel, kernel),
            (stride, stride),
            (padding, padding),
            order,
        )
    };
    let same = shape((5, 18), (7, 9), 3, 1, 1, ChannelsLast);
    winograd::<Square<F4x3, 4, 3, 6>>(cases, 2, same, false);
    winograd::<Square<F4x3, 4, 3, 6>>(cases, 2, same.cropped((6, 8)), false);
    winograd::<Square<F6x3, 6, 3, 8>>(cases, 1, same, false);
    let narrow = shape((33, 3), (4, 3), 3, 1, 0, ChannelsLast);
    winograd::<Square<F2x3, 2, 3, 4>>(cases, 3, narrow, false);
    let five = shape((16, 48), (10, 7), 5, 1, 2, ChannelsLast);
    winograd::<Square<F2x5, 2, 5, 6>>(cases, 2, five, false);
    let strided = shape((3, 20), (13, 15), 5, 2, 1, Planar);
    winograd::<Square<F4x3, 4, 3, 6>>(cases, 2, strided, true);
    let planar = shape((2, 5), (6, 7), 3, 1, 1, Planar);
    winograd::<Tiles<F2x3, F4x3, 2, 3, 4, 4, 3, 6>>(cases, 1, planar, true);
    let ragged = shape((5, 18), (9, 13), 3, 1, 1, ChannelsLast);
    winograd::<FourAndOne>(cases, 2, ragged, false);
    // On two threads each transforms all tiles.
    let cheap = shape((5, 64), (5, 6), 3, 1, 1, ChannelsLast);
    winograd::<Square<F4x3, 4, 3, 6>>(cases, 1, cheap, false);
    let wide = shape((3, 18), (4, 71), 5, 1, 2, Planar);
    rowwise::<F4x5, 4, 5, 8>(cases, 2, wide);
    mlp::<F4x5, 4, 5, 8>(cases, 2, wide, [18, 35, 5], true);
    rowwise::<F4x5, 4, 5, 8>(cases, 1, shape((1, 16), (5, 6), 5, 1, 0, Planar));
    rowwise::<F6x3, 6, 3, 8>(cases, 3, shape((2, 33), (7, 13), 3, 1, 1, Planar));
    mlp::<F6x3, 6, 3, 8>(cases, 3, narrow, [3, 40, 20], false);
    mlp::<F6x3, 6, 3, 8>(
        cases,
        2,
        shape((20, 17), (9, 7), 1, 1, 0, ChannelsLast),
        [17, 5, 16],
        false,
    );
}

/// A first layer computed along rows.
fn rowwise<W, const M: usize, const R: usize, const T: usize>(
    cases: &mut Vec<Case>,
    n: usize,
    shape: ConvShape,
) where
    W: Transform<M, R, T>,
{
    let (x, y, b) = (n * shape.input_len(), n * shape.output_len(), shape.bias_len());
    let (w, u) = (shape.weights_len(), shape.rowwise_weights_len(T));
    let name = |pass: &str| format!("{pass} along rows of {n} × {shape:?}");
    cases.push(Case::new(name("weights"), [w, u], move |cx, buffers| {
        let [weights, u] = buffers else { unreachable!() };
        shape.rowwise_weights::<W, M, R, T>(cx, weights, u);
    }));
    let work = shape.rowwise_work(M, T);
    cases.push(work_case(name("forward"), [x, b, u, y], work, move |cx, buffers| {
        let [x, bias, u, y, work] = buffers else { unreachable!() };
        with_source(x, n, true, |x| {
            let pass = Forward { shape: &shape, n, x, bias, relu: true };
            pass.rowwise::<W, M, R, T>(cx, u, &[], y, work);
        });
    }));
}

/// A layer of planar images along rows or one of activations by direct sums, and two pointwise ones with it, of so
/// many channels.
fn mlp<W, const M: usize, const R: usize, const T: usize>(
    cases: &mut Vec<Case>,
    n: usize,
    first: ConvShape,
    channels: [usize; 3],
    planar: bool,
) where
    W: Transform<M, R, T>,
{
    let [c0, c1, c2] = channels;
    let pointwise = |ci: usize, co: usize| {
        ConvShape::new((ci, co), first.output(), (1, 1), (1, 1), (0, 0), Order::ChannelsLast)
    };
    let (second, third) = (pointwise(c0, c1), pointwise(c1, c2));
    let (w, pixels, own) = if planar {
        (first.rowwise_weights_len(T), first.output().1, first.rowwise_work(M, T))
    } else {
        (first.weights_len(), 1, first.direct_work::<f32>(n))
    };
    let lengths = [
        n * first.input_len(),
        first.bias_len(),
        w,
        second.bias_len(),
        second.weights_len(),
        third.bias_len(),
        third.weights_len(),
        n * third.output_len(),
        own + first.mlp_work(&[&second, &third], pixels),
    ];
    let name = format!("{channels:?} channels together, of {n} × {first:?}");
    let call = move |cx: &Context, buffers: &mut [&mut [f32]]| {
        let [x, bias, weights, bias1, weights1, bias2, weights2, y, work] = buffers else {
            unreachable!()
        };
        let next = [
            Pointwise { shape: &second, weights: weights1, bias: bias1, relu: true },
            Pointwise { shape: &third, weights: weights2, bias: bias2, relu: false },
        ];
        with_source(x, n, planar, |x| {
            let pass = Forward { shape: &first, n, x, bias, relu: true };
            if planar {
                pass.rowwise::<W, M, R, T>(cx, weights, &next, y, work);
            } else {
                pass.mlp(cx, weights, &next, y, work);
            }
        });
    };
    cases.push(Case::new(name, lengths, call).with_work());
}

/// Calls `f` with a convolution's input, which is `n` planar images or activations.
fn with_source<R>(x: &[f32], n: usize, planar: bool, f: impl FnOnce(Source<'_>) -> R) -> R {
    if !planar {
        return f(Source::Activations(x));
    }
    // The last image gets what is left, so that a wrong length is one of an image.
    let len = x.len() / n;
    let mut images: Vec<&[f32]> = (0..n).map(|i| &x[i * len..(i + 1) * len]).collect();
    images[n - 1] = &x[(n - 1) * len..];
    f(Source::Images(&images))
}

fn direct(cases: &mut Vec<Case>, n: usize, shape: ConvShape, planar: bool) {
    let (x, y) = (n * shape.input_len(), n * shape.output_len());
    let (w, b) = (shape.weights_len(), shape.bias_len());
    let work = shape.direct_work::<f32>(n);
    let name = |pass: &str| format!("direct {pass} of {n} × {shape:?}");
    cases.push(work_case(name("forward"), [x, b, w, y], work, move |cx, buffers| {
        let [x, bias, weights, y, work] = buffers else { unreachable!() };
        with_source(x, n, planar, |x| {
            Forward { shape: &shape, n, x, bias, relu: true }.direct(cx, weights, y, work);
        });
    }));
    let work = shape.direct_weight_gradient_work::<f32>(n);
    cases.push(work_case(name("weight gradient"), [x, y, w, b], work, move |cx, buffers| {
        let [x, dy, dw, db, work] = buffers else { unreachable!() };
        with_source(x, n, planar, |x| {
            WeightGradient { shape: &shape, n, x, dy }.direct(cx, dw, db, work);
        });
    }));
    if planar {
        let work = shape.direct_work::<f32>(n);
        let lengths = [x, b / 2, w / 2, y / 2];
        cases.push(work_case(name("forward to f16"), lengths, work, move |cx, buffers| {
            let [x, bias, weights, y, work] = buffers else { unreachable!() };
            with_source(x, n, planar, |x| {
                Forward { shape: &shape, n, x, bias: kept::<f16>(bias), relu: true }.direct(
                    cx,
                    kept(weights),
                    kept(y),
                    work,
                );
            });
        }));
    } else {
        narrow::<f16>(cases, n, shape);
        narrow::<bf16>(cases, n, shape);
    }
    if planar {
        return;
    }
    let t = shape.transposed_len();
    cases.push(Case::new(name("transposed weights"), [w, t], move |cx, buffers| {
        let [weights, transposed] = buffers else { unreachable!() };
        shape.transpose_weights(cx, weights, transposed);
    }));
    let work = shape.direct_input_gradient_work(n);
    cases.push(work_case(name("input gradient"), [y, x, t, x], work, move |cx, buffers| {
        let [dy, gate, transposed, dx, work] = buffers else { unreachable!() };
        let gate = Some(&**gate);
        InputGradient { shape: &shape, n, dy, gate }.direct(cx, transposed, dx, work);
    }));
}

/// Passes that read numbers of half the size of `f32`.
fn narrow<T: Operand>(cases: &mut Vec<Case>, n: usize, shape: ConvShape) {
    let (x, y) = (n * shape.input_len(), n * shape.output_len());
    let (w, b) = (shape.weights_len(), shape.bias_len());
    let name = |pass: &str| format!("direct {pass} of {n} × {shape:?} of {}", T::NAME);
    let work = shape.direct_work::<T>(n);
    let lengths = [x / 2, b / 2, w / 2, y / 2];
    cases.push(work_case(name("forward"), lengths, work, move |cx, buffers| {
        let [x, bias, weights, y, work] = buffers else { unreachable!() };
        let x = Source::Activations(&*kept::<T>(x));
        Forward { shape: &shape, n, x, bias: kept::<T>(bias), relu: true }.direct(
            cx,
            kept(weights),
            kept(y),
            work,
        );
    }));
    let work = shape.direct_weight_gradient_work::<T>(n);
    cases.push(work_case(name("weight gradient"), [x / 2, y, w, b], work, move |cx, buffers| {
        let [x, dy, dw, db, work] = buffers else { unreachable!() };
        let x = Source::Activations(&*kept::<T>(x));
        WeightGradient { shape: &shape, n, x, dy }.direct(cx, dw, db, work);
    }));
    let t = shape.transposed_len();
    cases.push(Case::new(name("transposed weights"), [w / 2, t], move |cx, buffers| {
        let [weights, transposed] = buffers else { unreachable!() };
        shape.transpose_weights(cx, kept::<T>(weights), transposed);
    }));
}

/// The gradients that leave out zeros, of an output's gradient of which one value in `apart` is not zero.
fn sparse(cases: &mut Vec<Case>, n: usize, shape: ConvShape, apart: usize) {
    sparse_weight_gradient::<f32>(cases, n, shape, apart);
    sparse_weight_gradient::<f16>(cases, n, shape, apart);
    let (x, y, t) = (n * shape.input_len(), n * shape.output_len(), shape.transposed_len());
    let name = format!("sparse input gradient of {n} × {shape:?}, one in {apart}");
    cases.push(Case::new(name, [y, x, t, x], move |cx, buffers| {
        let [dy, gate, transposed, dx] = buffers else { unreachable!() };
        thin(dy, apart);
        let gate = Some(&**gate);
        InputGradient { shape: &shape, n, dy, gate }.sparse(cx, transposed, dx);
    }));
}

fn sparse_weight_gradient<X: Element>(
    cases: &mut Vec<Case>,
    n: usize,
    shape: ConvShape,
    apart: usize,
) {
    let x = n * shape.input_len() * size_of::<X>() / size_of::<f32>();
    let (y, w, b) = (n * shape.output_len(), shape.weights_len(), shape.bias_len());
    let work = shape.sparse_weight_gradient_work::<X>(n);
    let name = format!("sparse weight gradient of {n} × {shape:?} of {}, one in {apart}", X::NAME);
    cases.push(work_case(name, [x, y, w, b], work, move |cx, buffers| {
        let [x, dy, dw, db, work] = buffers else { unreachable!() };
        thin(dy, apart);
        let x = Source::Activations(&*kept::<X>(x));
        WeightGradient { shape: &shape, n, x, dy }.sparse(cx, dw, db, work);
    }));
}

/// Clears all values but one in `apart`, none of which is zero then.
fn thin(values: &mut [f32], apart: usize) {
    for (i, value) in values.iter_mut().enumerate() {
        *value = if i % apart == 0 { value.abs() + 1.0 } else { 0.0 };
    }
}

/// Passes of a convolution of stride 1, or over planar images, which have no gradient.
fn winograd<W: Tile>(cases: &mut Vec<Case>, n: usize, shape: ConvShape, planar: bool) {
    let (x, y) = (n * shape.input_len(), n * shape.output_len());
    let (w, b) = (shape.weights_len(), shape.bias_len());
    let u = shape.winograd_weights_len::<W>();
    let name = |pass: &str| format!("Winograd {pass} of {n} × {shape:?}");
    cases.push(Case::new(name("weights"), [w, u], move |cx, buffers| {
        let [weights, u] = buffers else { unreachable!() };
        shape.winograd_weights::<W>(cx, weights, u);
    }));
    let work = shape.winograd_work::<W>(n);
    cases.push(work_case(name("forward"), [x, b, u, y], work, move |cx, buffers| {
        let [x, bias, u, y, work] = buffers else { unreachable!() };
        with_source(x, n, planar, |x| {
            Forward { shape: &shape, n, x, bias, relu: true }.winograd::<W>(cx, u, y, work);
        });
    }));
    let work = shape.winograd_weight_gradient_work::<W>(n);
    cases.push(work_case(name("weight gradient"), [x, y, w, b], work, move |cx, buffers| {
        let [x, dy, dw, db, work] = buffers else { unreachable!() };
        with_source(x, n, planar, |x| {
            WeightGradient { shape: &shape, n, x, dy }.winograd::<W>(cx, dw, db, work);
        });
    }));
    if planar {
        return;
    }
    let t = shape.winograd_transposed_len::<W>();
    cases.push(Case::new(name("transposed weights"), [w, t], move |cx, buffers| {
        let [weights, transposed] = buffers else { unreachable!() };
        shape.winograd_transposed::<W>(cx, weights, transposed);
    }));
    let work = shape.winograd_input_gradient_work::<W>(n);
    cases.push(work_case(name("input gradient"), [y, x, t, x], work, move |cx, buffers| {
        let [dy, gate, transposed, dx, work] = buffers else { unreachable!() };
        let gate = Some(&**gate);
        InputGradient { shape: &shape, n, dy, gate }.winograd::<W>(cx, transposed, dx, work);
    }));
}
