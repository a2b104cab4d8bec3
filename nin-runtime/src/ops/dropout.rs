//! Inverted dropout whose mask is a function of its place, so that nothing is kept for backward.

use crate::rng::hash;
use crate::simd::{Element, Kernel, PANEL, Simd, convert};
use crate::{Context, DisjointMut};

#[cfg(all(test, feature = "std"))]
mod tests;

/// The masks of one dropout layer in one step of training.
///
/// Whether an element is kept depends on the seed, the layer, the step, the image's place in the
/// batch and the element's place in the image, on nothing else: backward computes the same mask
/// again, and any number of threads gives the same bits.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    /// Elements whose 32 random bits are below are dropped.
    threshold: u32,
    /// What kept elements are multiplied by: 1 / (1 - p).
    scale: f32,
    key: u64,
    /// The place in the group of the first image.
    first: usize,
}

impl Dropout {
    /// Drops each element with probability `p`.
    ///
    /// # Panics
    /// If `p` is not in [0, 1).
    #[must_use]
    pub const fn new(p: f32, seed: u64, layer: u64, step: u64) -> Self {
        assert!(p >= 0.0 && p < 1.0, "the probability of dropout is in [0, 1)");
        let p = p as f64;
        Self {
            threshold: (p * 4_294_967_296.0) as u32,
            scale: (1.0 / (1.0 - p)) as f32,
            key: hash(&[seed, layer, step]),
            first: 0,
        }
    }

    /// The masks of the images from number `first` on.
    #[must_use]
    pub const fn from_image(self, first: usize) -> Self {
        Self { first, ..self }
    }
}

/// `x = x · mask`, for `n` images of any layout, in place; kept elements are scaled by 1 / (1 - p).
///
/// As PyTorch does, dropped elements are multiplied by 0: a NaN stays NaN.
///
/// # Panics
/// If the length of x is no multiple of `n`.
pub fn dropout_forward<T: Element>(cx: &Context, n: usize, dropout: &Dropout, x: &mut [T]) {
    apply(cx, n, dropout, None, x);
}

/// The gradient with respect to the input of [`dropout_forward`], in place of that of its output.
///
/// With `gate`, the layer's input was the output of a ReLU, and dx becomes the gradient before it. The
/// gate may be the layer's input or, as good where elements are kept, its output.
///
/// # Panics
/// If the lengths of dx and the gate differ or are no multiple of `n`.
pub fn dropout_backward(
    cx: &Context,
    n: usize,
    dropout: &Dropout,
    gate: Option<&[f32]>,
    dx: &mut [f32],
) {
    apply(cx, n, dropout, gate, dx);
}

fn apply<T: Element>(cx: &Context, n: usize, dropout: &Dropout, gate: Option<&[f32]>, x: &mut [T]) {
    assert!(gate.is_none_or(|gate| gate.len() == x.len()), "the gate has the gradient's shape");
    let len = x.len().checked_div(n).unwrap_or(0);
    assert_eq!(len * n, x.len(), "all of the {n} images have one length");
    // Hashing an element costs about as much as eight multiply-adds.
    let (work, x) = (8 * x.len(), DisjointMut::new(x));
    cx.for_each(n, work, |image| {
        let range = image * len..(image + 1) * len;
        let key = hash(&[dropout.key, (dropout.first + image) as u64]);
        cx.isa().run(Mask {
            dropout,
            key: [key as u32, (key >> 32) as u32],
            gate: gate.map(|gate| &gate[range.clone()]),
            // SAFETY: each task has its own image.
            x: unsafe { x.part(range) },
        });
    });
}

/// One image.
struct Mask<'a, T> {
    dropout: &'a Dropout,
    key: [u32; 2],
    gate: Option<&'a [f32]>,
    x: &'a mut [T],
}

impl<T: Element> Kernel for Mask<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        const RUN: usize = 4 * PANEL;
        let mut wide = [0.0; RUN];
        for (i, x) in self.x.chunks_mut(RUN).enumerate() {
            let wide = &mut wide[..x.len()];
            convert(s, x, wide);
            let gate = self.gate.map(|gate| &gate[i * RUN..][..x.len()]);
            mask(self.dropout, self.key, i * RUN, gate, wide);
            convert(s, wide, x);
        }
    }
}

/// Masks the elements from place `first` on. Plain Rust, which the compiler turns into the instructions
/// of the function around it.
#[inline(always)]
fn mask(dropout: &Dropout, key: [u32; 2], first: usize, gate: Option<&[f32]>, x: &mut [f32]) {
    let &Dropout { threshold, scale, .. } = dropout;
    let kept = |i: usize| bits(key, (first + i) as u32) >= threshold;
    match gate {
        None => {
            for (i, x) in x.iter_mut().enumerate() {
                *x *= if kept(i) { scale } else { 0.0 };
            }
        }
        Some(gate) => {
            for (i, (x, &gate)) in x.iter_mut().zip(gate).enumerate() {
                *x = if gate <= 0.0 { 0.0 } else { *x * if kept(i) { scale } else { 0.0 } };
            }
        }
    }
}

/// 32 random bits for each place: the mixer "lowbias32" of Chris Wellons ("Prospecting for hash
/// functions", 2018), with half of the key added before it and the other half in its middle, so that
/// the masks of different keys are not shifted copies of each other.
#[inline(always)]
fn bits(key: [u32; 2], place: u32) -> u32 {
    let mut z = place.wrapping_add(key[0]);
    z = (z ^ (z >> 16)).wrapping_mul(0x7feb_352d);
    z = (z ^ (z >> 15) ^ key[1]).wrapping_mul(0x846c_a68b);
    z ^ (z >> 16)
}
