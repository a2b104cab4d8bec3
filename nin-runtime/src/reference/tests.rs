//! Each gradient against finite differences, converters against themselves.

use super::*;
use crate::Order;

/// Holds `gradient` to the central differences of `f` at `at`.
///
/// `f` is a sum of products, so that differences of step 2⁻⁷ are exact but for rounding.
fn check_gradient(what: &str, at: &[f64], gradient: &[f64], f: impl Fn(&[f64]) -> f64) {
    let step = 1.0 / 128.0;
    let mut point = at.to_vec();
    let differences: Vec<f64> = (0..at.len())
        .map(|i| {
            point[i] = at[i] + step;
            let above = f(&point);
            point[i] = at[i] - step;
            let below = f(&point);
            point[i] = at[i];
            (above - below) / (2.0 * step)
        })
        .collect();
    assert_close(what, gradient, &differences, 1e-9);
}

const CONVOLUTIONS: &[([usize; 4], usize, Window)] = &[
    ([2, 3, 5, 6], 4, Window::square(3, 1, 1)),
    ([1, 1, 7, 7], 2, Window::square(2, 3, 0)),
    ([1, 2, 6, 5], 3, Window { kernel: (3, 1), stride: (2, 1), padding: (1, 0) }),
    ([2, 2, 4, 4], 1, Window { kernel: (1, 4), stride: (1, 2), padding: (0, 2) }),
];

#[test]
fn gradients_of_convolutions_are_finite_differences() {
    for &(shape, co, window) in CONVOLUTIONS {
        let x = Tensor::sample(shape, 1);
        let w = Tensor::sample([co, shape[1], window.kernel.0, window.kernel.1], 2);
        let bias = Tensor::sample([1, 1, 1, co], 3).data;
        let y = conv2d(&x, &w, &bias, &window);
        let dy = Tensor::sample(y.shape, 4);
        let with = |like: &Tensor, data: &[f64]| Tensor { shape: like.shape, data: data.to_vec() };
        check_gradient(
            "input",
            &x.data,
            &conv2d_input_gradient(&dy, &w, x.shape, &window).data,
            |x1| conv2d(&with(&x, x1), &w, &bias, &window).dot(&dy),
        );
        check_gradient("weight", &w.data, &conv2d_weight_gradient(&x, &dy, &window).data, |w1| {
            conv2d(&x, &with(&w, w1), &bias, &window).dot(&dy)
        });
        check_gradient("bias", &bias, &conv2d_bias_gradient(&dy), |b1| {
            conv2d(&x, &w, b1, &window).dot(&dy)
        });
    }
}

#[test]
fn activations_survive_the_way_to_padded_channels_and_back() {
    for shape in [[2, 1, 3, 4], [1, 16, 2, 2], [3, 17, 1, 5]] {
        let tensor = Tensor::sample(shape, 5);
        assert_eq!(from_nhwc(shape, &to_nhwc(&tensor)), tensor);
    }
}

#[test]
fn parameters_survive_the_way_to_the_arena_and_back() {
    for order in [Order::ChannelsLast, Order::Planar] {
        let info = ParamInfo { name: "w", shape: &[17, 3, 2, 5], offset: 16, order };
        let values = Tensor::sample([17, 3, 2, 5], 6).data;
        let mut arena = vec![0.0; 16 + 2 * 16 * 3 * 2 * 5];
        to_arena(&info, &values, &mut arena);
        assert_eq!(from_arena(&info, &arena), values);
    }
}

#[test]
fn output_sizes_are_pytorchs() {
    // (input, kernel, stride, padding, floor, ceil): from `torch.nn.MaxPool2d`.
    for (len, kernel, stride, padding, floor, ceil) in [
        (54, 3, 2, 0, 26, 27),
        (32, 3, 2, 0, 15, 16),
        (7, 2, 2, 1, 4, 4),
        (5, 2, 3, 0, 2, 2),
        (6, 2, 3, 0, 2, 2),
        (7, 1, 3, 0, 3, 3),
        (8, 1, 3, 0, 3, 3),
    ] {
        let window = Window::square(kernel, stride, padding);
        assert_eq!(window.output((len, len), false), (floor, floor), "{window:?} over {len}");
        assert_eq!(window.output((len, len), true), (ceil, ceil), "{window:?} over {len}, ceil");
    }
}
