//! The numbers of PyTorch: golden files against nets with every element and argument of the spec.
//!
//! `tests/parity/generate.py` wrote the files; PyTorch computed them in f64 from f32 weights and inputs,
//! so what differs here is the rounding of `nin` alone. `--nocapture` prints the largest deviations.
//!
//! # Tolerances
//! f32 rounds to 2⁻²⁴ ≈ 6e-8 of a number. A sum of n products is off by about √n · 6e-8 of its
//! magnitude, up to 3e-6 for the longest sums here (n = 2400); Winograd's transforms raise it to at
//! most 6e-6 (rms). The largest of thousands of errors is four to five times the rms, and they add up
//! over at most twelve convolutions in a row, forward and back. Deviations are relative to the largest
//! magnitude in a tensor.

use std::{env, fs, path::PathBuf};

use crate::nets::D2lNin;
use nin::ParamInfo;
use nin::prelude::*;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

const LOGITS: f32 = 2e-5;
const LOSS: f32 = 2e-5;
const GRADIENTS: f32 = 5e-5;
/// For the book's net, whose two million ReLUs and pools include some that rounding tips over: each of these
/// moves the gradients before it by a share of their terms. PyTorch's own f32 is up to 3.5e-4 off its f64.
const BOOK_GRADIENTS: f32 = 1e-3;

const SGD_RATE: f32 = 0.05;
const ADAM_RATE: f32 = 0.002;
const ADAM_EPS: f32 = 1e-3;
const STEPS: usize = 5;

fn sgd() -> Sgd {
    Sgd::new(SGD_RATE).momentum(0.9).weight_decay(5e-4)
}

/// A file of tensors as `f32`.
struct Golden {
    name: String,
    bytes: Vec<u8>,
}

impl Golden {
    fn read(name: &str) -> Self {
        let bytes = fs::read(path(&format!("{name}.safetensors"))).unwrap();
        Self { name: name.into(), bytes }
    }

    fn bytes(&self, tensor: &str) -> Vec<u8> {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        file.tensor(tensor).unwrap_or_else(|e| panic!("{tensor}: {e}")).data().to_vec()
    }

    fn tensor(&self, tensor: &str) -> Vec<f32> {
        self.bytes(tensor).as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
    }

    fn doubles(&self, tensor: &str) -> Vec<f64> {
        self.bytes(tensor).as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect()
    }

    /// Checks that each element of `got` is within its tolerance of the golden tensor, and gives the
    /// largest deviation in units of the largest magnitude.
    #[track_caller]
    fn check(&self, tensor: &str, got: &[f32], tolerance: impl Fn(usize, f32) -> f32) -> f32 {
        let expected = self.tensor(tensor);
        assert_eq!(got.len(), expected.len(), "{}, {tensor}", self.name);
        let scale = largest(&expected);
        let mut worst = 0.0_f32;
        for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
            let deviation = (got - expected).abs();
            assert!(
                deviation <= tolerance(i, scale),
                "{}, {tensor}[{i}]: {got}, expected {expected} ± {:e}",
                self.name,
                tolerance(i, scale)
            );
            worst = worst.max(deviation / scale);
        }
        worst
    }
}

fn path(file: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/parity/golden", file].iter().collect()
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |largest, value| largest.max(value.abs()))
}

/// The tensor of `param` in PyTorch's order.
fn unpack(param: &ParamInfo, arena: &[f32]) -> Vec<f32> {
    param.indices().map(|i| arena[i]).collect()
}

/// Checks all gradients in `arena`.
fn check_gradients(golden: &Golden, table: &[ParamInfo], arena: &[f32]) -> f32 {
    table
        .iter()
        .map(|param| {
            let tensor = format!("gradient/{}", param.name);
            golden.check(&tensor, &unpack(param, arena), |_, scale| GRADIENTS * scale)
        })
        .fold(0.0, f32::max)
}

/// Checks the parameters after the steps of SGD. An error of the gradient arrives in the weights times
/// the rate and the sum of momentum's weights, 1 + 1.9 + 2.71 + 3.439 + 4.0951; the gradients of later
/// steps start from weights that are off already, which the factor of 4 allows for.
fn check_sgd(golden: &Golden, table: &[ParamInfo], arena: &[f32]) {
    for param in table {
        let gradient = largest(&golden.tensor(&format!("gradient/{}", param.name)));
        let moved = 4.0 * SGD_RATE * 13.15 * GRADIENTS * gradient;
        golden.check(&format!("sgd/{}", param.name), &unpack(param, arena), |_, scale| {
            moved + 1e-6 * scale
        });
    }
}

/// Checks the parameters after the steps of Adam. A step has the size of the rate whatever the size of the
/// gradient, so that the relative error of each gradient counts, down to the optimizer's eps.
fn check_adam(golden: &Golden, table: &[ParamInfo], arena: &[f32]) {
    for param in table {
        let gradient = golden.tensor(&format!("gradient/{}", param.name));
        let error = GRADIENTS * largest(&gradient);
        golden.check(&format!("adam/{}", param.name), &unpack(param, arena), |i, scale| {
            let relative = (4.0 * error / (gradient[i].abs() + ADAM_EPS)).min(2.0);
            STEPS as f32 * ADAM_RATE * relative + 1e-6 * scale
        });
    }
}

/// Defines a net and its test against the golden files of the test's name.
macro_rules! agrees_with_pytorch {
    ($name:ident: $net:ident<input($c:tt, $h:tt, $w:tt), $($layers:tt)*) => {
        nin! { $net<input($c, $h, $w), $($layers)* }

        #[test]
        fn $name() {
            let golden = Golden::read(stringify!($name));
            let weights = path(concat!(stringify!($name), ".weights.safetensors"));
            let input = golden.tensor("input");
            let images = Image::<$c, $h, $w>::slice_from(&input).unwrap();
            let labels = golden.bytes("labels");

            let mut net = $net::load(&weights).unwrap();
            let logits = net.forward_batch(images);
            let logits = golden.check("logits", logits.as_flattened(), |_, scale| LOGITS * scale);

            let mut trainer = $net::trainer::<4>(sgd(), 0);
            let loss = trainer.backward(&net, images, &labels).unwrap();
            let loss = golden.check("loss", &[loss], |_, scale| LOSS * scale);
            let gradients = check_gradients(&golden, $net::PARAMETERS, trainer.gradients());
            println!("logits {logits:.1e}, loss {loss:.1e}, gradients {gradients:.1e}");

            for _ in 0..STEPS {
                trainer.step(&mut net, images, &labels).unwrap();
            }
            check_sgd(&golden, $net::PARAMETERS, net.parameters());

            let mut net = $net::load(&weights).unwrap();
            let mut trainer = $net::trainer::<4>(Adam::new(ADAM_RATE).eps(ADAM_EPS), 0);
            for _ in 0..STEPS {
                trainer.step(&mut net, images, &labels).unwrap();
            }
            check_adam(&golden, $net::PARAMETERS, net.parameters());
        }
    };
}

agrees_with_pytorch! {
    minimal: Minimal<
        input(1, 7, 7),
        block(4, kernel = 3),
        global_avg_pool,
    >
}

agrees_with_pytorch! {
    three_widths: ThreeWidths<
        input(3, 12, 10),
        block(7, 5, 6, kernel = 5, padding = 2),
        max_pool(3, stride = 2),
        dropout(0.0),
        block(5, kernel = 3, padding = 1),
        global_avg_pool,
    >
}

agrees_with_pytorch! {
    ceil_pools: CeilPools<
        input(3, 16, 16),
        block(12, 10, 8, kernel = 5, padding = 2),
        max_pool(3, stride = 2, ceil = true),
        block(9, kernel = 5, padding = 2),
        avg_pool(3, stride = 2, ceil = true),
        block(9, 9, 10, kernel = 3, padding = 1),
        global_avg_pool,
    >
}

agrees_with_pytorch! {
    padded_pools: PaddedPools<
        input(2, 13, 15),
        block(6, kernel = 3, padding = 1),
        max_pool(3, stride = 2, padding = 1),
        block(7, kernel = 3, padding = 1),
        avg_pool(3, stride = 2, padding = 1),
        block(5, kernel = 3, padding = 1),
        global_avg_pool,
    >
}

agrees_with_pytorch! {
    padded_ceil_pools: PaddedCeilPools<
        input(2, 14, 12),
        conv(5, kernel = 3, padding = 1),
        avg_pool(4, stride = 3, padding = 2, ceil = true),
        conv(6, kernel = 3, padding = 1, relu = false),
        max_pool(2, stride = 2, padding = 1, ceil = true),
        conv(4, kernel = 1, relu = false),
        global_avg_pool,
    >
}

agrees_with_pytorch! {
    rectangles: Rectangles<
        input(2, 11, 17),
        conv(6, kernel = (3, 5), stride = (2, 1), padding = (1, 2)),
        max_pool((2, 3), stride = (1, 2)),
        block(5, 8, 6, kernel = (1, 3), padding = (0, 1)),
        avg_pool((3, 2), stride = (2, 1), padding = (1, 0)),
        conv(3, kernel = (3, 1), relu = false),
        global_avg_pool,
    >
}

agrees_with_pytorch! {
    strides: Strides<
        input(3, 35, 31),
        block(8, kernel = 11, stride = 4),
        block(7, kernel = 3, padding = 2),
        block(6, kernel = 2, stride = 3),
        global_avg_pool,
    >
}

agrees_with_pytorch! {
    single_channels: SingleChannels<
        input(1, 9, 8),
        conv(1, kernel = 3),
        block(1, kernel = 3, padding = 1),
        max_pool(2, stride = 1),
        conv(2, kernel = 1, relu = false),
        global_avg_pool,
    >
}

agrees_with_pytorch! {
    odd_widths: OddWidths<
        input(5, 10, 9),
        block(17, 19, 33, kernel = 3, padding = 1),
        avg_pool(2, stride = 2),
        block(31, 15, 11, kernel = 3, padding = 1),
        global_avg_pool,
    >
}

agrees_with_pytorch! {
    no_relu: NoRelu<
        input(3, 12, 12),
        conv(9, kernel = 3, padding = 1, relu = false),
        max_pool(3, stride = 2),
        conv(8, kernel = 3, relu = false),
        avg_pool(2, stride = 1),
        conv(10, kernel = 1, relu = false),
        global_avg_pool,
    >
}

agrees_with_pytorch! {
    wide: Wide<
        input(3, 20, 18),
        block(32, 24, 32, kernel = 5, padding = 2),
        max_pool(3, stride = 2),
        conv(32, kernel = 3, padding = 1),
        conv(10, kernel = 1, relu = false),
        global_avg_pool,
    >
}

agrees_with_pytorch! {
    large_kernels: LargeKernels<
        input(1, 22, 24),
        conv(16, kernel = 7, padding = 3),
        max_pool(2, stride = 2),
        conv(16, kernel = 7, padding = 3),
        max_pool(3, stride = 2),
        conv(12, kernel = 4, padding = 1),
        conv(5, kernel = 1, relu = false),
        global_avg_pool,
    >
}

agrees_with_pytorch! {
    small: Small<
        input(1, 28, 28),
        block(16, kernel = 5, padding = 2),
        max_pool(3, stride = 2),
        block(24, kernel = 3, padding = 1),
        max_pool(3, stride = 2),
        dropout(0.0),
        block(10, kernel = 3, padding = 1),
        global_avg_pool,
    >
}

/// Numbers from -1 to 1 that `generate.py` makes alike: SplitMix64 of the stream and the place in it.
fn uniform(stream: u64, count: usize) -> impl Iterator<Item = f32> {
    (1..=count as u64).map(move |i| {
        let mut z = ((stream << 32) + i).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
    })
}

/// The book's net with weights by the formula, by way of a file.
fn formula_weights() -> D2lNin {
    let tensors: Vec<(&str, Vec<u8>)> = D2lNin::PARAMETERS
        .iter()
        .enumerate()
        .map(|(stream, param)| {
            let bound = match *param.shape {
                [_, ci, kh, kw] => (6.0 / (ci * kh * kw) as f64).sqrt() as f32,
                _ => 0.1,
            };
            let values =
                uniform(stream as u64, param.len()).flat_map(|v| (v * bound).to_le_bytes());
            (param.name, values.collect())
        })
        .collect();
    let views = D2lNin::PARAMETERS.iter().zip(&tensors).map(|(param, (name, bytes))| {
        (*name, TensorView::new(Dtype::F32, param.shape.to_vec(), bytes).unwrap())
    });
    let path = env::temp_dir().join(format!("nin-parity-{}.safetensors", std::process::id()));
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    let net = D2lNin::load(&path).unwrap();
    fs::remove_file(path).unwrap();
    net
}

/// Gradients of two million weights, by their sums and some of their elements. If every element is off by a part
/// of its magnitude, a sum is off by that part of the sum of magnitudes at most.
#[test]
fn the_book_net_at_full_size() {
    let golden = Golden::read("d2l");
    let net = formula_weights();
    let input: Vec<f32> = uniform(1000, 2 * 224 * 224).collect();
    let images = Image::<1, 224, 224>::slice_from(&input).unwrap();
    let logits = net.forward_batch(images);
    let logits = golden.check("logits", logits.as_flattened(), |_, scale| LOGITS * scale);

    let mut trainer = D2lNin::trainer::<2>(sgd(), 0);
    let loss = trainer.backward(&net, images, &[3, 8]).unwrap();
    golden.check("loss", &[loss], |_, scale| LOSS * scale);
    let mut gradients = 0.0_f32;
    for param in D2lNin::PARAMETERS {
        let gradient = unpack(param, trainer.gradients());
        let exact = || gradient.iter().map(|g| f64::from(*g));
        let sums: [f64; 4] = [
            exact().sum(),
            exact().map(f64::abs).sum(),
            exact().map(|g| g * g).sum(),
            f64::from(largest(&gradient)),
        ];
        let name = param.name;
        let expected = golden.doubles(&format!("sums/{name}"));
        let (absolute, squares, most) = (expected[1], expected[2], expected[3]);
        let tolerances =
            [absolute, absolute, 2.0 * squares, most].map(|s| f64::from(BOOK_GRADIENTS) * s);
        for ((got, expected), tolerance) in sums.iter().zip(&expected).zip(tolerances) {
            assert!((got - expected).abs() <= tolerance, "{name}: {got}, expected {expected}");
        }
        for (got, expected) in gradient.iter().zip(golden.doubles(&format!("first/{name}"))) {
            let deviation = (f64::from(*got) - expected).abs() / most;
            assert!(deviation <= f64::from(BOOK_GRADIENTS), "{name}: {got}, expected {expected}");
            gradients = gradients.max(deviation as f32);
        }
    }
    println!("logits {logits:.1e}, gradients {gradients:.1e}");
}
