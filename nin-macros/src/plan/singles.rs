//! Which layers training takes a lane's images through one at a time, rather than all together.
//!
//! Where an image's activations are large, those of a lane leave the caches before the next layer reads
//! them. Neighbouring layers that compute few images as well as many then see one image after the other,
//! and the gradients between them are needed for an image at a time only.

use super::{ConvChoice, Method, len};
use crate::net::{Layer, Op};

/// Elements of an image's activations from which on it pays: 256 KiB, so that a lane does not fit the
/// second cache.
const LARGE: usize = 1 << 16;

/// For each layer, whether single images go through it and its neighbours.
#[derive(Clone, Debug)]
pub(super) struct Singles {
    pub(super) forward: Vec<bool>,
    pub(super) backward: Vec<bool>,
}

impl Singles {
    pub(super) fn new(layers: &[Layer], convs: &[Option<ConvChoice>]) -> Self {
        let all = |can: fn(&ConvChoice) -> bool| -> Vec<bool> {
            let goes = |(layer, conv): (&Layer, &Option<ConvChoice>)| {
                let large = len(layer.input).max(len(layer.output)) >= LARGE;
                let pool = matches!(layer.op, Op::MaxPool { .. } | Op::AvgPool { .. });
                large && (pool || conv.as_ref().is_some_and(can))
            };
            layers.iter().zip(convs).map(goes).collect()
        };
        Self { forward: without_lone(&all(forward)), backward: all(backward) }
    }

    /// Whether the gradient that layer `from` writes and layer `to` reads is needed for an image at a time.
    pub(super) fn is_between(&self, from: usize, to: usize) -> bool {
        from == to + 1 && self.backward[from] && self.backward[to]
    }

    /// The first and the last of the layers that go backward together with layer `i`.
    pub(super) fn run(&self, i: usize) -> (usize, usize) {
        if !self.backward[i] {
            return (i, i);
        }
        let before = self.backward[..i].iter().rev().take_while(|singly| **singly).count();
        let after = self.backward[i + 1..].iter().take_while(|singly| **singly).count();
        (i - before, i + after)
    }
}

/// One layer alone gains nothing.
fn without_lone(all: &[bool]) -> Vec<bool> {
    let at = |i: Option<usize>| i.and_then(|i| all.get(i)).is_some_and(|singly| *singly);
    (0..all.len()).map(|i| all[i] && (at(i.checked_sub(1)) || at(Some(i + 1)))).collect()
}

fn forward(conv: &ConvChoice) -> bool {
    match conv.forward {
        Method::Direct | Method::Rowwise(_) | Method::Sparse => true,
        Method::Winograd(tile) => conv.geometry.forward_problem(tile).images_per_pass(2) == 1,
    }
}

/// Winograd's weight gradient sums over images before it transforms back.
fn backward(conv: &ConvChoice) -> bool {
    let by_image = |method: Method| matches!(method, Method::Direct | Method::Sparse);
    by_image(conv.weight_gradient) && (by_image(conv.input_gradient) || !conv.has_input_gradient)
}
