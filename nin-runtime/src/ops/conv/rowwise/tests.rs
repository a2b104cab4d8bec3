//! The pass against the reference in `f64`.

use super::*;
use crate::ops::conv::tests::{Case, contexts};
use crate::ops::conv::winograd::tests::rt;
use crate::reference::{Window, rms_error};

nin_macros::transforms!(F4x5, F6x3, F2x7, F3x2);

fn run<W, const M: usize, const R: usize, const T: usize>(
    cx: &Context,
    case: &Case,
    pass: &Forward<'_>,
    y: &mut [f32],
) where
    W: Transform<M, R, T>,
{
    let shape = &case.shape;
    let mut u = vec![f32::NAN; shape.rowwise_weights_len(T)];
    shape.rowwise_weights::<W, M, R, T>(cx, &case.weights(), &mut u);
    let mut work = vec![f32::NAN; shape.rowwise_work(M, T)];
    pass.rowwise::<W, M, R, T>(cx, &u, &[], y, &mut work);
}

fn check<W, const M: usize, const R: usize, const T: usize>(
    n: usize,
    channels: (usize, usize),
    input: (usize, usize),
    kernel: (usize, usize),
    padding: (usize, usize),
) where
    W: Transform<M, R, T>,
{
    let window = Window { kernel, stride: (1, 1), padding };
    // Whole, and without a row and two columns at the end.
    for cut in [(0, 0), (1, 2)] {
        let case = Case::new(n, channels, input, window, Order::Planar).cropped(cut);
        for (name, cx) in contexts() {
            case.check_forward(&name, 1e-5, |pass, y| run::<W, M, R, T>(&cx, &case, pass, y));
        }
    }
}

#[test]
fn the_pass_agrees_with_the_reference() {
    check::<F4x5, 4, 5, 8>(2, (1, 32), (28, 28), (5, 5), (2, 2));
    // Rows that end within a tile, and of more tiles than a group has.
    check::<F4x5, 4, 5, 8>(1, (3, 20), (9, 71), (5, 5), (2, 2));
    check::<F6x3, 6, 3, 8>(3, (3, 48), (13, 11), (3, 3), (1, 1));
    check::<F2x7, 2, 7, 8>(1, (1, 10), (16, 9), (7, 7), (3, 3));
    // Fewer tiles than are computed at a time, no padding, more of it than the kernel has.
    check::<F4x5, 4, 5, 8>(1, (1, 16), (1, 5), (1, 5), (0, 0));
    check::<F3x2, 3, 2, 4>(2, (2, 5), (6, 4), (4, 2), (0, 5));
    check::<F6x3, 6, 3, 8>(1, (4, 17), (2, 19), (5, 3), (4, 0));
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let window = Window::square(5, 1, 2);
    let case = Case::new(2, (3, 40), (33, 150), window, Order::Planar);
    for isa in Isa::available() {
        let of = |threads: usize| {
            let cx = Context::with_threads(isa, threads);
            case.forward(true, |pass, y| run::<F4x5, 4, 5, 8>(&cx, &case, pass, y)).data
        };
        let alone = of(1);
        for threads in [2, 5, 40] {
            assert!(of(threads) == alone, "{} on {threads}", isa.name());
        }
    }
}

/// A tenth of the compiler's budget.
#[test]
fn the_error_is_near_that_of_direct_sums() {
    let case = Case::new(2, (1, 32), (28, 28), Window::square(5, 1, 2), Order::Planar);
    let cx = Context::sequential(Isa::get());
    let got = case.forward(false, |pass, y| run::<F4x5, 4, 5, 8>(&cx, &case, pass, y));
    let error = rms_error(&got.data, &case.expected_forward().data);
    std::println!("5×5 of 1 along rows: {error:.1e}");
    assert!(error <= 1e-6, "{error:.1e}");
}

#[test]
#[should_panic(expected = "along rows")]
fn strides_are_refused() {
    let window = Window { kernel: (5, 5), stride: (1, 2), padding: (2, 2) };
    let case = Case::new(1, (1, 16), (9, 9), window, Order::Planar);
    let cx = Context::sequential(Isa::get());
    case.forward(false, |pass, y| run::<F4x5, 4, 5, 8>(&cx, &case, pass, y));
}
