//! Every pass by every algorithm, on every instruction set, against the reference in `f64`.

use super::*;
use crate::Context;
use crate::ParamInfo;
use crate::gemm::Operand;
use crate::reference::{
    Tensor, Window, assert_close, conv2d, conv2d_bias_gradient, conv2d_input_gradient,
    conv2d_weight_gradient, from_arena, from_nhwc, to_arena, to_nhwc,
};
use crate::simd::Isa;
use half::{bf16, f16};

/// A convolution with samples for all operands, and what the reference makes of them.
pub(super) struct Case {
    pub(super) shape: ConvShape,
    pub(super) n: usize,
    window: Window,
    x: Tensor,
    w: Tensor,
    bias: Vec<f64>,
    dy: Tensor,
}

/// Values that are `f32`, so that the reference starts from the same numbers, with mantissas of full length,
/// so that products are rounded.
fn sample(shape: [usize; 4], seed: u64) -> Tensor {
    Tensor::sample(shape, seed).map(|v| f64::from((v * 0.9) as f32))
}

impl Case {
    pub(super) fn new(
        n: usize,
        (ci, co): (usize, usize),
        (h, w): (usize, usize),
        window: Window,
        order: Order,
    ) -> Self {
        let shape =
            ConvShape::new((ci, co), (h, w), window.kernel, window.stride, window.padding, order);
        let (ho, wo) = shape.output();
        Self {
            shape,
            n,
            window,
            x: sample([n, ci, h, w], 1).relu(),
            w: sample([co, ci, window.kernel.0, window.kernel.1], 2),
            bias: sample([1, 1, 1, co], 3).data,
            dy: sample([n, co, ho, wo], 4),
        }
    }

    /// The same without the last `rows` and `columns` of the output, as far as some are left.
    pub(super) fn cropped(self, (rows, columns): (usize, usize)) -> Self {
        let (h, w) = self.shape.output();
        let output = (h.saturating_sub(rows).max(1), w.saturating_sub(columns).max(1));
        Self { shape: self.shape.cropped(output), dy: self.dy.cropped(output), ..self }
    }

    /// The same with operands of the forward pass that a number kept as `T` can hold.
    fn rounded<T: Element>(self) -> Self {
        let round = |v: f64| f64::from(T::from_f32(v as f32).to_f32());
        let bias = self.bias.into_iter().map(round).collect();
        Self { x: self.x.map(round), w: self.w.map(round), bias, ..self }
    }

    /// The same with an output's gradient of which, as behind a max pool, most is zero: all but one value in
    /// `apart` of each pixel, at other places from pixel to pixel.
    pub(super) fn mostly_zero(self, apart: usize) -> Self {
        let [_, channels, h, w] = self.dy.shape;
        let mut dy = self.dy;
        for (i, value) in dy.data.iter_mut().enumerate() {
            let (channel, pixel) = (i / (h * w) % channels, i % (h * w));
            if (channel * 7 + pixel * 3) % apart != 0 {
                *value = 0.0;
            }
        }
        Self { dy, ..self }
    }

    fn info(&self) -> ParamInfo {
        let shape: &'static [usize] = Vec::leak(self.w.shape.to_vec());
        ParamInfo { name: "weight", shape, offset: 0, order: self.shape.order }
    }

    pub(super) fn weights(&self) -> Vec<f32> {
        let mut arena = vec![0.0; self.shape.weights_len()];
        to_arena(&self.info(), &self.w.data, &mut arena);
        arena
    }

    fn bias(&self) -> Vec<f32> {
        let mut bias: Vec<f32> = self.bias.iter().map(|&v| v as f32).collect();
        bias.resize(self.shape.bias_len(), 0.0);
        bias
    }

    /// The input as the convolution reads it: planar or channels last.
    fn input(&self) -> Vec<f32> {
        match self.shape.order {
            Order::Planar => self.x.data.iter().map(|&v| v as f32).collect(),
            Order::ChannelsLast => to_nhwc(&self.x),
        }
    }

    fn with_source<R>(&self, f: impl FnOnce(Source<'_>) -> R) -> R {
        let x = self.input();
        match self.shape.order {
            Order::Planar => {
                let images: Vec<&[f32]> = x.chunks(self.shape.input_len()).collect();
                f(Source::Images(&images))
            }
            Order::ChannelsLast => f(Source::Activations(&x)),
        }
    }

    /// Holds a forward pass, which gets the pass, y and no work space, to the reference.
    pub(super) fn check_forward(
        &self,
        name: &str,
        tolerance: f64,
        run: impl Fn(&Forward<'_>, &mut [f32]),
    ) {
        let y = self.expected_forward();
        for (relu, want) in [(true, y.relu()), (false, y)] {
            let got = self.forward(relu, &run);
            let name = format!("{name} forward {:?}", self.shape);
            assert_close(&name, &got.data, &want.data, tolerance);
        }
    }

    pub(super) fn expected_forward(&self) -> Tensor {
        conv2d(&self.x, &self.w, &self.bias, &self.window).cropped(self.shape.output())
    }

    /// What a forward pass gives.
    pub(super) fn forward(&self, relu: bool, run: impl Fn(&Forward<'_>, &mut [f32])) -> Tensor {
        let mut y = vec![f32::NAN; self.n * self.shape.output_len()];
        let bias = self.bias();
        self.with_source(|x| {
            run(&Forward { shape: &self.shape, n: self.n, x, bias: &bias, relu }, &mut y);
        });
        from_nhwc(self.dy.shape, &y)
    }

    /// Holds a weight gradient to the reference; it must add to what is there.
    pub(super) fn check_weight_gradient(
        &self,
        name: &str,
        tolerance: f64,
        run: impl Fn(&WeightGradient<'_>, &mut [f32], &mut [f32]),
    ) {
        let mut dw = vec![0.0; self.shape.weights_len()];
        let mut db = vec![0.0; self.shape.bias_len()];
        let dy = to_nhwc(&self.dy);
        self.with_source(|x| {
            let pass = WeightGradient { shape: &self.shape, n: self.n, x, dy: &dy };
            run(&pass, &mut dw, &mut db);
            run(&pass, &mut dw, &mut db);
        });
        let name = format!("{name} gradient {:?}", self.shape);
        let want = self.expected_weight_gradient().map(|v| 2.0 * v);
        assert_close(&name, &from_arena(&self.info(), &dw), &want.data, tolerance);
        let want: Vec<f64> = conv2d_bias_gradient(&self.dy).iter().map(|v| 2.0 * v).collect();
        let db: Vec<f64> = db.iter().map(|&v| f64::from(v)).collect();
        assert_close(&name, &db[..want.len()], &want, tolerance);
        assert!(db[want.len()..].iter().all(|&v| v == 0.0), "{name}: padding stays zero");
        let used: f64 = from_arena(&self.info(), &dw).iter().map(|v| v.abs()).sum();
        let all: f64 = dw.iter().map(|&v| f64::from(v.abs())).sum();
        assert!((used - all).abs() <= 1e-9 * all, "{name}: padding stays zero");
    }

    pub(super) fn expected_weight_gradient(&self) -> Tensor {
        conv2d_weight_gradient(&self.x, &self.dy, &self.window)
    }

    /// What a weight gradient gives for the weights, in PyTorch's order.
    pub(super) fn weight_gradient(
        &self,
        run: impl Fn(&WeightGradient<'_>, &mut [f32], &mut [f32]),
    ) -> Vec<f64> {
        let mut dw = vec![0.0; self.shape.weights_len()];
        let mut db = vec![0.0; self.shape.bias_len()];
        let dy = to_nhwc(&self.dy);
        self.with_source(|x| {
            run(&WeightGradient { shape: &self.shape, n: self.n, x, dy: &dy }, &mut dw, &mut db);
        });
        from_arena(&self.info(), &dw)
    }

    /// Holds an input gradient to the reference.
    pub(super) fn check_input_gradient(
        &self,
        name: &str,
        tolerance: f64,
        run: impl Fn(&InputGradient<'_>, &mut [f32]),
    ) {
        let dx = self.expected_input_gradient();
        for (gated, want) in [(true, dx.gate(&self.x)), (false, dx)] {
            let got = self.input_gradient(gated, &run);
            let name = format!("{name} input gradient {:?}", self.shape);
            assert_close(&name, &got.data, &want.data, tolerance);
        }
    }

    pub(super) fn expected_input_gradient(&self) -> Tensor {
        conv2d_input_gradient(&self.dy, &self.w, self.x.shape, &self.window)
    }

    /// What an input gradient gives.
    pub(super) fn input_gradient(
        &self,
        gated: bool,
        run: impl Fn(&InputGradient<'_>, &mut [f32]),
    ) -> Tensor {
        let (dy, x) = (to_nhwc(&self.dy), to_nhwc(&self.x));
        let gate = gated.then_some(&x[..]);
        let mut dx = vec![f32::NAN; x.len()];
        run(&InputGradient { shape: &self.shape, n: self.n, dy: &dy, gate }, &mut dx);
        from_nhwc(self.x.shape, &dx)
    }
}

/// The instruction sets of this machine, each with one, two and three threads.
pub(super) fn contexts() -> Vec<(String, Context)> {
    let mut all = Vec::new();
    for isa in Isa::available() {
        all.push((isa.name().to_string(), Context::sequential(isa)));
        #[cfg(feature = "parallel")]
        for threads in [2, 3] {
            let name = format!("{} on {threads} threads", isa.name());
            all.push((name, Context::with_threads(isa, threads)));
        }
    }
    all
}

fn window(kernel: (usize, usize), stride: (usize, usize), padding: (usize, usize)) -> Window {
    Window { kernel, stride, padding }
}

/// Images, channels (in and out), input and window.
type Geometry = (usize, (usize, usize), (usize, usize), Window);

/// Odd sizes, strides above the kernel, padding, one channel,
/// widths that don't divide by the vectors'.
fn geometries() -> Vec<Geometry> {
    vec![
        (1, (1, 1), (1, 1), Window::square(1, 1, 0)),
        (2, (16, 16), (3, 4), Window::square(1, 1, 0)),
        (3, (20, 33), (5, 7), Window::square(1, 1, 0)),
        (1, (96, 40), (9, 11), Window::square(1, 1, 0)),
        (2, (5, 7), (8, 6), Window::square(3, 1, 1)),
        (1, (16, 32), (9, 9), Window::square(3, 1, 0)),
        (2, (32, 10), (7, 7), Window::square(5, 1, 2)),
        (1, (3, 20), (13, 11), Window::square(5, 2, 2)),
        (2, (17, 18), (10, 12), Window::square(3, 2, 1)),
        (1, (16, 16), (11, 11), Window::square(4, 3, 0)),
        (1, (4, 16), (11, 9), Window::square(2, 3, 0)),
        (2, (1, 24), (23, 19), Window::square(11, 4, 0)),
        (1, (3, 16), (20, 20), Window::square(7, 3, 3)),
        (1, (8, 16), (6, 14), window((1, 5), (1, 2), (0, 2))),
        (2, (16, 5), (12, 5), window((3, 1), (2, 1), (2, 0))),
        (1, (6, 6), (5, 6), window((5, 6), (1, 1), (0, 0))),
        (1, (2, 3), (4, 4), Window::square(3, 1, 4)),
        (1, (48, 130), (6, 5), Window::square(3, 1, 1)),
        // Strides reach past the last row, and a weights' gradient takes several blocks of rows.
        (1, (2, 3), (100, 100), Window::square(1, 3, 0)),
    ]
}

#[test]
fn direct_passes_agree_with_the_reference() {
    for (n, channels, input, window) in geometries() {
        // Each whole, and without the outputs at the end.
        for (order, cut) in
            [(Order::Planar, (0, 0)), (Order::ChannelsLast, (0, 0)), (Order::ChannelsLast, (1, 2))]
        {
            let case = Case::new(n, channels, input, window, order).cropped(cut);
            let shape = &case.shape;
            let weights = case.weights();
            for (name, cx) in contexts() {
                case.check_forward(&name, 2e-6, |pass, y| {
                    let mut work = vec![f32::NAN; shape.direct_work::<f32>(n)];
                    pass.direct(&cx, &weights, y, &mut work);
                });
                case.check_weight_gradient(&name, 4e-6, |pass, dw, db| {
                    let mut work = vec![f32::NAN; shape.direct_weight_gradient_work::<f32>(n)];
                    pass.direct(&cx, dw, db, &mut work);
                });
                if order == Order::ChannelsLast {
                    let mut transposed = vec![f32::NAN; shape.transposed_len()];
                    shape.transpose_weights(&cx, &weights, &mut transposed);
                    case.check_input_gradient(&name, 2e-6, |pass, dx| {
                        let mut work = vec![f32::NAN; shape.direct_input_gradient_work(n)];
                        pass.direct(&cx, &transposed, dx, &mut work);
                    });
                }
            }
        }
    }
}

/// Numbers of panels that leave none, one and two of triples, and of rows that make tiles of several heights.
#[cfg(feature = "parallel")]
#[test]
fn direct_weight_gradients_have_the_same_bits_for_any_number_of_threads() {
    for (channels, input, window) in [
        ((100, 96), (7, 8), Window::square(1, 1, 0)),
        ((33, 110), (20, 20), Window::square(1, 1, 0)),
        ((50, 128), (5, 5), Window::square(1, 1, 0)),
        ((96, 10), (6, 6), Window::square(1, 1, 0)),
        ((3, 256), (9, 9), Window::square(1, 1, 0)),
        ((40, 80), (6, 7), Window::square(3, 1, 1)),
    ] {
        let case = Case::new(2, channels, input, window, Order::ChannelsLast);
        for isa in Isa::available() {
            let gradient = |threads: usize| {
                let cx = Context::with_threads(isa, threads);
                case.weight_gradient(|pass, dw, db| {
                    let len = case.shape.direct_weight_gradient_work::<f32>(2);
                    pass.direct(&cx, dw, db, &mut vec![f32::NAN; len]);
                })
            };
            let alone = gradient(1);
            for threads in [2, 3, 4, 6, 40] {
                let name = isa.name();
                assert!(gradient(threads) == alone, "{channels:?} {name}, {threads} threads");
            }
        }
    }
}

/// Pointwise convolutions with few and many pixels and channels, of all widths of sums.
#[test]
fn sparse_gradients_agree_with_the_reference() {
    for (n, channels, input) in [
        (1, (1, 1), (1, 1)),
        (2, (16, 16), (3, 4)),
        (3, (20, 33), (5, 7)),
        (1, (96, 40), (9, 11)),
        (2, (40, 96), (13, 13)),
        (1, (112, 20), (9, 9)),
        (1, (125, 18), (8, 9)),
        (1, (130, 52), (16, 16)),
        (3, (64, 100), (12, 11)),
        (1, (18, 700), (8, 8)),
    ] {
        for apart in [1, 2, 5, 1000] {
            let window = Window::square(1, 1, 0);
            let case =
                Case::new(n, channels, input, window, Order::ChannelsLast).mostly_zero(apart);
            let (shape, weights) = (&case.shape, case.weights());
            for (name, cx) in contexts() {
                let name = format!("{name} sparse, one of {apart}");
                case.check_weight_gradient(&name, 4e-6, |pass, dw, db| {
                    let mut work = vec![f32::NAN; shape.sparse_weight_gradient_work::<f32>(n)];
                    pass.sparse(&cx, dw, db, &mut work);
                });
                let mut transposed = vec![f32::NAN; shape.transposed_len()];
                shape.transpose_weights(&cx, &weights, &mut transposed);
                case.check_input_gradient(&name, 2e-6, |pass, dx| {
                    pass.sparse(&cx, &transposed, dx);
                });
            }
        }
    }
}

#[test]
fn sparse_gradients_have_the_same_bits_for_any_number_of_threads() {
    for channels in [(20, 100), (130, 52)] {
        let window = Window::square(1, 1, 0);
        let case = Case::new(3, channels, (13, 11), window, Order::ChannelsLast).mostly_zero(4);
        let (shape, weights) = (&case.shape, case.weights());
        for isa in Isa::available() {
            let gradients = |threads: usize| {
                let cx = Context::with_threads(isa, threads);
                let dw = case.weight_gradient(|pass, dw, db| {
                    let mut work = vec![f32::NAN; shape.sparse_weight_gradient_work::<f32>(3)];
                    pass.sparse(&cx, dw, db, &mut work);
                });
                let mut transposed = vec![f32::NAN; shape.transposed_len()];
                shape.transpose_weights(&cx, &weights, &mut transposed);
                let dx = case.input_gradient(true, |pass, dx| pass.sparse(&cx, &transposed, dx));
                [dw, dx.data]
            };
            let alone = gradients(1);
            for threads in [2, 5, 40] {
                assert!(gradients(threads) == alone, "{} on {threads} threads", isa.name());
            }
        }
    }
}

#[test]
fn only_pointwise_convolutions_of_activations_have_sparse_gradients() {
    let shape = |co, kernel, stride, order| {
        ConvShape::new((3, co), (6, 6), (kernel, 1), (stride, stride), (0, 0), order)
    };
    assert!(shape(4096, 1, 1, Order::ChannelsLast).has_sparse_gradients());
    for shape in [
        shape(4097, 1, 1, Order::ChannelsLast),
        shape(4, 3, 1, Order::ChannelsLast),
        shape(4, 1, 2, Order::ChannelsLast),
        shape(4, 1, 1, Order::Planar),
    ] {
        assert!(!shape.has_sparse_gradients(), "{shape:?}");
    }
}

/// The same values as numbers of type `T`.
fn kept<T: Element>(values: &[f32]) -> Vec<T> {
    values.iter().map(|&v| T::from_f32(v)).collect()
}

/// The forward pass and the weights' gradient of operands that are kept as `T`; `half_step` is the largest
/// relative error of rounding.
fn check_narrow<T: Operand>(half_step: f64) {
    for (n, channels, input, window) in geometries() {
        for order in [Order::Planar, Order::ChannelsLast] {
            let case = Case::new(n, channels, input, window, order).rounded::<T>();
            let (shape, x) = (&case.shape, case.input());
            let (images, narrow) = (x.chunks(shape.input_len()).collect::<Vec<_>>(), kept::<T>(&x));
            for (name, cx) in contexts() {
                let name = format!("{name} {}", T::NAME);
                case.check_narrow_forward(&name, half_step, |weights, bias, y: &mut [T]| {
                    if order == Order::Planar {
                        let mut work = vec![f32::NAN; shape.direct_work::<f32>(n)];
                        let pass =
                            Forward { shape, n, x: Source::Images(&images), bias, relu: true };
                        pass.direct(&cx, weights, y, &mut work);
                    } else {
                        let mut work = vec![f32::NAN; shape.direct_work::<T>(n)];
                        let x = Source::Activations(&narrow[..]);
                        let pass = Forward { shape, n, x, bias, relu: true };
                        pass.direct(&cx, weights, y, &mut work);
                    }
                });
                if order == Order::ChannelsLast {
                    case.check_weight_gradient(&name, 4e-6, |pass, dw, db| {
                        let x = Source::Activations(&narrow[..]);
                        let pass = WeightGradient { shape, n, x, dy: pass.dy };
                        let mut work = vec![f32::NAN; shape.direct_weight_gradient_work::<T>(n)];
                        pass.direct(&cx, dw, db, &mut work);
                    });
                    if shape.has_sparse_gradients() {
                        case.check_weight_gradient(&name, 4e-6, |pass, dw, db| {
                            let x = Source::Activations(&narrow[..]);
                            let pass = WeightGradient { shape, n, x, dy: pass.dy };
                            let len = shape.sparse_weight_gradient_work::<T>(n);
                            pass.sparse(&cx, dw, db, &mut vec![f32::NAN; len]);
                        });
                    }
                    let mut transposed = vec![f32::NAN; shape.transposed_len()];
                    shape.transpose_weights(&cx, &kept::<T>(&case.weights()), &mut transposed);
                    let mut wide = vec![f32::NAN; shape.transposed_len()];
                    shape.transpose_weights(&cx, &case.weights(), &mut wide);
                    assert_eq!(transposed, wide, "{name}");
                }
            }
        }
    }
}

impl Case {
    fn check_narrow_forward<T: Element>(
        &self,
        name: &str,
        half_step: f64,
        run: impl Fn(&[T], &[T], &mut [T]),
    ) {
        let want = conv2d(&self.x, &self.w, &self.bias, &self.window).relu();
        let mut y = vec![T::from_f32(f32::NAN); self.n * self.shape.output_len()];
        run(&kept(&self.weights()), &kept(&self.bias()), &mut y);
        let y: Vec<f32> = y.into_iter().map(T::to_f32).collect();
        let got = from_nhwc(want.shape, &y);
        // Sums are in f32, and each is rounded once.
        let sums = 2e-6 * want.data.iter().fold(0.0, |max: f64, v| max.max(v.abs()));
        for (got, want) in got.data.iter().zip(&want.data) {
            let allowed = sums + half_step * want.abs();
            assert!((got - want).abs() <= allowed, "{name} {:?}: {got}, {want}", self.shape);
        }
    }
}

#[test]
fn narrow_operands_give_sums_in_f32_that_are_rounded_once() {
    check_narrow::<f16>(1.0 / 2048.0);
    check_narrow::<bf16>(1.0 / 256.0);
}

#[test]
fn any_work_space_from_one_window_up_gives_the_same_bits() {
    let shape = ConvShape::new((20, 35), (9, 13), (3, 5), (1, 2), (1, 2), Order::ChannelsLast);
    let sample = |n: usize| (0..n).map(|i| ((i * 37) % 64) as f32 / 32.0 - 1.0).collect::<Vec<_>>();
    let x = kept::<f16>(&sample(2 * shape.input_len()));
    let (weights, bias) = (sample(shape.weights_len()), sample(shape.bias_len()));
    let pass =
        Forward { shape: &shape, n: 2, x: Source::Activations(&x[..]), bias: &bias, relu: false };
    for isa in Isa::available() {
        let mut all = Vec::new();
        for threads in [1, 2, 5, 40] {
            let cx = Context::with_threads(isa, threads);
            let mut y = vec![f32::NAN; 2 * shape.output_len()];
            pass.direct(&cx, &weights, &mut y, &mut vec![f32::NAN; shape.direct_work::<f16>(2)]);
            all.push(y);
        }
        assert!(all.iter().all(|y| *y == all[0]), "{}", isa.name());
    }
}

#[test]
fn sizes_that_wrap_around_are_refused() {
    let half = 1 << (usize::BITS - 1);
    for (stride, padding) in [((1, 1), (half, 0)), ((1, 1), (0, half)), ((usize::MAX, 1), (1, 1))] {
        let shape = || ConvShape::new((3, 4), (8, 8), (3, 3), stride, padding, Order::ChannelsLast);
        assert!(std::panic::catch_unwind(shape).is_err(), "stride {stride:?}, padding {padding:?}");
    }
}
