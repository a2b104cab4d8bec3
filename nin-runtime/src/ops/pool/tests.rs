//! Every pool on every instruction set against the `f64` reference.

use super::*;
use crate::reference::{self, Tensor, Window, assert_close, from_nhwc, to_nhwc};
use crate::simd::Isa;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

/// Input (n, c, h, w), window, and whether the size is rounded up.
type Case = ([usize; 4], Window, bool);

const CASES: &[Case] = &[
    ([2, 96, 11, 11], Window::square(3, 2, 0), false),
    ([2, 96, 12, 10], Window::square(3, 2, 0), true),
    ([3, 16, 8, 8], Window::square(2, 2, 0), false),
    ([1, 17, 9, 7], Window::square(2, 2, 1), true),
    ([1, 1, 5, 5], Window::square(3, 1, 1), false),
    ([1, 1, 1, 1], Window::square(1, 1, 0), false),
    ([2, 5, 7, 9], Window::square(2, 3, 0), true),
    ([2, 5, 9, 7], Window::square(1, 4, 0), true),
    ([1, 33, 6, 13], Window { kernel: (2, 5), stride: (3, 2), padding: (1, 2) }, true),
    ([1, 3, 13, 6], Window { kernel: (5, 1), stride: (1, 3), padding: (2, 0) }, false),
    ([1, 40, 4, 5], Window { kernel: (4, 5), stride: (7, 7), padding: (0, 0) }, false),
    ([2, 2, 9, 5], Window { kernel: (4, 3), stride: (2, 2), padding: (2, 1) }, true),
    ([1, 20, 9, 12], Window { kernel: (3, 3), stride: (1, 2), padding: (1, 1) }, true),
];

/// One case with its buffers and a context.
struct Run {
    cx: Context,
    n: usize,
    shape: PoolShape,
    x: Vec<f32>,
    dy: Vec<f32>,
}

impl Run {
    fn new(isa: Isa, window: &Window, x: &Tensor, dy: &Tensor) -> Self {
        let (input, output) = ((x.shape[2], x.shape[3]), (dy.shape[2], dy.shape[3]));
        let Window { kernel, stride, padding } = *window;
        Self {
            cx: Context::sequential(isa),
            n: x.shape[0],
            shape: PoolShape::new(x.shape[1], input, output, kernel, stride, padding),
            x: to_nhwc(x),
            dy: to_nhwc(dy),
        }
    }

    fn max(&self) -> Vec<f32> {
        // What the buffers held before does not matter.
        let mut y = vec![f32::NAN; self.dy.len()];
        max_pool_forward(&self.cx, self.n, &self.shape, &self.x, &mut y);
        y
    }

    fn avg(&self) -> Vec<f32> {
        let mut y = vec![f32::NAN; self.dy.len()];
        avg_pool_forward(&self.cx, self.n, &self.shape, &self.x, &mut y);
        y
    }

    fn max_gradient(&self, gate: bool) -> Vec<f32> {
        let mut dx = vec![f32::NAN; self.x.len()];
        max_pool_backward(&self.cx, self.n, &self.shape, gate, &self.x, &self.dy, &mut dx);
        dx
    }

    fn avg_gradient(&self, gate: bool) -> Vec<f32> {
        let mut dx = vec![f32::NAN; self.x.len()];
        avg_pool_backward(&self.cx, self.n, &self.shape, gate, &self.x, &self.dy, &mut dx);
        dx
    }
}

/// Holds both pools, forward and backward, to the reference: whole, and without the last windows.
fn check(&(shape, window, ceil): &Case) {
    let (h, w) = window.output((shape[2], shape[3]), ceil);
    for size in [(h, w), (h.max(2) - 1, w.max(3) - 2)] {
        check_size(shape, window, size);
    }
}

fn check_size(shape: [usize; 4], window: Window, size: (usize, usize)) {
    // The ReLU makes many values equal, so that the order among equals counts.
    let x = Tensor::sample(shape, 1).relu();
    let dy = Tensor::sample([shape[0], shape[1], size.0, size.1], 2);
    let max_dx = reference::max_pool_gradient(&x, &dy, &window);
    let avg_dx = reference::avg_pool_gradient(&dy, shape, &window);
    for isa in Isa::available() {
        let run = Run::new(isa, &window, &x, &dy);
        let case = std::format!("{shape:?} to {size:?}, {window:?}, {}", isa.name());
        let y = from_nhwc(dy.shape, &run.max());
        assert_eq!(y, reference::max_pool(&x, size, &window), "max, {case}");
        let close = |what: &str, shape, got: &[f32], want: &Tensor| {
            // A sum of k values with magnitudes up to the result's is off by up to k · 2⁻²⁴.
            let sums = (window.kernel.0 * window.kernel.1 + 1) as f64;
            let got = from_nhwc(shape, got);
            assert_close(&std::format!("{what}, {case}"), &got.data, &want.data, sums * 2e-7);
        };
        close("average", dy.shape, &run.avg(), &reference::avg_pool(&x, size, &window));
        close("max gradient", shape, &run.max_gradient(false), &max_dx);
        close("gated max gradient", shape, &run.max_gradient(true), &max_dx.gate(&x));
        close("average gradient", shape, &run.avg_gradient(false), &avg_dx);
        close("gated average gradient", shape, &run.avg_gradient(true), &avg_dx.gate(&x));
    }
}

#[test]
fn pools_agree_with_the_reference_on_every_instruction_set() {
    CASES.iter().for_each(check);
}

prop_compose! {
    fn axis()(kernel in 1..6usize)(
        kernel in Just(kernel),
        padding in 0..=kernel / 2,
        stride in 1..6usize,
        extra in 0..9usize,
    ) -> (usize, usize, usize, usize) {
        (kernel.saturating_sub(2 * padding).max(1) + extra, kernel, stride, padding)
    }
}

proptest! {
    #[test]
    fn pools_of_any_geometry_agree_with_the_reference(
        n in 1..3usize,
        c in 1..35usize,
        (h, kh, sh, ph) in axis(),
        (w, kw, sw, pw) in axis(),
        ceil: bool,
    ) {
        check(&([n, c, h, w], Window { kernel: (kh, kw), stride: (sh, sw), padding: (ph, pw) }, ceil));
    }
}

fn bits(t: &Tensor) -> Vec<u64> {
    t.data.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn a_nan_wins_its_window_and_gets_the_gradient_as_in_pytorch() {
    let window = Window::square(3, 2, 0);
    let mut x = Tensor::sample([1, 20, 7, 7], 3);
    for i in (0..x.data.len()).step_by(5) {
        x.data[i] = f64::NAN;
    }
    // A window of nothing but -∞ passes its gradient to the first place.
    x.data[..49].fill(f64::NEG_INFINITY);
    let dy = Tensor::sample([1, 20, 3, 3], 4);
    for isa in Isa::available() {
        let run = Run::new(isa, &window, &x, &dy);
        let y = from_nhwc(dy.shape, &run.max());
        assert_eq!(bits(&y), bits(&reference::max_pool(&x, (3, 3), &window)), "{}", isa.name());
        let want = reference::max_pool_gradient(&x, &dy, &window);
        let got = from_nhwc(x.shape, &run.max_gradient(false));
        assert_close(isa.name(), &got.data, &want.data, 1e-6);
        let got = from_nhwc(x.shape, &run.max_gradient(true));
        assert_close(isa.name(), &got.data, &want.gate(&x).data, 1e-6);
    }
}

#[test]
fn a_lone_nan_is_found_at_any_place_and_infinities_are_not_taken_for_one() {
    let window = Window::square(3, 2, 0);
    let dy = Tensor::sample([1, 2, 3, 4], 4);
    for isa in Isa::available() {
        for (place, value) in (0..2 * 7 * 9).flat_map(|i| [(i, f64::NAN), (i, f64::INFINITY)]) {
            let mut x = Tensor::sample([1, 2, 7, 9], 3);
            // Neighbours whose product with an infinity is NaN.
            x.data.iter_mut().step_by(2).for_each(|x| *x = 0.0);
            x.data[place] = value;
            let y = from_nhwc(dy.shape, &Run::new(isa, &window, &x, &dy).max());
            let want = reference::max_pool(&x, (3, 4), &window);
            assert_eq!(bits(&y), bits(&want), "{value} at {place}, {}", isa.name());
        }
    }
}

#[cfg(feature = "parallel")]
#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let window = Window::square(3, 2, 0);
    for n in [1, 3] {
        let x = Tensor::sample([n, 64, 31, 31], 5);
        let dy = Tensor::sample([n, 64, 15, 15], 6);
        let one = Run::new(Isa::get(), &window, &x, &dy);
        for threads in [2, 5] {
            let cx = crate::Threads::new(threads).install(Context::current);
            let many = Run { cx, ..Run::new(Isa::get(), &window, &x, &dy) };
            assert_eq!(one.max(), many.max());
            assert_eq!(one.avg(), many.avg());
            assert_eq!(one.max_gradient(true), many.max_gradient(true));
            assert_eq!(one.avg_gradient(true), many.avg_gradient(true));
        }
    }
}

#[test]
#[should_panic(expected = "PyTorch's size")]
fn an_output_that_the_windows_do_not_give_is_refused() {
    let _ = PoolShape::new(1, (7, 7), (4, 3), (3, 3), (2, 2), (0, 0));
}

#[test]
#[should_panic(expected = "at most half the kernel")]
fn a_padding_of_more_than_half_the_kernel_is_refused() {
    let _ = PoolShape::new(1, (7, 7), (5, 5), (3, 3), (2, 2), (2, 2));
}

#[test]
#[should_panic(expected = "input of 2 images")]
fn a_buffer_of_another_length_is_refused() {
    let shape = PoolShape::new(3, (4, 4), (2, 2), (2, 2), (2, 2), (0, 0));
    let cx = Context::sequential(Isa::SCALAR);
    max_pool_forward(&cx, 2, &shape, &[0.0; 4 * 4 * 16], &mut [0.0; 2 * 2 * 2 * 16]);
}
