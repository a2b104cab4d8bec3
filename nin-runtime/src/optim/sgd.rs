//! Stochastic gradient descent with momentum.

use super::{Chunk, Optimizer, check_hyperparameter, for_each_chunk};
use crate::Context;
use crate::simd::{Kernel, Simd, Vector};

/// `torch.optim.SGD` with dampening 0:
///
/// g ← gradient + weight decay · p;  v ← momentum · v + g;  p ← p - lr · v.
///
/// ```
/// use nin_runtime::{Optimizer, Sgd};
///
/// let mut sgd = Sgd::new(0.05).momentum(0.9).weight_decay(5e-4);
/// sgd.set_learning_rate(0.01);
/// assert_eq!(sgd.learning_rate(), 0.01);
/// ```
#[derive(Clone, Debug)]
pub struct Sgd {
    lr: f32,
    momentum: f32,
    weight_decay: f32,
    nesterov: bool,
}

impl Sgd {
    /// With this learning rate, no momentum and no weight decay.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[must_use]
    #[track_caller]
    pub fn new(lr: f32) -> Self {
        check_hyperparameter("the learning rate", lr);
        Self { lr, momentum: 0.0, weight_decay: 0.0, nesterov: false }
    }

    /// With momentum.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[must_use]
    #[track_caller]
    pub fn momentum(mut self, momentum: f32) -> Self {
        check_hyperparameter("the momentum", momentum);
        self.momentum = momentum;
        self
    }

    /// With Nesterov's momentum: p ← p - lr · (g + momentum · v).
    #[must_use]
    pub fn nesterov(mut self) -> Self {
        self.nesterov = true;
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

impl Optimizer for Sgd {
    const STATES: usize = 1;

    fn learning_rate(&self) -> f32 {
        self.lr
    }

    #[track_caller]
    fn set_learning_rate(&mut self, lr: f32) {
        check_hyperparameter("the learning rate", lr);
        self.lr = lr;
    }

    fn update(&mut self, cx: &Context, params: &mut [f32], grads: &[f32], state: &mut [f32]) {
        for_each_chunk(cx, params, grads, state, |chunk| {
            cx.isa().run(Step { sgd: self, chunk });
        });
    }
}

struct Step<'a> {
    sgd: &'a Sgd,
    chunk: Chunk<'a, 1>,
}

impl Kernel for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let &Sgd { lr, momentum, weight_decay, nesterov } = self.sgd;
        let Chunk { params, grads, state: [velocity] } = self.chunk;
        let mut i = 0;
        while i < params.len() {
            // SAFETY: the parts of a chunk have one length, a multiple of the lanes.
            unsafe {
                let p = params.as_mut_ptr().add(i);
                let param = s.load(p);
                let g = param.scale_add(weight_decay, s.load(grads.as_ptr().add(i)));
                let mut direction = g;
                if momentum != 0.0 {
                    let v = velocity.as_mut_ptr().add(i);
                    let new_v = s.load(v).scale_add(momentum, g);
                    s.store(v, new_v);
                    direction = if nesterov { new_v.scale_add(momentum, g) } else { new_v };
                }
                s.store(p, direction.scale_add(-lr, param));
            }
            i += S::LANES;
        }
    }
}
