//! Optimizers with PyTorch's semantics, each one vector loop over the arena.

mod adam;
mod sgd;
#[cfg(all(test, feature = "std"))]
mod tests;

pub use adam::Adam;
pub use sgd::Sgd;

use crate::simd::PANEL;
use crate::{Context, DisjointMut};

/// Turns gradients into new parameters.
pub trait Optimizer {
    /// Arenas of state, each as long as the parameters, that the optimizer keeps between steps.
    const STATES: usize;

    /// The learning rate of the next step.
    fn learning_rate(&self) -> f32;

    /// Sets the learning rate of the steps that follow: this is how a schedule is made.
    ///
    /// # Panics
    /// If it is negative or not finite.
    fn set_learning_rate(&mut self, lr: f32);

    /// Takes one step.
    ///
    /// `state` has [`STATES`](Self::STATES) × the arena's length, zero before the first step. A
    /// parameter that is zero and has only had zero gradients stays zero, as an arena's padding must.
    ///
    /// # Panics
    /// If the lengths do not fit, or the arena is no whole number of panels.
    fn update(&mut self, cx: &Context, params: &mut [f32], grads: &[f32], state: &mut [f32]);
}

/// One of this crate's optimizers, so that a trainer's type need not name it.
#[derive(Clone, Debug)]
pub enum AnyOptimizer {
    /// Stochastic gradient descent.
    Sgd(Sgd),
    /// Adam.
    Adam(Adam),
}

impl From<Sgd> for AnyOptimizer {
    fn from(sgd: Sgd) -> Self {
        Self::Sgd(sgd)
    }
}

impl From<Adam> for AnyOptimizer {
    fn from(adam: Adam) -> Self {
        Self::Adam(adam)
    }
}

impl AnyOptimizer {
    /// [`Optimizer::STATES`] of the one it is.
    #[cfg(feature = "alloc")]
    pub(crate) fn states(&self) -> usize {
        match self {
            Self::Sgd(_) => Sgd::STATES,
            Self::Adam(_) => Adam::STATES,
        }
    }

    pub(crate) fn learning_rate(&self) -> f32 {
        match self {
            Self::Sgd(sgd) => sgd.learning_rate(),
            Self::Adam(adam) => adam.learning_rate(),
        }
    }

    pub(crate) fn set_learning_rate(&mut self, rate: f32) {
        match self {
            Self::Sgd(sgd) => sgd.set_learning_rate(rate),
            Self::Adam(adam) => adam.set_learning_rate(rate),
        }
    }

    pub(crate) fn update(
        &mut self,
        cx: &Context,
        params: &mut [f32],
        grads: &[f32],
        state: &mut [f32],
    ) {
        match self {
            Self::Sgd(sgd) => sgd.update(cx, params, grads, state),
            Self::Adam(adam) => adam.update(cx, params, grads, state),
        }
    }
}

/// Panics unless `value` is finite and not negative; `what` says which it is.
#[track_caller]
fn check_hyperparameter(what: &str, value: f32) {
    assert!(
        value >= 0.0 && value.is_finite(),
        "{what} must be finite and not negative, got {value}"
    );
}

/// Corresponding parts of the arenas: what one task works on.
struct Chunk<'a, const STATES: usize> {
    params: &'a mut [f32],
    grads: &'a [f32],
    state: [&'a mut [f32]; STATES],
}

/// Calls `f` for chunks that cover the arenas, on all threads.
fn for_each_chunk<const STATES: usize>(
    cx: &Context,
    params: &mut [f32],
    grads: &[f32],
    state: &mut [f32],
    f: impl Fn(Chunk<'_, STATES>) + Sync,
) {
    /// 32 KiB of each arena.
    const CHUNK: usize = 8192;
    let len = params.len();
    assert!(len.is_multiple_of(PANEL), "an arena of {len} elements is no whole number of panels");
    assert_eq!(grads.len(), len, "one gradient a parameter");
    assert_eq!(Some(state.len()), len.checked_mul(STATES), "{STATES} states a parameter");
    let (params, state) = (DisjointMut::new(params), DisjointMut::new(state));
    cx.for_each(len.div_ceil(CHUNK), 4 * len, |task| {
        let (start, end) = (task * CHUNK, len.min((task + 1) * CHUNK));
        f(Chunk {
            // SAFETY: tasks have different ranges of each arena.
            params: unsafe { params.part(start..end) },
            grads: &grads[start..end],
            // SAFETY: as above; each state is an arena of its own.
            state: core::array::from_fn(|i| unsafe { state.part(i * len + start..i * len + end) }),
        });
    });
}
