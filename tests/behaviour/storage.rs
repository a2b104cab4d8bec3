//! Nets that keep weights and activations as f16 or bf16: what they give beside f32's numbers, and what
//! holds for them as for every net.

use crate::nets::{D2lF16, D2lNin, Mixed, MixedBf16, MixedF16, images, labels};
use nin::prelude::*;
use nin::{Buffer, Threads, bf16, f16};
use nin_runtime::reference::{
    self, Tensor, Window, assert_close, deviation, from_arena, rms_error,
};
use nin_runtime::simd::Element;

/// A path for a file of this test.
fn path(test: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("nin-storage-{}-{test}.safetensors", std::process::id()))
}

/// A net of another storage with the weights of `$net`, as far as it can hold them.
macro_rules! converted {
    ($from:expr, $to:ty, $test:literal) => {{
        let path = path($test);
        $from.save(&path).expect("the file can be written");
        let net = <$to>::load(&path).expect("the file fits");
        std::fs::remove_file(path).expect("the file can be removed");
        net
    }};
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// The logits of a [`Mixed`] in f64, with weights and activations rounded as a net rounds that keeps them
/// as `T`.
fn expected<T: Element>(params: &[T], image: &[f32]) -> Vec<f64> {
    let round = |v: f64| f64::from(T::from_f32(v as f32).to_f32());
    let params: Vec<f32> = params.iter().map(|p| p.to_f32()).collect();
    let mut table = Mixed::PARAMETERS.chunks(2);
    let mut conv = |x: Tensor, window: Window, relu: bool| {
        let [weight, bias] = table.next().expect("another layer") else { unreachable!() };
        let &[co, ci, kh, kw] = weight.shape else { unreachable!() };
        let weights = Tensor { shape: [co, ci, kh, kw], data: from_arena(weight, &params) };
        let y = reference::conv2d(&x, &weights, &from_arena(bias, &params), &window);
        if relu { y.relu() } else { y }.map(round)
    };
    let (window, one) = (Window::square, Window::square(1, 1, 0));
    let x = Tensor { shape: [1, 3, 45, 39], data: wide(image) };
    let x = conv(x, window(5, 2, 2), true);
    let x = conv(x, one, true);
    let x = conv(x, one, true);
    let x = reference::max_pool(&x, (11, 10), &window(3, 2, 0)).map(round);
    let x = conv(x, window(3, 1, 1), true);
    let pool = Window { kernel: (3, 3), stride: (1, 2), padding: (1, 1) };
    let x = reference::avg_pool(&x, (11, 5), &pool).map(round);
    let x = conv(x, Window { kernel: (3, 2), stride: (2, 1), padding: (1, 1) }, true);
    let x = conv(x, window(3, 1, 1), false);
    let x = conv(x, window(3, 1, 1), true);
    let x = conv(x, one, true);
    let x = conv(x, one, true);
    reference::global_avg_pool(&x)
}

#[test]
fn logits_are_those_of_f64_sums_with_weights_and_activations_rounded() {
    let (half, brain) = (MixedF16::new(3), MixedBf16::new(3));
    for image in images(3) {
        let flat = image.as_slice();
        let got = half.forward(&image, &mut MixedF16::scratch());
        assert_close("f16", &wide(&got), &expected(half.parameters(), flat), 5e-4);
        let got = brain.forward(&image, &mut MixedBf16::scratch());
        assert_close("bf16", &wide(&got), &expected(brain.parameters(), flat), 4e-3);
    }
}

#[test]
fn logits_are_near_those_of_f32() {
    let net = Mixed::new(5);
    let half = converted!(net, MixedF16, "near-f16");
    let brain = converted!(net, MixedBf16, "near-bf16");
    for image in images(3) {
        let want = wide(&net.forward(&image, &mut Mixed::scratch()));
        let got = wide(&half.forward(&image, &mut MixedF16::scratch()));
        assert_close("f16", &got, &want, 5e-3);
        let got = wide(&brain.forward(&image, &mut MixedBf16::scratch()));
        assert_close("bf16", &got, &want, 4e-2);
    }
    let net = D2lNin::new(1);
    let half = converted!(net, D2lF16, "near-d2l");
    let image = Image::from_fn(|_c, y, x| ((x * x + 3 * y) % 97) as f32 / 97.0);
    let want = wide(&net.forward(&image, &mut D2lNin::scratch()));
    let got = wide(&half.forward(&image, &mut D2lF16::scratch()));
    println!("d2l: logits off by {:.1e}", deviation(&got, &want));
    assert_close("d2l", &got, &want, 2e-2);
}

/// A net without ReLUs and maxima, which rounding may tip over.
macro_rules! smooth {
    ($name:ident $($options:tt)*) => {
        nin! {
            $name<
                input(3, 45, 39),
                conv(20, kernel = 5, stride = 2, padding = 2, relu = false),
                dropout(0.3),
                conv(17, kernel = 1, relu = false),
                avg_pool(3, stride = 2, ceil = true),
                conv(33, kernel = (3, 2), padding = 1, relu = false),
                conv(10, kernel = 3, stride = 2, relu = false),
                global_avg_pool,
            > $($options)*
        }
    };
}

smooth!(Smooth);
smooth!(SmoothF16 where storage = f16);

/// The largest relative difference, as a norm, between the gradients of a net of halves and of the same net
/// in f32.
macro_rules! difference_of_gradients {
    ($half:ident, $wide:ident, $test:literal) => {{
        let (images, labels) = (images(6), labels(6));
        let half = $half::new(4);
        let wide = converted!(half, $wide, $test);
        let mut trainer = $half::trainer::<6>(Sgd::new(0.1), 9);
        let loss = trainer.backward(&half, &images, &labels).expect("the batch fits");
        let mut exact = $wide::trainer::<6>(Sgd::new(0.1), 9);
        let want = exact.backward(&wide, &images, &labels).expect("the batch fits");
        assert!((loss - want).abs() < 1e-3 * want, "{loss}, {want}");
        let difference = |parameter: &nin::ParamInfo| {
            let [got, want] =
                [trainer.gradients(), exact.gradients()].map(|all| from_arena(parameter, all));
            rms_error(&got, &want)
        };
        $wide::PARAMETERS.iter().map(difference).fold(0.0, f64::max)
    }};
}

#[test]
fn gradients_are_those_of_f32_within_rounding() {
    let smooth = difference_of_gradients!(SmoothF16, Smooth, "smooth");
    assert!(smooth < 2e-3, "off by {smooth:.1e}");
    // An error of a thousandth tips over about as many of the ReLUs, which moves a gradient by the root
    // of that.
    let mixed = difference_of_gradients!(MixedF16, Mixed, "mixed");
    assert!(mixed < 8e-2, "off by {mixed:.1e}");
    println!("gradients are off by {smooth:.1e} without ReLUs, {mixed:.1e} with them");
}

/// The weights after some steps, and the logits that they give.
fn trained() -> (Vec<f16>, Vec<[f32; 10]>) {
    let (images, labels) = (images(24), labels(24));
    let mut net = MixedF16::new(1);
    let mut trainer = MixedF16::trainer::<9>(Sgd::new(0.02).momentum(0.9), 2);
    for step in 0..12 {
        let batch = step % 4 * 5..step % 4 * 5 + 1 + (step * 5 + 8) % 9;
        trainer.step(&mut net, &images[batch.clone()], &labels[batch]).expect("the batch fits");
    }
    for start in 0..6 {
        let alone = net.forward(&images[start], &mut MixedF16::scratch());
        for end in start + 1..8 {
            assert_eq!(net.forward_batch(&images[start..end])[0], alone, "{start}..{end}");
        }
    }
    (net.parameters().to_vec(), net.forward_batch(&images))
}

#[test]
fn bits_are_the_same_for_any_number_of_threads_and_in_any_batch() {
    let alone = Threads::new(1).install(trained);
    assert_ne!(alone.0, MixedF16::new(1).parameters());
    for threads in [2, 5] {
        assert!(Threads::new(threads).install(trained) == alone, "{threads} threads");
    }
}

#[test]
fn steps_smaller_than_a_half_can_show_are_not_lost() {
    let (images, labels) = (images(2), labels(2));
    let mut net = MixedF16::new(1);
    let before = net.parameters().to_vec();
    let mut trainer = MixedF16::trainer::<2>(Sgd::new(0.0), 2);
    for _ in 0..64 {
        trainer.step(&mut net, &images, &labels).expect("the batch fits");
    }
    assert!(net.parameters() == before, "a rate of zero changes nothing");
    // Each step is about a hundredth of the distance between neighbouring halves.
    trainer.set_learning_rate(1e-5);
    for _ in 0..400 {
        trainer.step(&mut net, &images, &labels).expect("the batch fits");
    }
    let changed = net.parameters().iter().zip(&before).filter(|(now, then)| now != then).count();
    assert!(changed > before.len() / 100, "{changed} of {} weights changed", before.len());
}

#[test]
fn what_is_saved_is_of_the_nets_type_and_loads_to_the_same_bits() {
    let half = MixedF16::new(8);
    let again = converted!(half, MixedF16, "f16");
    assert!(half.parameters() == again.parameters());
    let brain = MixedBf16::new(8);
    let again = converted!(brain, MixedBf16, "bf16");
    assert!(brain.parameters() == again.parameters());
    let path = path("type");
    half.save(&path).expect("the file can be written");
    let bytes = std::fs::read(&path).expect("the file can be read");
    std::fs::remove_file(path).expect("the file can be removed");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("it is well-formed");
    let tensor = file.tensor("0.0.weight").expect("it is there");
    assert_eq!((tensor.dtype(), tensor.shape()), (safetensors::Dtype::F16, &[24, 3, 5, 5][..]));
    assert_eq!(bytes.len() / 1000, 2 * Mixed::PARAMS / 1000 + 1, "two bytes a weight and a header");
}

#[test]
fn a_weight_that_a_half_cannot_hold_is_refused_by_name() {
    let mut net = Mixed::new(1);
    let at = Mixed::PARAMETERS[3].index(5);
    net.update(|params| params[at] = 70_000.0);
    let path = path("large");
    net.save(&path).expect("the file can be written");
    let error = MixedF16::load(&path).expect_err("it is too large").to_string();
    let wanted = "tensor `0.2.bias` holds 70000, which is too large for f16";
    assert!(error.ends_with(wanted), "{error}");
    assert!(MixedBf16::load(&path).is_ok(), "a bf16 has the range of an f32");
    std::fs::remove_file(path).expect("the file can be removed");
}

#[test]
fn a_net_of_halves_takes_about_half_the_memory() {
    let weights = Buffer::bytes(D2lF16::new(1).parameters().len().div_ceil(2));
    let train = [D2lNin::train_bytes::<128, Sgd>(), D2lF16::train_bytes::<128, Sgd>()];
    println!("scratch: {} of {} bytes", D2lF16::SCRATCH_BYTES, D2lNin::SCRATCH_BYTES);
    println!("weights: {weights} of {} bytes", D2lNin::WEIGHTS_BYTES);
    println!("trainer: {} of {} bytes", train[1], train[0]);
    assert_eq!(weights, D2lF16::WEIGHTS_BYTES);
    const { assert!(100 * D2lF16::WEIGHTS_BYTES <= 52 * D2lNin::WEIGHTS_BYTES) };
    const { assert!(100 * D2lF16::SCRATCH_BYTES <= 60 * D2lNin::SCRATCH_BYTES) };
    let all = [train[0] + D2lNin::WEIGHTS_BYTES, train[1] + D2lF16::WEIGHTS_BYTES];
    assert!(100 * all[1] <= 60 * all[0], "{all:?}");
    assert!(D2lF16::LAYERS[0].algorithm == "direct, f16");
    let _: &[bf16] = MixedBf16::new(1).parameters();
}
