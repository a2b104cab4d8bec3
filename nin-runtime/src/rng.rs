//! A seeded generator, and the initial weights that are drawn from it.

use crate::ParamInfo;
use crate::simd::Element;

#[cfg(all(test, feature = "std"))]
mod tests;

/// The `SplitMix64` generator of Steele, Lea and Flood ("Fast splittable pseudorandom number
/// generators", 2014): the same numbers from the same seed on every machine.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
}

/// 2⁶⁴ divided by the golden ratio: the step between `SplitMix64`'s states.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// Spreads each bit of `z` over all bits; one to one.
#[inline(always)]
pub(crate) const fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One well-mixed number from several, whose order matters.
pub(crate) const fn hash(words: &[u64]) -> u64 {
    let (mut h, mut i) = (0u64, 0);
    while i < words.len() {
        h = mix(h.wrapping_add(GAMMA) ^ mix(words[i].wrapping_add(GAMMA)));
        i += 1;
    }
    h
}

impl Rng {
    /// A generator that starts from this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// 64 random bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GAMMA);
        mix(self.state)
    }

    /// A number in [0, 1), a multiple of 2⁻²⁴.
    pub fn uniform(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 / (1 << 24) as f32
    }

    /// A number in `0..bound`, each equally likely to within 2⁻⁶⁴ · `bound`.
    ///
    /// # Panics
    /// If `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "there is no number below 0");
        ((u128::from(self.next_u64()) * bound as u128) >> 64) as usize
    }

    /// Puts the elements into random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// How the weights start; biases start at zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Init {
    /// Uniform within ±√(6 / (fan in + fan out)): `torch.nn.init.xavier_uniform_` with gain 1, which
    /// is what "Dive into Deep Learning" trains its NiN from.
    #[default]
    XavierUniform,
    /// Uniform within ±√2 · √(3 / fan in): `torch.nn.init.kaiming_uniform_` with the gain of ReLU.
    KaimingUniform,
}

impl Init {
    /// Fills an arena with the initial values of all parameters.
    ///
    /// The numbers are drawn in PyTorch's order of elements, so that they depend on the seed and
    /// the tensors' shapes but not on the arena's layout.
    ///
    /// # Panics
    /// If a parameter lies outside the arena.
    pub fn fill<T: Element>(self, params: &[ParamInfo], seed: u64, arena: &mut [T]) {
        arena.fill(T::from_f32(0.0));
        let mut rng = Rng::new(seed);
        for info in params {
            let &[co, ci, kh, kw] = info.shape else { continue };
            let bound = self.bound(ci * kh * kw, co * kh * kw);
            for i in 0..info.len() {
                arena[info.index(i)] = T::from_f32(bound * (2.0 * rng.uniform() - 1.0));
            }
        }
    }

    /// The largest magnitude of a weight with so many inputs and outputs.
    fn bound(self, fan_in: usize, fan_out: usize) -> f32 {
        let variance_times_three = match self {
            Self::XavierUniform => 6.0 / (fan_in + fan_out) as f64,
            Self::KaimingUniform => 2.0 * 3.0 / fan_in as f64,
        };
        crate::math::sqrt(variance_times_three) as f32
    }
}
