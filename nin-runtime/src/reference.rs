//! Every operation written plainly in `f64`: the specification that the kernels are tested against.
//!
//! Tensors are `(n, c, h, w)`, as PyTorch has them. Nothing here is fast.

use crate::ParamInfo;
use crate::simd::padded;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

mod conv;
mod pool;
#[cfg(test)]
mod tests;
mod train;

pub use conv::*;
pub use pool::*;
pub use train::*;

/// A dense array of four axes in row-major order: `(n, c, h, w)`, or `(co, ci, kh, kw)` for weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// The length of each axis.
    pub shape: [usize; 4],
    /// The values, last axis fastest.
    pub data: Vec<f64>,
}

impl Tensor {
    /// All zeros.
    #[must_use]
    pub fn zeros(shape: [usize; 4]) -> Self {
        Self { shape, data: vec![0.0; shape.iter().product()] }
    }

    /// The value at each index.
    pub fn from_fn(shape: [usize; 4], mut f: impl FnMut([usize; 4]) -> f64) -> Self {
        let mut tensor = Self::zeros(shape);
        for i in indices(shape) {
            tensor[i] = f(i);
        }
        tensor
    }

    /// Values in [-1, 1) that look random, depend on the seed alone and are multiples of 2⁻¹⁰, so
    /// that conversion to `f32` is exact.
    #[must_use]
    pub fn sample(shape: [usize; 4], seed: u64) -> Self {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Self::from_fn(shape, |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 53) as f64 / 1024.0 - 1.0
        })
    }

    /// Each value after `f`.
    #[must_use]
    pub fn map(&self, f: impl FnMut(f64) -> f64) -> Self {
        Self { shape: self.shape, data: self.data.iter().copied().map(f).collect() }
    }

    /// The first rows and columns.
    #[must_use]
    pub fn cropped(&self, (h, w): (usize, usize)) -> Self {
        let [n, c, ..] = self.shape;
        Self::from_fn([n, c, h, w], |i| self[i])
    }

    /// `max(v, 0)`; NaN stays NaN.
    #[must_use]
    pub fn relu(&self) -> Self {
        self.map(|v| if v < 0.0 { 0.0 } else { v })
    }

    /// `self` where `gate`, the output of a ReLU, is positive or NaN, else 0.
    #[must_use]
    pub fn gate(&self, gate: &Self) -> Self {
        assert_eq!(self.shape, gate.shape);
        let data = self.data.iter().zip(&gate.data);
        Self {
            shape: self.shape,
            data: data.map(|(&v, &g)| if g <= 0.0 { 0.0 } else { v }).collect(),
        }
    }

    /// The sum of the products of corresponding elements.
    #[must_use]
    pub fn dot(&self, other: &Self) -> f64 {
        assert_eq!(self.shape, other.shape);
        self.data.iter().zip(&other.data).map(|(a, b)| a * b).sum()
    }

    fn offset(&self, [n, c, y, x]: [usize; 4]) -> usize {
        let [_, channels, height, width] = self.shape;
        ((n * channels + c) * height + y) * width + x
    }
}

impl Index<[usize; 4]> for Tensor {
    type Output = f64;
    fn index(&self, i: [usize; 4]) -> &f64 {
        &self.data[self.offset(i)]
    }
}

impl IndexMut<[usize; 4]> for Tensor {
    fn index_mut(&mut self, i: [usize; 4]) -> &mut f64 {
        let offset = self.offset(i);
        &mut self.data[offset]
    }
}

/// All indices of a shape, last axis fastest.
fn indices([n, c, h, w]: [usize; 4]) -> impl Iterator<Item = [usize; 4]> {
    (0..n * c * h * w).map(move |i| [i / (w * h * c), i / (w * h) % c, i / w % h, i % w])
}

/// A sliding window; every pair is (rows, columns).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Size.
    pub kernel: (usize, usize),
    /// Step.
    pub stride: (usize, usize),
    /// Zeros on each side.
    pub padding: (usize, usize),
}

impl Window {
    /// A square window.
    #[must_use]
    pub const fn square(kernel: usize, stride: usize, padding: usize) -> Self {
        Self { kernel: (kernel, kernel), stride: (stride, stride), padding: (padding, padding) }
    }

    /// Rows and columns of the output, by PyTorch's rules.
    ///
    /// With `ceil` the size is rounded up, unless the last window would start in the padding after
    /// the input.
    #[must_use]
    pub fn output(&self, (h, w): (usize, usize), ceil: bool) -> (usize, usize) {
        let axis = |len: usize, kernel: usize, stride: usize, padding: usize| {
            let room = len + 2 * padding - kernel;
            let floor = room / stride + 1;
            let up = room.div_ceil(stride) + 1;
            if ceil && (up - 1) * stride < len + padding { up } else { floor }
        };
        (
            axis(h, self.kernel.0, self.stride.0, self.padding.0),
            axis(w, self.kernel.1, self.stride.1, self.padding.1),
        )
    }

    /// Calls `f(ky, kx, y, x)` for each place of the window at output (`oy`, `ox`) that lies on the
    /// input, in row-major order.
    fn taps(
        &self,
        (oy, ox): (usize, usize),
        (h, w): (usize, usize),
        mut f: impl FnMut(usize, usize, usize, usize),
    ) {
        for ky in 0..self.kernel.0 {
            for kx in 0..self.kernel.1 {
                let y = (oy * self.stride.0 + ky).wrapping_sub(self.padding.0);
                let x = (ox * self.stride.1 + kx).wrapping_sub(self.padding.1);
                if y < h && x < w {
                    f(ky, kx, y, x);
                }
            }
        }
    }
}

/// (n, c, h, w) → `n × h × w × padded(c)`, padded channels zero.
#[must_use]
pub fn to_nhwc(tensor: &Tensor) -> Vec<f32> {
    let [n, c, h, w] = tensor.shape;
    let mut out = vec![0.0; n * h * w * padded(c)];
    for i @ [n, ch, y, x] in indices(tensor.shape) {
        out[((n * h + y) * w + x) * padded(c) + ch] = tensor[i] as f32;
    }
    out
}

/// `n × h × w × padded(c)` → (n, c, h, w).
///
/// # Panics
/// If the buffer has another length, or a padded channel is not zero.
#[must_use]
pub fn from_nhwc(shape: [usize; 4], buffer: &[f32]) -> Tensor {
    let [n, c, h, w] = shape;
    assert_eq!(buffer.len(), n * h * w * padded(c));
    for pixel in buffer.chunks(padded(c)) {
        assert!(pixel[c..].iter().all(|&v| v == 0.0), "padded channels are zero: {pixel:?}");
    }
    Tensor::from_fn(shape, |[n, ch, y, x]| {
        f64::from(buffer[((n * h + y) * w + x) * padded(c) + ch])
    })
}

/// Writes a parameter, in PyTorch's order, to its place in an arena.
pub fn to_arena(info: &ParamInfo, values: &[f64], arena: &mut [f32]) {
    assert_eq!(values.len(), info.len());
    for (i, &v) in values.iter().enumerate() {
        arena[info.index(i)] = v as f32;
    }
}

/// Reads a parameter, in PyTorch's order, from its place in an arena.
#[must_use]
pub fn from_arena(info: &ParamInfo, arena: &[f32]) -> Vec<f64> {
    (0..info.len()).map(|i| f64::from(arena[info.index(i)])).collect()
}

/// The largest deviation of `got` from `want`, relative to the largest magnitude in `want`.
#[must_use]
pub fn deviation(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let scale = want.iter().fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()));
    // `f64::max` would drop a NaN.
    let worst = |worst: f64, d: f64| if d > worst || d.is_nan() { d } else { worst };
    got.iter().zip(want).map(|(g, w)| (g - w).abs() / scale).fold(0.0, worst)
}

/// The root of the mean square of `got - want`, relative to that of `want`.
#[must_use]
pub fn rms_error(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let square = |sum: f64, v: f64| sum + v * v;
    let error = got.iter().zip(want).map(|(got, want)| got - want).fold(0.0, square);
    (error / want.iter().copied().fold(0.0, square)).sqrt()
}

/// Holds `got` to `want` within `tolerance`, as [`deviation`] measures it.
///
/// # Panics
/// If the deviation is larger, with `what` in the message.
#[track_caller]
pub fn assert_close(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    let deviation = deviation(got, want);
    assert!(deviation <= tolerance, "{what}: deviates by {deviation:.2e}, allowed {tolerance:.0e}");
}
