//! Transposed weights for the gradient of the input.

use super::ConvShape;
use crate::simd::{Element, PANEL, padded};
use crate::{Context, DisjointMut, Order};

/// The taps of one axis that reach the input pixels `phase`, `phase + stride`, … of that axis.
///
/// Input pixel `phase + stride·u` gets, from output pixel `u + base − t`, the tap
/// `first + stride·t`, for each `t < count`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Phase {
    pub(super) first: usize,
    pub(super) count: usize,
    pub(super) base: usize,
}

impl Phase {
    pub(super) const fn new(phase: usize, kernel: usize, stride: usize, padding: usize) -> Self {
        let first = (phase + padding) % stride;
        let count = if kernel > first { (kernel - first).div_ceil(stride) } else { 0 };
        Self { first, count, base: (phase + padding) / stride }
    }
}

impl ConvShape {
    /// The taps along both axes of a phase, counted row by row.
    pub(super) const fn phase(&self, row: usize, column: usize) -> (Phase, Phase) {
        (
            Phase::new(row, self.kernel.0, self.stride.0, self.padding.0),
            Phase::new(column, self.kernel.1, self.stride.1, self.padding.1),
        )
    }

    /// Elements of the weights that [`transpose_weights`](Self::transpose_weights) writes.
    #[must_use]
    pub const fn transposed_len(&self) -> usize {
        padded(self.ci) * self.kernel.0 * self.kernel.1 * self.co
    }

    /// Rearranges weights for [`InputGradient::direct`](super::InputGradient::direct): for each phase
    /// of the stride, `[ci / PANEL][taps, last first][co][PANEL]`.
    ///
    /// # Panics
    /// If a slice has another length, or the weights are those of a planar image.
    pub fn transpose_weights<T: Element>(
        &self,
        cx: &Context,
        weights: &[T],
        transposed: &mut [f32],
    ) {
        assert_eq!(self.order, Order::ChannelsLast, "images need no gradient");
        assert_eq!(weights.len(), self.weights_len(), "weights of {self:?}");
        assert_eq!(transposed.len(), self.transposed_len(), "transposed weights of {self:?}");
        let mut rest = transposed;
        for phase in 0..self.stride.0 * self.stride.1 {
            let taps = self.phase(phase / self.stride.1, phase % self.stride.1);
            let panel = taps.0.count * taps.1.count * self.co * PANEL;
            let (this, after) = rest.split_at_mut(padded(self.ci) / PANEL * panel);
            rest = after;
            self.transpose_phase(cx, weights, taps, this);
        }
    }

    fn transpose_phase<T: Element>(
        &self,
        cx: &Context,
        w: &[T],
        taps: (Phase, Phase),
        to: &mut [f32],
    ) {
        let (rows, columns) = taps;
        let panels = padded(self.ci) / PANEL;
        let panel = to.len() / panels;
        let (work, to) = (to.len(), DisjointMut::new(to));
        cx.for_each(if panel == 0 { 0 } else { panels }, work, |p| {
            // SAFETY: each task has its own panel.
            let to = unsafe { to.part(p * panel..(p + 1) * panel) };
            let channels = (self.ci - p * PANEL).min(PANEL);
            for (tap, to) in to.chunks_exact_mut(self.co * PANEL).enumerate() {
                let (y, x) = (tap / columns.count, tap % columns.count);
                let y = rows.first + (rows.count - 1 - y) * self.stride.0;
                let x = columns.first + (columns.count - 1 - x) * self.stride.1;
                let first = (y * self.kernel.1 + x) * self.ci + p * PANEL;
                for (o, to) in to.chunks_exact_mut(PANEL).enumerate() {
                    let from = (o / PANEL * self.depth() + first) * PANEL + o % PANEL;
                    for (i, to) in to.iter_mut().enumerate() {
                        *to = if i < channels { w[from + i * PANEL].to_f32() } else { 0.0 };
                    }
                }
            }
        });
    }
}
