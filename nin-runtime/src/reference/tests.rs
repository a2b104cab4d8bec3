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

/// Pools: input, window, whether the size is rounded up.
const POOLS: &[([usize; 4], Window, bool)] = &[
    ([1, 2, 7, 6], Window::square(3, 2, 0), true),
    ([2, 1, 5, 5], Window::square(2, 3, 1), false),
    ([1, 1, 6, 9], Window { kernel: (3, 2), stride: (1, 4), padding: (1, 0) }, false),
];

#[test]
fn gradients_of_pools_are_finite_differences() {
    for &(shape, window, ceil) in POOLS {
        let size = window.output((shape[2], shape[3]), ceil);
        // Values far enough apart for a step not to change which is the largest.
        let x = Tensor::from_fn(shape, |[n, c, y, x]| {
            ((n * 31 + c * 17 + y * 53 + x * 37) % 101) as f64
        });
        let dy = Tensor::sample([shape[0], shape[1], size.0, size.1], 8);
        let with = |data: &[f64]| Tensor { shape, data: data.to_vec() };
        check_gradient("max", &x.data, &max_pool_gradient(&x, &dy, &window).data, |x1| {
            max_pool(&with(x1), size, &window).dot(&dy)
        });
        check_gradient("average", &x.data, &avg_pool_gradient(&dy, shape, &window).data, |x1| {
            avg_pool(&with(x1), size, &window).dot(&dy)
        });
        let dlogits = Tensor::sample([1, 1, shape[0], shape[1]], 9).data;
        let gradient = global_avg_pool_gradient(&dlogits, shape);
        check_gradient("global", &x.data, &gradient.data, |x1| {
            global_avg_pool(&with(x1)).iter().zip(&dlogits).map(|(y, d)| y * d).sum()
        });
    }
}

#[test]
fn averages_divide_as_pytorchs_do() {
    // From `torch.nn.AvgPool2d` on ones.
    let ones = Tensor::zeros([1, 1, 4, 4]).map(|_| 1.0);
    let window = Window::square(3, 2, 1);
    let size = window.output((4, 4), true);
    let third = 1.0 / 3.0;
    let two_thirds = 2.0 / 3.0;
    assert_close(
        "ceil",
        &avg_pool(&ones, size, &window).data,
        &[4.0 / 9.0, two_thirds, third, two_thirds, 1.0, 0.5, third, 0.5, 0.25],
        1e-15,
    );
}

#[test]
fn the_gradient_of_the_loss_is_finite_differences() {
    let logits = [0.5, -1.0, 2.0];
    let (_, gradient) = cross_entropy(&logits, 1);
    for i in 0..3 {
        let at = |step: f64| {
            let mut z = logits;
            z[i] += step;
            cross_entropy(&z, 1).0
        };
        assert!((gradient[i] - (at(1e-6) - at(-1e-6)) / 2e-6).abs() < 1e-9);
    }
}
