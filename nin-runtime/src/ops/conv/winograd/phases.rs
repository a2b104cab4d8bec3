//! The first stage of strided convolutions and of those that read images: space to depth.

use super::phase_kernel;
use crate::ops::conv::ConvShape;
use crate::simd::padded;
use crate::{Context, DisjointMut, Order};

/// Takes the stride of an image's input apart: pixel (y, x), channel (c, i, j) of the result is
/// pixel (s·y + i, s·x + j), channel c of the padded input.
pub(super) fn rearrange(cx: &Context, shape: &ConvShape, x: &[f32], to: &mut [f32]) {
    let (kh, kw) = phase_kernel(shape);
    let (h, w) = (shape.output().0 + kh - 1, shape.output().1 + kw - 1);
    let channels = padded(shape.ci * shape.stride.0 * shape.stride.1);
    assert_eq!(to.len(), h * w * channels);
    let to = DisjointMut::new(to);
    // Values are moved a few at a time.
    cx.for_each(h, 8 * h * w * channels, |y| {
        // SAFETY: each task has its own row.
        let to = unsafe { to.part(y * w * channels..(y + 1) * w * channels) };
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

/// One input row of one channel: `stride` neighbours become neighbouring channels.
fn rearrange_row(
    shape: &ConvShape,
    x: &[f32],
    (c, row): (usize, usize),
    channels: usize,
    to: &mut [f32],
) {
    let (width, stride) = (shape.input.1, shape.stride.1);
    let (start, step) = match shape.order {
        Order::Planar => ((c * shape.input.0 + row) * width, 1),
        Order::ChannelsLast => (row * width * padded(shape.ci) + c, padded(shape.ci)),
    };
    for (p, to) in to.chunks_mut(channels).enumerate() {
        let from = (p * stride).wrapping_sub(shape.padding.1);
        if step == 1 && from < width && from + stride <= width {
            copy_short(&x[start + from..][..stride], &mut to[..stride]);
            continue;
        }
        for (j, to) in to[..stride].iter_mut().enumerate() {
            let column = from.wrapping_add(j);
            if column < width {
                *to = x[start + column * step];
            }
        }
    }
}

/// Copies a few values; for the usual strides without a call.
#[inline(always)]
fn copy_short(from: &[f32], to: &mut [f32]) {
    match from.len() {
        1 => to[0] = from[0],
        2 => to[..2].copy_from_slice(&from[..2]),
        4 => to[..4].copy_from_slice(&from[..4]),
        _ => to.copy_from_slice(from),
    }
}
