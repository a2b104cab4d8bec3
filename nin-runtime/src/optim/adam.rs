//! Adam (Kingma and Ba, 2015).

use super::{Chunk, Optimizer, check_hyperparameter, for_each_chunk};
use crate::Context;
use crate::math::sqrt;
use crate::simd::{Kernel, Simd, Vector};

/// `torch.optim.Adam`, its weight decay added to the gradient:
///
/// g ← gradient + weight decay · p;  m ← m + (1 - β₁) (g - m);  v ← β₂ v + (1 - β₂) g²;
/// p ← p - lr / (1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + ε).
///
/// ```
/// use nin_runtime::{Adam, Optimizer};
///
/// let adam = Adam::new(1e-3).betas(0.9, 0.99).weight_decay(1e-4);
/// assert_eq!(adam.learning_rate(), 1e-3);
/// ```
#[derive(Clone, Debug)]
pub struct Adam {
    lr: f32,
    // In f64, as PyTorch has them: 1 - β would lose digits in f32.
    betas: [f64; 2],
    eps: f32,
    weight_decay: f32,
    /// β₁ᵗ and β₂ᵗ after t steps.
    powers: [f64; 2],
}

impl Adam {
    /// With this learning rate, β = (0.9, 0.999), ε = 10⁻⁸ and no weight decay.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[must_use]
    #[track_caller]
    pub fn new(lr: f32) -> Self {
        check_hyperparameter("the learning rate", lr);
        Self { lr, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.0, powers: [1.0; 2] }
    }

    /// With these decay rates of the gradient's mean and of its square's.
    ///
    /// # Panics
    /// If one is not in [0, 1).
    #[must_use]
    #[track_caller]
    pub fn betas(mut self, beta1: f64, beta2: f64) -> Self {
        for beta in [beta1, beta2] {
            assert!((0.0..1.0).contains(&beta), "betas must be in [0, 1), got {beta}");
        }
        self.betas = [beta1, beta2];
        self
    }

    /// With this ε in the divisor.
    ///
    /// # Panics
    /// If it is not finite and positive: a parameter whose gradients are all zero would become NaN.
    #[must_use]
    #[track_caller]
    pub fn eps(mut self, eps: f32) -> Self {
        assert!(eps > 0.0 && eps.is_finite(), "eps must be finite and positive, got {eps}");
        self.eps = eps;
        self
    }

    /// With weight decay, added to the gradient.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[must_use]
    #[track_caller]
    pub fn weight_decay(mut self, weight_decay: f32) -> Self {
        check_hyperparameter("the weight decay", weight_decay);
        self.weight_decay = weight_decay;
        self
    }
}

impl Optimizer for Adam {
    const STATES: usize = 2;

    fn learning_rate(&self) -> f32 {
        self.lr
    }

    #[track_caller]
    fn set_learning_rate(&mut self, lr: f32) {
        check_hyperparameter("the learning rate", lr);
        self.lr = lr;
    }

    fn update(&mut self, cx: &Context, params: &mut [f32], grads: &[f32], state: &mut [f32]) {
        let [beta1, beta2] = self.betas;
        self.powers = [self.powers[0] * beta1, self.powers[1] * beta2];
        let coefficients = Coefficients {
            weight_decay: self.weight_decay,
            mean_rate: (1.0 - beta1) as f32,
            square_decay: beta2 as f32,
            square_rate: (1.0 - beta2) as f32,
            square_correction: sqrt(1.0 - self.powers[1]) as f32,
            eps: self.eps,
            step: (f64::from(self.lr) / (1.0 - self.powers[0])) as f32,
        };
        for_each_chunk(cx, params, grads, state, |chunk| {
            cx.isa().run(Step { coefficients: &coefficients, chunk });
        });
    }
}

/// What one step multiplies by.
struct Coefficients {
    weight_decay: f32,
    mean_rate: f32,
    square_decay: f32,
    square_rate: f32,
    square_correction: f32,
    eps: f32,
    step: f32,
}

struct Step<'a> {
    coefficients: &'a Coefficients,
    chunk: Chunk<'a, 2>,
}

impl Kernel for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let c = self.coefficients;
        let (correction, eps) = (s.splat(c.square_correction), s.splat(c.eps));
        let Chunk { params, grads, state: [mean, square] } = self.chunk;
        let mut i = 0;
        while i < params.len() {
            // SAFETY: the parts of a chunk have one length, a multiple of the lanes.
            unsafe {
                let p = params.as_mut_ptr().add(i);
                let m = mean.as_mut_ptr().add(i);
                let v = square.as_mut_ptr().add(i);
                let (param, old_m) = (s.load(p), s.load(m));
                let g = param.scale_add(c.weight_decay, s.load(grads.as_ptr().add(i)));
                let new_m = (g - old_m).scale_add(c.mean_rate, old_m);
                let new_v = g.scale(c.square_rate).mul_add(g, s.load(v).scale(c.square_decay));
                let divisor = s.div(s.sqrt(new_v), correction) + eps;
                s.store(m, new_m);
                s.store(v, new_v);
                s.store(p, s.div(new_m, divisor).scale_add(-c.step, param));
            }
            i += S::LANES;
        }
    }
}
