//! Loss and optimizers.

use alloc::vec::Vec;

/// The cross-entropy of one image and its gradient.
#[must_use]
pub fn cross_entropy(logits: &[f64], label: usize) -> (f64, Vec<f64>) {
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|z| (z - max).exp()).sum();
    let loss = sum.ln() + max - logits[label];
    let gradient = |(i, z): (usize, &f64)| (z - max).exp() / sum - f64::from(i == label);
    (loss, logits.iter().enumerate().map(gradient).collect())
}

/// The rules of `torch.optim.SGD` and its state.
#[derive(Clone, Debug, Default)]
pub struct Sgd {
    /// Learning rate.
    pub lr: f64,
    /// Momentum.
    pub momentum: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Whether the momentum is Nesterov's.
    pub nesterov: bool,
    /// The momentum buffer; empty before the first step.
    pub velocity: Vec<f64>,
}

impl Sgd {
    /// Takes one step.
    pub fn step(&mut self, params: &mut [f64], grads: &[f64]) {
        let first = self.velocity.is_empty();
        self.velocity.resize(params.len(), 0.0);
        for ((p, g), v) in params.iter_mut().zip(grads).zip(&mut self.velocity) {
            let g = g + self.weight_decay * *p;
            *v = if first { g } else { self.momentum * *v + g };
            *p -= self.lr * if self.nesterov { g + self.momentum * *v } else { *v };
        }
    }
}

/// The rules of `torch.optim.Adam` and its state.
#[derive(Clone, Debug, Default)]
pub struct Adam {
    /// Learning rate.
    pub lr: f64,
    /// Decay rates.
    pub betas: (f64, f64),
    /// What is added to the divisor.
    pub eps: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Steps taken.
    pub steps: i32,
    /// For each parameter the means of the gradient and of its square.
    pub moments: Vec<(f64, f64)>,
}

impl Adam {
    /// Takes one step.
    pub fn step(&mut self, params: &mut [f64], grads: &[f64]) {
        self.steps += 1;
        self.moments.resize(params.len(), (0.0, 0.0));
        let (b1, b2) = self.betas;
        for ((p, g), (m, v)) in params.iter_mut().zip(grads).zip(&mut self.moments) {
            let g = g + self.weight_decay * *p;
            *m = b1 * *m + (1.0 - b1) * g;
            *v = b2 * *v + (1.0 - b2) * g * g;
            let mean = *m / (1.0 - b1.powi(self.steps));
            let square = *v / (1.0 - b2.powi(self.steps));
            *p -= self.lr * mean / (square.sqrt() + self.eps);
        }
    }
}
