//! Convolution.

use super::{Tensor, Window, indices};
use alloc::vec;
use alloc::vec::Vec;

/// Calls `f(x, w, y)` with the indices of each product `x · w` that a convolution adds to `y`.
///
/// Forward and both gradients are this one list of products, summed into each of the three.
fn conv2d_products(
    x: [usize; 4],
    w: [usize; 4],
    y: [usize; 4],
    window: &Window,
    mut f: impl FnMut([usize; 4], [usize; 4], [usize; 4]),
) {
    assert_eq!((x[0], x[1], w[0]), (y[0], w[1], y[1]), "batch, input and output channels agree");
    assert_eq!((w[2], w[3]), window.kernel);
    for out in indices(y) {
        let [n, co, oy, ox] = out;
        for ci in 0..x[1] {
            window.taps((oy, ox), (x[2], x[3]), |ky, kx, iy, ix| {
                f([n, ci, iy, ix], [co, ci, ky, kx], out);
            });
        }
    }
}

/// `y = x ∗ w + bias`, where x is (n, ci, h, w), w is (co, ci, kh, kw), bias has co elements.
#[must_use]
pub fn conv2d(x: &Tensor, w: &Tensor, bias: &[f64], window: &Window) -> Tensor {
    let (h, width) = window.output((x.shape[2], x.shape[3]), false);
    let mut y = Tensor::from_fn([x.shape[0], w.shape[0], h, width], |[_, co, ..]| bias[co]);
    conv2d_products(x.shape, w.shape, y.shape, window, |ix, iw, iy| y[iy] += x[ix] * w[iw]);
    y
}

/// The gradient of [`conv2d`] with respect to x, whose shape is `shape`.
#[must_use]
pub fn conv2d_input_gradient(
    dy: &Tensor,
    w: &Tensor,
    shape: [usize; 4],
    window: &Window,
) -> Tensor {
    let mut dx = Tensor::zeros(shape);
    conv2d_products(shape, w.shape, dy.shape, window, |ix, iw, iy| dx[ix] += w[iw] * dy[iy]);
    dx
}

/// The gradient of [`conv2d`] with respect to w.
#[must_use]
pub fn conv2d_weight_gradient(x: &Tensor, dy: &Tensor, window: &Window) -> Tensor {
    let mut dw = Tensor::zeros([dy.shape[1], x.shape[1], window.kernel.0, window.kernel.1]);
    conv2d_products(x.shape, dw.shape, dy.shape, window, |ix, iw, iy| dw[iw] += x[ix] * dy[iy]);
    dw
}

/// The gradient of [`conv2d`] with respect to the bias.
#[must_use]
pub fn conv2d_bias_gradient(dy: &Tensor) -> Vec<f64> {
    let mut db = vec![0.0; dy.shape[1]];
    for i in indices(dy.shape) {
        db[i[1]] += dy[i];
    }
    db
}
