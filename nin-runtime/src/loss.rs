//! Softmax cross-entropy.

use crate::math::{exp, ln};

#[cfg(all(test, feature = "std"))]
mod tests;

/// The cross-entropy of one image and its gradient, as PyTorch's `CrossEntropyLoss` has them.
///
/// Returns `ln(Σ exp(logits)) - logits[label]` and writes `scale · (softmax(logits) - one_hot(label))`
/// to `dlogits`; with `scale` = 1 / n that is the image's share in the mean over a batch of n. Sums are
/// `f64` and taken relative to the largest logit, so that logits of ±10⁴ neither overflow nor lose
/// digits. A NaN or +∞ among the logits gives NaN throughout.
///
/// # Panics
/// If `label` is no index of `logits`, or `dlogits` has another length than `logits`.
pub fn cross_entropy(logits: &[f32], label: usize, scale: f32, dlogits: &mut [f32]) -> f32 {
    assert!(label < logits.len(), "label {label} of {} classes", logits.len());
    assert_eq!(logits.len(), dlogits.len(), "one gradient a logit");
    // A NaN is passed over here and comes back with the sum.
    let max = logits.iter().fold(f32::NEG_INFINITY, |max, &z| if z > max { z } else { max });
    let relative = |z: f32| f64::from(z) - f64::from(max);
    let log_sum = ln(logits.iter().map(|&z| exp(relative(z))).sum());
    for (i, (dz, &z)) in dlogits.iter_mut().zip(logits).enumerate() {
        let target = if i == label { 1.0 } else { 0.0 };
        *dz = (f64::from(scale) * (exp(relative(z) - log_sum) - target)) as f32;
    }
    (log_sum - relative(logits[label])) as f32
}
