//! Pools, and the mean over all pixels.

use super::{Tensor, Window, indices};
use alloc::vec::Vec;

/// The index of the largest value in a window, as PyTorch's kernel for CPUs finds it: of equal values
/// the first, of several NaN the last.
fn argmax(x: &Tensor, [n, c, oy, ox]: [usize; 4], window: &Window) -> [usize; 4] {
    let mut best: Option<[usize; 4]> = None;
    window.taps((oy, ox), (x.shape[2], x.shape[3]), |_, _, iy, ix| {
        let i = [n, c, iy, ix];
        if best.is_none_or(|best| x[i] > x[best] || x[i].is_nan()) {
            best = Some(i);
        }
    });
    best.expect("a window lies on the input somewhere")
}

/// `y = max over each window of x`, with `(oh, ow)` windows.
#[must_use]
pub fn max_pool(x: &Tensor, (oh, ow): (usize, usize), window: &Window) -> Tensor {
    Tensor::from_fn([x.shape[0], x.shape[1], oh, ow], |i| x[argmax(x, i, window)])
}

/// The gradient of [`max_pool`] with respect to x.
#[must_use]
pub fn max_pool_gradient(x: &Tensor, dy: &Tensor, window: &Window) -> Tensor {
    let mut dx = Tensor::zeros(x.shape);
    for i in indices(dy.shape) {
        dx[argmax(x, i, window)] += dy[i];
    }
    dx
}

/// What the average of window (`oy`, `ox`) is divided by: its places on the padded input.
fn divisor((oy, ox): (usize, usize), (h, w): (usize, usize), window: &Window) -> f64 {
    let axis = |out: usize, len: usize, kernel: usize, stride: usize, padding: usize| {
        (out * stride..out * stride + kernel).filter(|&place| place < len + 2 * padding).count()
    };
    let rows = axis(oy, h, window.kernel.0, window.stride.0, window.padding.0);
    let columns = axis(ox, w, window.kernel.1, window.stride.1, window.padding.1);
    (rows * columns) as f64
}

/// `y = mean over each window of x`, with `(oh, ow)` windows; padding counts.
#[must_use]
pub fn avg_pool(x: &Tensor, (oh, ow): (usize, usize), window: &Window) -> Tensor {
    let size = (x.shape[2], x.shape[3]);
    Tensor::from_fn([x.shape[0], x.shape[1], oh, ow], |[n, c, oy, ox]| {
        let mut sum = 0.0;
        window.taps((oy, ox), size, |_, _, iy, ix| sum += x[[n, c, iy, ix]]);
        sum / divisor((oy, ox), size, window)
    })
}

/// The gradient of [`avg_pool`] with respect to x, whose shape is `shape`.
#[must_use]
pub fn avg_pool_gradient(dy: &Tensor, shape: [usize; 4], window: &Window) -> Tensor {
    let mut dx = Tensor::zeros(shape);
    let size = (shape[2], shape[3]);
    for i @ [n, c, oy, ox] in indices(dy.shape) {
        let share = dy[i] / divisor((oy, ox), size, window);
        window.taps((oy, ox), size, |_, _, iy, ix| dx[[n, c, iy, ix]] += share);
    }
    dx
}

/// The mean of each channel: `n × c` values.
#[must_use]
pub fn global_avg_pool(x: &Tensor) -> Vec<f64> {
    let pixels = x.shape[2] * x.shape[3];
    x.data.chunks(pixels).map(|plane| plane.iter().sum::<f64>() / pixels as f64).collect()
}

/// The gradient of [`global_avg_pool`] with respect to x, whose shape is `shape`.
#[must_use]
pub fn global_avg_pool_gradient(dlogits: &[f64], shape: [usize; 4]) -> Tensor {
    let pixels = (shape[2] * shape[3]) as f64;
    Tensor::from_fn(shape, |[n, c, ..]| dlogits[n * shape[1] + c] / pixels)
}
