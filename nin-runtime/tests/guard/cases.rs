//! The operations, each as the lengths of its buffers and a call.

use super::buffer::{Guarded, Side};
use super::convolutions::convolutions;
use nin_runtime::ops::dropout::{Dropout, dropout_backward, dropout_forward};
use nin_runtime::ops::global_avg_pool::{global_avg_pool_backward, global_avg_pool_forward};
use nin_runtime::ops::pool::{
    PoolShape, avg_pool_backward, avg_pool_forward, max_pool_backward, max_pool_forward,
};
use nin_runtime::ops::relu::gate;
use nin_runtime::simd::kept_mut as kept;
use nin_runtime::{Adam, Context, Optimizer, Sgd, f16};

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
    pub(super) fn new(
        name: impl Into<String>,
        lengths: impl Into<Vec<usize>>,
        call: impl Fn(&Context, &mut [&mut [f32]]) + 'static,
    ) -> Self {
        Self { name: name.into(), lengths: lengths.into(), work: None, call: Box::new(call) }
    }

    /// The last buffer is work space.
    pub(super) fn with_work(self) -> Self {
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

/// A case with four buffers and work space, which may be empty: then it cannot be shorter.
pub(super) fn work_case(
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
        // Without the last windows.
        (1, 17, (9, 9), (3, 2), (3, 3), (2, 2), (0, 0)),
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
