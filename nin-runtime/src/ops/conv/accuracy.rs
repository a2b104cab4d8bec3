//! The errors of every algorithm on the convolutions of "Dive into Deep Learning"'s net, at their real
//! sizes, against the reference in `f64`: each pass has to keep within the budget that the compiler
//! chooses algorithms by.

use super::tests::Case;
use super::winograd::Tile;
use super::winograd::tests::{FiveAndThree, Four, FourAndTwo, SixAndOne};
use super::{ConvShape, Order};
use crate::Context;
use crate::reference::{Window, rms_error};
use crate::simd::Isa;

/// The relative rms error that direct sums of so many products may have: partial sums grow as the root of
/// their number, and each is rounded to 24 bits.
fn direct(products: usize) -> f64 {
    f64::from(f32::EPSILON) / 2.0 * (products as f64 / 6.0).sqrt()
}

/// The relative rms error that a pass by Winograd's stages may have: the compiler's `ERROR_BUDGET`.
const WINOGRAD: f64 = 1e-5;

/// A layer of the net, with what the reference makes of its passes.
struct Layer {
    name: &'static str,
    case: Case,
    forward: Vec<f64>,
    weight_gradient: Vec<f64>,
    /// Absent for the first layer.
    input_gradient: Option<Vec<f64>>,
}

impl Layer {
    fn new(
        name: &'static str,
        n: usize,
        channels: (usize, usize),
        size: usize,
        window: Window,
        order: Order,
    ) -> Self {
        Self::of(name, Case::new(n, channels, (size, size), window, order))
    }

    fn of(name: &'static str, case: Case) -> Self {
        Self {
            name,
            forward: case.expected_forward().data,
            weight_gradient: case.expected_weight_gradient().data,
            input_gradient: (case.shape.order == Order::ChannelsLast)
                .then(|| case.expected_input_gradient().data),
            case,
        }
    }

    fn shape(&self) -> &ConvShape {
        &self.case.shape
    }

    /// Holds errors of the three passes to a budget.
    fn check(&self, algorithm: &str, budgets: [f64; 3], got: [Option<Vec<f64>>; 3]) {
        let want = [Some(&self.forward), Some(&self.weight_gradient), self.input_gradient.as_ref()];
        let passes = ["forward", "weight gradient", "input gradient"];
        for (((pass, got), want), budget) in passes.into_iter().zip(got).zip(want).zip(budgets) {
            let (Some(got), Some(want)) = (got, want) else { continue };
            let error = rms_error(&got, want);
            std::println!(
                "{:<16} {algorithm:<12} {pass:<16} {error:.1e} of {budget:.1e}",
                self.name
            );
            assert!(
                error <= budget,
                "{} {algorithm} {pass}: {error:.1e} of {budget:.0e}",
                self.name
            );
        }
    }

    fn direct(&self) {
        let (shape, n, cx) = (self.shape(), self.case.n, Context::sequential(Isa::get()));
        let weights = self.case.weights();
        let forward = self.case.forward(false, |pass, y| {
            let mut work = vec![0.0; shape.direct_work::<f32>(n)];
            pass.direct(&cx, &weights, y, &mut work);
        });
        let weight_gradient = self.case.weight_gradient(|pass, dw, db| {
            let mut work = vec![0.0; shape.direct_weight_gradient_work::<f32>(n)];
            pass.direct(&cx, dw, db, &mut work);
        });
        let input_gradient = self.input_gradient.is_some().then(|| {
            let mut transposed = vec![0.0; shape.transposed_len()];
            shape.transpose_weights(&cx, &weights, &mut transposed);
            let dx = self.case.input_gradient(false, |pass, dx| {
                let mut work = vec![0.0; shape.direct_input_gradient_work(n)];
                pass.direct(&cx, &transposed, dx, &mut work);
            });
            dx.data
        });
        let ((h, w), taps) = (shape.output(), shape.kernel.0 * shape.kernel.1);
        let products = [shape.ci * taps, n * h * w, shape.co * taps];
        self.check(
            "direct",
            products.map(direct),
            [Some(forward.data), Some(weight_gradient), input_gradient],
        );
    }

    /// The gradients, of an output's gradient with one value in `apart` that is not zero.
    fn sparse(&self, apart: usize) {
        let (shape, n, cx) = (self.shape(), self.case.n, Context::sequential(Isa::get()));
        let weight_gradient = self.case.weight_gradient(|pass, dw, db| {
            let mut work = vec![0.0; shape.sparse_weight_gradient_work::<f32>(n)];
            pass.sparse(&cx, dw, db, &mut work);
        });
        let mut transposed = vec![0.0; shape.transposed_len()];
        shape.transpose_weights(&cx, &self.case.weights(), &mut transposed);
        let input_gradient =
            self.case.input_gradient(false, |pass, dx| pass.sparse(&cx, &transposed, dx));
        let (h, w) = shape.output();
        let products = [shape.ci, n * h * w / apart, shape.co / apart];
        self.check(
            "sparse",
            products.map(direct),
            [None, Some(weight_gradient), Some(input_gradient.data)],
        );
    }

    fn winograd<W: Tile>(&self) {
        let (shape, n, cx) = (self.shape(), self.case.n, Context::sequential(Isa::get()));
        let weights = self.case.weights();
        let mut u = vec![0.0; shape.winograd_weights_len::<W>()];
        shape.winograd_weights::<W>(&cx, &weights, &mut u);
        let forward = self.case.forward(false, |pass, y| {
            let mut work = vec![0.0; shape.winograd_work::<W>(n)];
            pass.winograd::<W>(&cx, &u, y, &mut work);
        });
        let weight_gradient = self.case.weight_gradient(|pass, dw, db| {
            let mut work = vec![0.0; shape.winograd_weight_gradient_work::<W>(n)];
            pass.winograd::<W>(&cx, dw, db, &mut work);
        });
        let input_gradient = self.input_gradient.is_some().then(|| {
            let mut u = vec![0.0; shape.winograd_transposed_len::<W>()];
            shape.winograd_transposed::<W>(&cx, &weights, &mut u);
            let dx = self.case.input_gradient(false, |pass, dx| {
                let mut work = vec![0.0; shape.winograd_input_gradient_work::<W>(n)];
                pass.winograd::<W>(&cx, &u, dx, &mut work);
            });
            dx.data
        });
        let algorithm = std::format!("F({}, {})", W::OUTPUT.0, W::KERNEL.0);
        self.check(
            &algorithm,
            [WINOGRAD; 3],
            [Some(forward.data), Some(weight_gradient), input_gradient],
        );
    }
}

use Order::{ChannelsLast, Planar};

#[test]
fn the_strided_first_layer_keeps_its_budget() {
    let window = Window::square(11, 4, 0);
    for (name, channels) in [("11×11 / 4 of 1", 1), ("11×11 / 4 of 3", 3)] {
        let layer = Layer::new(name, 1, (channels, 96), 224, window, Planar);
        layer.direct();
        layer.winograd::<SixAndOne>();
    }
}

#[test]
fn kernels_of_five_keep_their_budget() {
    let layer = Layer::new("5×5", 1, (96, 256), 26, Window::square(5, 1, 2), ChannelsLast);
    layer.direct();
    layer.winograd::<FourAndTwo>();
}

#[test]
fn kernels_of_three_keep_their_budget() {
    let window = Window::square(3, 1, 1);
    let layer = Layer::new("3×3", 2, (256, 384), 12, window, ChannelsLast);
    layer.direct();
    layer.winograd::<Four>();
    layer.winograd::<SixAndOne>();
    let layer = Layer::new("3×3 to classes", 4, (384, 10), 5, window, ChannelsLast);
    layer.direct();
    layer.winograd::<FiveAndThree>();
}

#[test]
fn pointwise_layers_keep_their_budget() {
    for (name, channels, size) in
        [("1×1 of 96", 96, 54), ("1×1 of 256", 256, 26), ("1×1 of 384", 384, 12)]
    {
        let window = Window::square(1, 1, 0);
        let case = || Case::new(1, (channels, channels), (size, size), window, ChannelsLast);
        Layer::of(name, case()).direct();
        Layer::of(name, case().mostly_zero(4)).sparse(4);
    }
}
