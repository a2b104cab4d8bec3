//! The operations, each as the lengths of its buffers and a call.

use super::buffer::{Guarded, Side};
use super::{F1x3With4, F2x3, F2x5, F4x3, F4x3With1, F6x3};
use nin_runtime::ops::conv::winograd::{Ragged, Tile, Tiles};
use nin_runtime::ops::conv::{ConvShape, Forward, InputGradient, Source, WeightGradient};
use nin_runtime::ops::dropout::{Dropout, dropout_backward, dropout_forward};
use nin_runtime::ops::global_avg_pool::{global_avg_pool_backward, global_avg_pool_forward};
use nin_runtime::ops::pool::{
    PoolShape, avg_pool_backward, avg_pool_forward, max_pool_backward, max_pool_forward,
};
use nin_runtime::ops::relu::gate;
use nin_runtime::simd::{Element, kept_mut as kept};
use nin_runtime::{Adam, Context, Operand, Optimizer, Order, Sgd, bf16, f16};

/// What an operation does with its buffers.
type Call = Box<dyn Fn(&Context, &mut [&mut [f32]])>;

/// An operation on some buffers.
pub struct Case {
    name: String,
    lengths: Vec<usize>,
    /// The buffer that is work space, if there is one.
    work: Option<usize>,
    call: Call,
}

impl Case {
    fn new(
        name: impl Into<String>,
        lengths: impl Into<Vec<usize>>,
        call: impl Fn(&Context, &mut [&mut [f32]]) + 'static,
    ) -> Self {
        Self { name: name.into(), lengths: lengths.into(), work: None, call: Box::new(call) }
    }

    /// The last buffer is work space.
    fn with_work(self) -> Self {
        Self { work: Some(self.lengths.len() - 1), ..self }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn buffers(&self) -> usize {
        self.lengths.len()
    }

    pub fn is_work(&self, buffer: usize) -> bool {
        self.work == Some(buffer)
    }

    /// Runs the operation and gives the bits of all buffers but work space afterwards. `wrong` makes one of
    /// the buffers longer or shorter.
    pub fn run(&self, cx: &Context, side: Side, wrong: Option<(usize, isize)>) -> Vec<Vec<u32>> {
        let mut lengths = self.lengths.clone();
        if let Some((buffer, by)) = wrong {
            lengths[buffer] = lengths[buffer].checked_add_signed(by).expect("a shorter buffer");
        }
        let mut buffers: Vec<Guarded> = lengths
            .iter()
            .enumerate()
            .map(|(b, &len)| {
                let value = |i: usize| ((i * 37 + b * 11) % 64) as f32 / 32.0 - 0.75;
                Guarded::new(&(0..len).map(value).collect::<Vec<_>>(), side)
            })
            .collect();
        let mut slices: Vec<&mut [f32]> = buffers.iter_mut().map(|buffer| &mut **buffer).collect();
        (self.call)(cx, &mut slices);
        let results = buffers.iter().enumerate().filter(|(i, _)| self.work != Some(*i));
        results.map(|(_, buffer)| buffer.iter().map(|value| value.to_bits()).collect()).collect()
    }
}

pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    convolutions(&mut cases);
    pools(&mut cases);
    others(&mut cases);
    cases
}

type Square<F, const M: usize, const R: usize, const T: usize> = Tiles<F, F, M, R, T, M, R, T>;

/// Tiles of which the last along both axes are smaller.
type FourAndOne = Ragged<
    Square<F4x3With1, 4, 3, 6>,
    Tiles<F4x3With1, F1x3With4, 4, 3, 6, 1, 3, 3>,
    Tiles<F1x3With4, F4x3With1, 1, 3, 3, 4, 3, 6>,
    Square<F1x3With4, 1, 3, 3>,
>;

fn convolutions(cases: &mut Vec<Case>) {
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
    }
    for (n, channels, input) in [
        (1, (1, 1), (1, 1)),
        (2, (17, 33), (9, 11)),
        (1, (130, 35), (12, 11)),
        (3, (64, 20), (3, 5)),
        (1, (3, 4080), (1, 2)),
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

/// A case with four buffers and work space, which may be empty: then it cannot be shorter.
fn work_case(
    name: String,
    lengths: [usize; 4],
    work: usize,
    call: impl Fn(&Context, &mut [&mut [f32]]) + 'static,
) -> Case {
    if work > 0 {
        let lengths: Vec<usize> = lengths.into_iter().chain([work]).collect();
        return Case::new(name, lengths, call).with_work();
    }
    Case::new(name, lengths, move |cx, buffers| {
        let [a, b, c, d] = buffers else { unreachable!() };
        call(cx, &mut [a, b, c, d, &mut []]);
    })
}

fn pools(cases: &mut Vec<Case>) {
    for (n, c, input, output, kernel, stride, padding) in [
        (2, 5, (7, 9), (3, 4), (3, 3), (2, 2), (0, 0)),
        (1, 33, (6, 5), (4, 3), (2, 3), (2, 2), (1, 1)),
        (3, 16, (8, 8), (4, 4), (3, 3), (2, 2), (0, 0)),
        (1, 1, (5, 7), (1, 2), (4, 3), (5, 3), (0, 0)),
    ] {
        let shape = PoolShape::new(c, input, output, kernel, stride, padding);
        let (x, y) = (n * shape.input_len(), n * shape.output_len());
        let name = |pass: &str| format!("{pass} of {n} × {shape:?}");
        type Forward = fn(&Context, usize, &PoolShape, &[f32], &mut [f32]);
        for (pool, forward) in
            [("max", max_pool_forward as Forward), ("mean", avg_pool_forward as Forward)]
        {
            cases.push(Case::new(name(pool), [x, y], move |cx, buffers| {
                let [x, y] = buffers else { unreachable!() };
                forward(cx, n, &shape, x, y);
            }));
        }
        type Backward = fn(&Context, usize, &PoolShape, bool, &[f32], &[f32], &mut [f32]);
        for (pool, backward) in [
            ("gradient of max", max_pool_backward as Backward),
            ("gradient of mean", avg_pool_backward as Backward),
        ] {
            cases.push(Case::new(name(pool), [x, y, x], move |cx, buffers| {
                let [x, dy, dx] = buffers else { unreachable!() };
                backward(cx, n, &shape, true, x, dy, dx);
            }));
        }
        cases.push(Case::new(name("max of f16"), [x / 2, y / 2], move |cx, buffers| {
            let [x, y] = buffers else { unreachable!() };
            max_pool_forward(cx, n, &shape, kept::<f16>(x), kept(y));
        }));
        cases.push(Case::new(name("mean of f16"), [x / 2, y / 2], move |cx, buffers| {
            let [x, y] = buffers else { unreachable!() };
            avg_pool_forward(cx, n, &shape, kept::<f16>(x), kept(y));
        }));
        cases.push(Case::new(name("gradient of max of f16"), [x / 2, y, x], move |cx, buffers| {
            let [x, dy, dx] = buffers else { unreachable!() };
            max_pool_backward(cx, n, &shape, true, kept::<f16>(x), dy, dx);
        }));
        cases.push(Case::new(
            name("gradient of mean of f16"),
            [x / 2, y, x],
            move |cx, buffers| {
                let [x, dy, dx] = buffers else { unreachable!() };
                avg_pool_backward(cx, n, &shape, true, kept::<f16>(x), dy, dx);
            },
        ));
    }
}

fn others(cases: &mut Vec<Case>) {
    for (n, c, h, w) in [(2, 5, 3, 4), (3, 33, 1, 1), (1, 16, 5, 2)] {
        let (x, y) = (n * h * w * nin_runtime::simd::padded(c), n * c);
        cases.push(Case::new("global average", [x, y], move |cx, buffers| {
            let [x, logits] = buffers else { unreachable!() };
            global_avg_pool_forward(cx, n, (c, h, w), x, logits);
        }));
        cases.push(Case::new("gradient of global average", [x, y, x], move |cx, buffers| {
            let [x, dlogits, dx] = buffers else { unreachable!() };
            global_avg_pool_backward(cx, n, (c, h, w), true, x, dlogits, dx);
        }));
        cases.push(Case::new("global average of f16", [x / 2, y], move |cx, buffers| {
            let [x, logits] = buffers else { unreachable!() };
            global_avg_pool_forward(cx, n, (c, h, w), kept::<f16>(x), logits);
        }));
        cases.push(Case::new(
            "gradient of global average of f16",
            [x / 2, y, x],
            move |cx, buffers| {
                let [x, dlogits, dx] = buffers else { unreachable!() };
                global_avg_pool_backward(cx, n, (c, h, w), true, kept::<f16>(x), dlogits, dx);
            },
        ));
        cases.push(Case::new("gate of f16", [x / 2, x], move |cx, buffers| {
            let [x, dx] = buffers else { unreachable!() };
            gate(cx, kept::<f16>(x), dx);
        }));
        let dropout = Dropout::new(0.4, 1, 2, 3);
        cases.push(Case::new("gradient of dropout", [x, x], move |cx, buffers| {
            let [gate, dx] = buffers else { unreachable!() };
            dropout_backward(cx, n, &dropout, Some(gate), dx);
        }));
    }
    for len in [16, 48, 8192 + 16] {
        cases.push(Case::new("SGD", [len, len, len], |cx, buffers| {
            let [params, grads, state] = buffers else { unreachable!() };
            Sgd::new(0.1).momentum(0.9).weight_decay(0.1).update(cx, params, grads, state);
        }));
        cases.push(Case::new("Adam", [len, len, 2 * len], |cx, buffers| {
            let [params, grads, state] = buffers else { unreachable!() };
            Adam::new(0.1).weight_decay(0.1).update(cx, params, grads, state);
        }));
    }
    let dropout = Dropout::new(0.4, 1, 2, 3);
    cases.push(Case::new("dropout", [2 * 77], move |cx, buffers| {
        // Any even length is two images of one size; what is odd is not.
        let [x] = buffers else { unreachable!() };
        assert_eq!(x.len(), 2 * 77, "dropout takes any whole images");
        dropout_forward(cx, 2, &dropout, x);
    }));
}
