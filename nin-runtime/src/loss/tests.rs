use super::cross_entropy;
use alloc::vec;
use alloc::vec::Vec;

fn run(logits: &[f32], label: usize) -> (f32, Vec<f32>) {
    let mut dlogits = vec![0.0; logits.len()];
    (cross_entropy(logits, label, 1.0, &mut dlogits), dlogits)
}

#[test]
fn losses_and_gradients_are_pytorchs() {
    // From `torch.nn.functional.cross_entropy` in f64.
    for (logits, label, loss, gradient) in [
        (vec![1.0, 2.0, 3.0], 0, 2.407_605_964_4, vec![-0.909_969_4, 0.244_728_5, 0.665_240_9]),
        (vec![0.0; 4], 3, 1.386_294_361_1, vec![0.25, 0.25, 0.25, -0.75]),
        (vec![1e4, -1e4], 0, 0.0, vec![0.0, 0.0]),
        (vec![1e4, -1e4], 1, 2e4, vec![1.0, -1.0]),
        (vec![-1e4, -1e4 + 1.0], 0, 1.313_261_687_5, vec![-0.731_058_6, 0.731_058_6]),
        (vec![5.0], 0, 0.0, vec![0.0]),
        (vec![f32::NEG_INFINITY, 0.0], 1, 0.0, vec![0.0, 0.0]),
        (vec![f32::NEG_INFINITY, 0.0], 0, f64::INFINITY, vec![-1.0, 1.0]),
    ] {
        let (got, dlogits) = run(&logits, label);
        assert_eq!(got, loss as f32, "{logits:?}, {label}");
        for (d, g) in dlogits.iter().zip(gradient) {
            assert!((d - g).abs() < 1e-6, "{logits:?}, {label}: {dlogits:?}");
        }
    }
}

#[test]
fn the_gradient_is_scaled_and_the_loss_is_not() {
    let logits = [0.5, -0.25];
    let (loss, full) = run(&logits, 1);
    let mut half = [0.0; 2];
    assert_eq!(cross_entropy(&logits, 1, 0.5, &mut half), loss);
    assert_eq!(half.map(|d| 2.0 * d), full[..]);
}

#[test]
fn gradients_are_finite_differences() {
    let logits = [0.3, -1.2, 2.0, 0.7];
    let (_, gradient) = run(&logits, 2);
    for (i, g) in gradient.into_iter().enumerate() {
        let at = |step: f64| {
            let z: Vec<f64> =
                (0..4).map(|j| f64::from(logits[j]) + if i == j { step } else { 0.0 }).collect();
            crate::reference::cross_entropy(&z, 2).0
        };
        let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
        assert!((f64::from(g) - difference).abs() < 1e-7, "{g} and {difference}");
    }
}

#[test]
fn nan_and_infinity_among_the_logits_give_nan() {
    for bad in [f32::NAN, f32::INFINITY] {
        let (loss, dlogits) = run(&[1.0, bad, 2.0], 0);
        assert!(loss.is_nan());
        assert!(dlogits.iter().all(|d| d.is_nan()));
    }
}

#[test]
#[should_panic(expected = "label 3 of 3 classes")]
fn a_label_out_of_range_panics() {
    run(&[0.0; 3], 3);
}
