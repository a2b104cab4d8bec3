//! Through which layers inference takes one image at a time.
//!
//! Layers of large images gain nothing from more of them: their products are long enough, and activations of
//! several images leave the caches before the next layer reads them. Layers of small images share the reading of
//! weights, so that images go through those together.

use super::{ConvChoice, Method, TOGETHER, len};
use crate::net::{Layer, Op};

/// Pixels from which on a product by direct sums takes as long as reading its weights does not matter.
const PIXELS: usize = 256;

/// Elements of an image's activations from which on those of several take half of the second cache: 64 KiB.
const LARGE: usize = 1 << 14;

/// How many of the first layers see one image at a time.
pub(super) fn alone(layers: &[Layer], convs: &[Option<ConvChoice>]) -> usize {
    if !matches!(layers[0].op, Op::Conv { .. }) {
        return 0;
    }
    let sees_one = |(layer, conv): (&Layer, &Option<ConvChoice>)| match conv {
        Some(conv) => conv.gains_nothing_from_more(),
        None => !matches!(layer.op, Op::GlobalAvgPool),
    };
    let count = layers.iter().zip(convs).take_while(|&layer| sees_one(layer)).count();
    if layers[..count].iter().any(|layer| len(layer.output) >= LARGE) { count } else { 0 }
}

impl ConvChoice {
    fn gains_nothing_from_more(&self) -> bool {
        let (h, w) = self.geometry.output;
        match self.forward {
            Method::Direct | Method::Rowwise(_) | Method::Sparse => h * w >= PIXELS,
            Method::Winograd(tile) => {
                self.geometry.forward_problem(tile).images_per_pass(TOGETHER) == 1
            }
        }
    }
}
