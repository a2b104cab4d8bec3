//! The table of a net's parameters: PyTorch's names and shapes, and where each stands in the arena.

use crate::simd::PANEL;

/// One parameter tensor of a net.
///
/// The arena keeps weights in panels of [`PANEL`] output channels, which the kernels read from
/// front to back; files and PyTorch keep them as `(co, ci, kh, kw)`. [`index`](Self::index) maps one
/// to the other. Padding in the arena is zero and stays zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParamInfo {
    /// The name in PyTorch's `state_dict()`.
    pub name: &'static str,
    /// The shape in PyTorch: `[co, ci, kh, kw]` for a weight, `[co]` for a bias.
    pub shape: &'static [usize],
    /// The first element's place in the arena.
    pub offset: usize,
    /// The order of a weight inside a panel.
    pub order: Order,
}

/// The order of the taps inside one panel of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `[co / PANEL][kh][kw][ci][PANEL]`, for activations whose channels are the fastest axis.
    ChannelsLast,
    /// `[co / PANEL][ci][kh][kw][PANEL]`, for the planar image.
    Planar,
}

impl ParamInfo {
    /// Elements of the tensor as PyTorch counts them.
    #[must_use]
    pub const fn len(&self) -> usize {
        let mut len = 1;
        let mut i = 0;
        while i < self.shape.len() {
            len *= self.shape[i];
            i += 1;
        }
        len
    }

    /// Whether the tensor has no elements.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The place in the arena of the tensor's element `i`, counted in PyTorch's row-major order.
    #[must_use]
    pub const fn index(&self, i: usize) -> usize {
        let &[co, ci, kh, kw] = self.shape else { return self.offset + i };
        let _ = co;
        let (x, i) = (i % kw, i / kw);
        let (y, i) = (i % kh, i / kh);
        let (c, o) = (i % ci, i / ci);
        let tap = match self.order {
            Order::ChannelsLast => (y * kw + x) * ci + c,
            Order::Planar => (c * kh + y) * kw + x,
        };
        self.offset + ((o / PANEL) * kh * kw * ci + tap) * PANEL + o % PANEL
    }

    /// The places in the arena of all elements, in PyTorch's row-major order: [`index`](Self::index)
    /// of 0, 1, 2 … without its divisions.
    pub fn indices(&self) -> impl Iterator<Item = usize> + use<> {
        let (outputs, channels, taps) = match *self.shape {
            [co, ci, kh, kw] => (co, ci, kh * kw),
            _ => (self.len(), 1, 1),
        };
        let (per_channel, per_tap) = match self.order {
            Order::ChannelsLast => (PANEL, channels * PANEL),
            Order::Planar => (taps * PANEL, PANEL),
        };
        let offset = self.offset;
        (0..outputs).flat_map(move |o| {
            let lane = offset + (o / PANEL) * channels * taps * PANEL + o % PANEL;
            (0..channels).flat_map(move |c| {
                let channel = lane + c * per_channel;
                (0..taps).map(move |tap| channel + tap * per_tap)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_those_of_index() {
        let shapes: [&[usize]; 5] = [&[20], &[1], &[33, 3, 2, 5], &[16, 1, 1, 1], &[5, 17, 3, 3]];
        for shape in shapes {
            for order in [Order::ChannelsLast, Order::Planar] {
                let info = ParamInfo { name: "w", shape, offset: 7, order };
                let expected: alloc::vec::Vec<_> = (0..info.len()).map(|i| info.index(i)).collect();
                assert!(info.indices().eq(expected), "{info:?}");
            }
        }
    }
}
