//! The first stage of strided convolutions and of those that read images: space to depth.

use super::phase_kernel;
use crate::ops::conv::ConvShape;
use crate::simd::{Kernel, LINE, Simd, padded};
use crate::{Context, DisjointMut, Order};

/// Takes the stride of an image's input apart: pixel (y, x), channel (c, i, j) of the result is
/// pixel (s·y + i, s·x + j), channel c of the padded input.
pub(super) fn rearrange(cx: &Context, shape: &ConvShape, x: &[f32], to: &mut [f32]) {
    /// Rows of the result for which the input is asked ahead: it may come from memory, a page at a time.
    const AHEAD: usize = 3;
    let (kh, kw) = phase_kernel(shape);
    let (h, w) = (shape.output().0 + kh - 1, shape.output().1 + kw - 1);
    let channels = padded(shape.ci * shape.stride.0 * shape.stride.1);
    assert_eq!(to.len(), h * w * channels);
    let to = DisjointMut::new(to);
    let plane = x.len() / shape.planes();
    let rows_of = |y: usize| {
        let row =
            |y: usize| (shape.stride.0 * y).saturating_sub(shape.padding.0).min(shape.input.0);
        let len = plane / shape.input.0;
        row(y) * len..row(y + 1) * len
    };
    // Values are moved a few at a time.
    cx.for_each(h, 8 * h * w * channels, |y| {
        // SAFETY: each task has its own row.
        let to = unsafe { to.part(y * w * channels..(y + 1) * w * channels) };
        for plane in x.chunks_exact(plane) {
            cx.isa().run(Ask(&plane[rows_of(y + AHEAD)]));
        }
        to.fill(0.0);
        for c in 0..shape.ci {
            for i in 0..shape.stride.0 {
                let row = (shape.stride.0 * y + i).wrapping_sub(shape.padding.0);
                if row < shape.input.0 {
                    let first = (c * shape.stride.0 + i) * shape.stride.1;
                    rearrange_row(shape, x, (c, row), channels, &mut to[first..]);
                }
            }
        }
    });
}

/// Brings values nearer that will be read.
struct Ask<'a>(&'a [f32]);

impl Kernel for Ask<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.0.chunks(LINE).for_each(|line| s.prefetch(line.as_ptr()));
    }
}

/// One input row of one channel: `stride` neighbours become neighbouring channels.
fn rearrange_row(
    shape: &ConvShape,
    x: &[f32],
    (c, row): (usize, usize),
    channels: usize,
    to: &mut [f32],
) {
    let (width, stride, padding) = (shape.input.1, shape.stride.1, shape.padding.1);
    let (start, step) = match shape.order {
        Order::Planar => ((c * shape.input.0 + row) * width, 1),
        Order::ChannelsLast => (row * width * padded(shape.ci) + c, padded(shape.ci)),
    };
    let pixels = to.len().div_ceil(channels);
    // Pixels whose neighbours all lie in the image, one behind another: they need no tests.
    let first = padding.div_ceil(stride).min(pixels);
    let inside = match step {
        1 => ((width + padding) / stride).clamp(first, pixels) - first,
        _ => 0,
    };
    for p in (0..first).chain(first + inside..pixels) {
        for (j, to) in to[p * channels..][..stride].iter_mut().enumerate() {
            let column = (p * stride + j).wrapping_sub(padding);
            if column < width {
                *to = x[start + column * step];
            }
        }
    }
    if inside > 0 {
        let from = &x[start + first * stride - padding..][..inside * stride];
        copy_apart(from, stride, &mut to[first * channels..], channels);
    }
}

/// Copies `stride` values at a time to places that are `apart` elements apart; for the usual strides without a call.
fn copy_apart(from: &[f32], stride: usize, to: &mut [f32], apart: usize) {
    macro_rules! by_stride {
        ($($stride:literal)*) => {
            match stride {
                $($stride => {
                    let (from, _) = from.as_chunks::<$stride>();
                    for (from, to) in from.iter().zip(to.chunks_mut(apart)) {
                        to[..$stride].copy_from_slice(from);
                    }
                })*
                _ => {
                    for (from, to) in from.chunks_exact(stride).zip(to.chunks_mut(apart)) {
                        to[..stride].copy_from_slice(from);
                    }
                }
            }
        };
    }
    by_stride!(1 2 3 4);
}
