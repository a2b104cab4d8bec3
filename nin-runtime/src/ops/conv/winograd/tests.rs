//! The passes with transforms as the compiler writes them, against the reference in `f64`.

use super::*;
use crate::Context;
use crate::ops::conv::tests::{Case, contexts};
use crate::ops::conv::{Source, WeightGradient};
use crate::reference::Window;
use crate::simd::Isa;

/// What transforms refer to.
pub(in crate::ops::conv) mod rt {
    pub use crate::ops::conv::winograd::Transform;
    pub use crate::simd::Vector;
    pub use core::clone::Clone;
    pub use core::marker::Copy;
    pub use core::option::Option::{self, None, Some};
}

nin_macros::transforms!(F2x3, F4x3, F2x5, F2x7);
nin_macros::transforms!(F6x3With1, F1x3With6, F5x3With3, F3x3With5, F4x5With2, F2x5With4);

type Square<F, const M: usize, const R: usize, const T: usize> = Tiles<F, F, M, R, T, M, R, T>;

/// Holds all passes of a geometry by the tiles `W` to the reference.
fn check<W: Tile>(
    tolerance: f64,
    n: usize,
    channels: (usize, usize),
    input: (usize, usize),
    window: Window,
    order: Order,
) {
    check_case::<W>(tolerance, &Case::new(n, channels, input, window, order));
}

fn check_case<W: Tile>(tolerance: f64, case: &Case) {
    let (n, shape) = (case.n, &case.shape);
    let weights = case.weights();
    for (name, cx) in contexts() {
        let mut u = vec![f32::NAN; shape.winograd_weights_len::<W>()];
        shape.winograd_weights::<W>(&cx, &weights, &mut u);
        case.check_forward(&name, tolerance, |pass, y| {
            let mut work = vec![f32::NAN; shape.winograd_work::<W>(n)];
            pass.winograd::<W>(&cx, &u, y, &mut work);
        });
        case.check_weight_gradient(&name, tolerance, |pass, dw, db| {
            let mut work = vec![f32::NAN; shape.winograd_weight_gradient_work::<W>(n)];
            pass.winograd::<W>(&cx, dw, db, &mut work);
        });
        case.check_weight_gradient(&name, tolerance, |pass, dw, db| {
            let mut work = vec![f32::NAN; shape.winograd_weight_gradient_work::<W>(n)];
            WeightGradient::winograd_of::<W>(&parts(pass), &cx, dw, db, &mut work);
        });
        if !shape.needs_phases() {
            let mut u = vec![f32::NAN; shape.winograd_transposed_len::<W>()];
            shape.winograd_transposed::<W>(&cx, &weights, &mut u);
            case.check_input_gradient(&name, tolerance, |pass, dx| {
                let mut work = vec![f32::NAN; shape.winograd_input_gradient_work::<W>(n)];
                pass.winograd::<W>(&cx, &u, dx, &mut work);
            });
        }
    }
}

/// A pass in two: of its first image, and of the others.
fn parts<'a>(pass: &WeightGradient<'a>) -> [WeightGradient<'a>; 2] {
    let WeightGradient { shape, n, x, dy } = *pass;
    let (first, others) = dy.split_at(shape.output_len());
    let x = match x {
        Source::Images(images) => [Source::Images(&images[..1]), Source::Images(&images[1..])],
        Source::Activations(x) => {
            let (first, others) = x.split_at(shape.input_len());
            [Source::Activations(first), Source::Activations(others)]
        }
    };
    [
        WeightGradient { shape, n: 1, x: x[0], dy: first },
        WeightGradient { shape, n: n - 1, x: x[1], dy: others },
    ]
}

use Order::{ChannelsLast, Planar};

#[test]
fn kernels_of_three_agree_with_the_reference() {
    let same = Window::square(3, 1, 1);
    check::<Square<F2x3, 2, 3, 4>>(4e-6, 2, (5, 7), (8, 6), same, ChannelsLast);
    check::<FiveAndThree>(1e-5, 1, (16, 32), (9, 9), Window::square(3, 1, 0), ChannelsLast);
    check::<Four>(1e-5, 3, (20, 40), (13, 12), same, ChannelsLast);
    check::<Four>(1e-5, 2, (3, 16), (13, 9), same, Planar);
    // Several passes, over which the sums for the bias are added up.
    let wide = Window::square(3, 1, 2);
    check::<Square<F2x3, 2, 3, 4>>(4e-6, 15, (16, 10), (5, 5), wide, ChannelsLast);
    check::<SixAndOne>(3e-5, 15, (16, 10), (5, 5), wide, ChannelsLast);
}

#[test]
fn outputs_at_the_end_may_be_left_out() {
    let case = |channels, input, window, order| Case::new(2, channels, input, window, order);
    let same = Window::square(3, 1, 1);
    for cut in [(1, 1), (3, 2), (12, 9)] {
        let whole = case((20, 40), (13, 12), same, ChannelsLast);
        check_case::<Four>(1e-5, &whole.cropped(cut));
        let strided = case((3, 20), (43, 35), Window::square(11, 4, 0), Planar);
        check_case::<SixAndOne>(3e-5, &strided.cropped(cut));
        let summed = case((10, 16), (29, 25), Window::square(5, 2, 2), ChannelsLast);
        check_case::<Square<F2x3, 2, 3, 4>>(1e-5, &summed.cropped(cut));
    }
    let whole = case((17, 20), (11, 15), Window::square(5, 1, 2), ChannelsLast);
    check_case::<FourAndTwo>(3e-5, &whole.cropped((1, 1)));
}

#[test]
fn tiles_with_a_point_of_one_give_the_bias_gradient() {
    assert!(Square::<F2x3, 2, 3, 4>::SUM.is_some());
    assert!(FourAndTwo::SUM.is_none(), "smaller tiles do without 1");
    assert!(Four::SUM.is_none(), "1 is none of its points");
}

#[test]
fn larger_and_rectangular_kernels_agree_with_the_reference() {
    let same = Window::square(5, 1, 2);
    check::<FourAndTwo>(3e-5, 2, (32, 20), (10, 7), same, ChannelsLast);
    check::<FourAndTwo>(3e-5, 1, (3, 16), (9, 9), same, Planar);
    check::<Square<F2x7, 2, 7, 8>>(
        5e-5,
        1,
        (16, 16),
        (11, 9),
        Window::square(7, 1, 3),
        ChannelsLast,
    );
    let flat = Window { kernel: (3, 5), stride: (1, 1), padding: (1, 0) };
    check::<Tiles<F2x3, F2x5, 2, 3, 4, 2, 5, 6>>(1e-5, 2, (17, 16), (9, 13), flat, ChannelsLast);
}

/// Tiles of M outputs of which the last along both axes has N.
type Edged<F, E, const M: usize, const N: usize, const R: usize, const T: usize, const U: usize> =
    Ragged<
        Square<F, M, R, T>,
        Tiles<F, E, M, R, T, N, R, U>,
        Tiles<E, F, N, R, U, M, R, T>,
        Square<E, N, R, U>,
    >;
pub(in crate::ops::conv) type Four = Square<F4x3, 4, 3, 6>;
pub(in crate::ops::conv) type FourAndTwo = Edged<F4x5With2, F2x5With4, 4, 2, 5, 8, 6>;
pub(in crate::ops::conv) type FiveAndThree = Edged<F5x3With3, F3x3With5, 5, 3, 3, 7, 5>;
pub(in crate::ops::conv) type SixAndOne = Edged<F6x3With1, F1x3With6, 6, 1, 3, 8, 3>;

#[test]
fn smaller_tiles_at_the_edges_agree_with_the_reference() {
    let same = Window::square(5, 1, 2);
    check::<FourAndTwo>(3e-5, 2, (17, 20), (10, 14), same, ChannelsLast);
    // The last tile of a row has one output of its two, there is none to a column.
    check::<FourAndTwo>(3e-5, 3, (16, 40), (8, 9), same, ChannelsLast);
    // Three are left, more than a smaller tile has.
    check::<FourAndTwo>(3e-5, 1, (5, 16), (11, 10), same, ChannelsLast);
    // Nothing but smaller tiles.
    check::<FourAndTwo>(3e-5, 2, (5, 16), (2, 1), same, ChannelsLast);
    let same = Window::square(3, 1, 1);
    check::<FiveAndThree>(3e-5, 5, (32, 48), (13, 13), same, ChannelsLast);
    check::<SixAndOne>(3e-5, 2, (20, 16), (13, 7), same, Planar);
    let strided = Window::square(11, 4, 0);
    check::<FiveAndThree>(3e-5, 2, (3, 16), (39, 59), strided, Planar);
    type OfRows = Ragged<
        Tiles<F5x3With3, F2x3, 5, 3, 7, 2, 3, 4>,
        Tiles<F5x3With3, F2x3, 5, 3, 7, 2, 3, 4>,
        Tiles<F3x3With5, F2x3, 3, 3, 5, 2, 3, 4>,
        Tiles<F3x3With5, F2x3, 3, 3, 5, 2, 3, 4>,
    >;
    check::<OfRows>(1e-5, 2, (17, 16), (8, 13), same, ChannelsLast);
}

#[test]
fn strides_are_taken_apart_into_phases() {
    check::<SixAndOne>(3e-5, 2, (1, 20), (43, 35), Window::square(11, 4, 0), Planar);
    check::<Four>(1e-5, 1, (3, 16), (30, 27), Window::square(5, 2, 2), Planar);
    check::<Square<F2x3, 2, 3, 4>>(
        1e-5,
        2,
        (10, 16),
        (15, 16),
        Window::square(5, 2, 1),
        ChannelsLast,
    );
}

/// Panels that two threads have equally many of, and not; groups that end within a thread's panels; tiles that are
/// cheap enough for each of two threads to transform all.
#[test]
#[cfg(feature = "parallel")]
fn any_number_of_threads_gives_the_same_bits() {
    let cheap = [(1, (16, 64)), (1, (10, 96))];
    for (n, channels) in
        cheap.into_iter().chain([(1, (96, 64)), (3, (64, 96)), (2, (110, 176)), (2, (70, 48))])
    {
        let window = Window::square(3, 1, 1);
        let case = Case::new(n, channels, (13, 13), window, ChannelsLast);
        let (shape, weights) = (&case.shape, case.weights());
        for isa in Isa::available() {
            let passes = |threads: usize| {
                let cx = Context::with_threads(isa, threads);
                let mut u = vec![f32::NAN; shape.winograd_weights_len::<SixAndOne>()];
                shape.winograd_weights::<SixAndOne>(&cx, &weights, &mut u);
                let y = case.forward(true, |pass, y| {
                    let mut work = vec![f32::NAN; shape.winograd_work::<SixAndOne>(n)];
                    pass.winograd::<SixAndOne>(&cx, &u, y, &mut work);
                });
                let dw = case.weight_gradient(|pass, dw, db| {
                    let mut work =
                        vec![f32::NAN; shape.winograd_weight_gradient_work::<SixAndOne>(n)];
                    pass.winograd::<SixAndOne>(&cx, dw, db, &mut work);
                });
                let mut u = vec![f32::NAN; shape.winograd_transposed_len::<SixAndOne>()];
                shape.winograd_transposed::<SixAndOne>(&cx, &weights, &mut u);
                let dx = case.input_gradient(true, |pass, dx| {
                    let mut work =
                        vec![f32::NAN; shape.winograd_input_gradient_work::<SixAndOne>(n)];
                    pass.winograd::<SixAndOne>(&cx, &u, dx, &mut work);
                });
                [y.data, dw, dx.data]
            };
            let alone = passes(1);
            assert!(alone.iter().flatten().all(|x| x.is_finite()));
            for threads in [2, 3, 7] {
                assert!(passes(threads) == alone, "{} on {threads} threads", isa.name());
            }
        }
    }
}

#[test]
fn work_space_for_one_image_suffices_as_a_share_for_each_of_several() {
    for size in [5, 7, 8, 13, 26] {
        let window = (3, 3);
        let shape = ConvShape::new((9, 20), (size, size), window, (1, 1), (1, 1), ChannelsLast);
        let (one, two) =
            (shape.winograd_work::<Square<F2x3, 2, 3, 4>>(1), shape.winograd_work::<Four>(1));
        for n in 2..40 {
            assert!(shape.winograd_work::<Square<F2x3, 2, 3, 4>>(n) <= n * one, "{size}, {n}");
            assert!(shape.winograd_work::<Four>(n) <= n * two, "{size}, {n}");
        }
    }
}

#[test]
fn work_space_for_a_group_of_images_suffices_for_fewer() {
    for size in [3, 5, 7, 8, 13, 26] {
        let shape = ConvShape::new((9, 40), (size, size), (3, 3), (1, 1), (1, 1), ChannelsLast);
        let work = |n: usize| {
            [
                shape.winograd_work::<Four>(n),
                shape.winograd_input_gradient_work::<Four>(n),
                shape.winograd_weight_gradient_work::<Four>(n),
            ]
        };
        for n in 1..64 {
            let (fewer, more) = (work(n), work(n + 1));
            assert!(fewer.iter().zip(more).all(|(&fewer, more)| fewer <= more), "{size}, {n}");
        }
    }
}

/// Its activations could be addressed, so that it has a geometry; with 16 points to 4 outputs its
/// transformed tiles could not.
#[test]
#[should_panic(expected = "the transformed tiles of a convolution can be addressed")]
fn tiles_that_could_not_be_addressed_are_refused() {
    let size = 1 << (usize::BITS / 2 - 4);
    let shape = ConvShape::new((16, 16), (size, size), (3, 3), (1, 1), (1, 1), Order::ChannelsLast);
    let _ = shape.winograd_work::<Tiles<F2x3, F2x3, 2, 3, 4, 2, 3, 4>>(0);
}
