//! The weights' transforms: forward, turned for the input's gradient, and back for their own.

use super::tile::{Grid, MAX_POINTS, Tile};
use super::{Group, Problem, phase_kernel, spread};
use crate::ops::conv::ConvShape;
use crate::simd::{CacheLineAligned, Kernel, LINE, PANEL, Simd};
use crate::{Context, DisjointMut, Order};
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ops::Range;

impl ConvShape {
    /// The place, in a panel of the arena, of tap (y, x) of channel `c` of the convolution that is left after
    /// the stride was taken apart; nothing where the kernel does not reach.
    #[inline(always)]
    fn phase_tap(&self, c: usize, y: usize, x: usize) -> Option<usize> {
        let (sh, sw) = self.stride;
        let y = sh * y + c / sw % sh;
        let x = sw * x + c % sw;
        let c = c / (sh * sw);
        let (kh, kw) = self.kernel;
        let tap = match self.order {
            Order::Planar => (c * kh + y) * kw + x,
            Order::ChannelsLast => (y * kw + x) * self.ci + c,
        };
        (y < kh && x < kw).then_some(tap * PANEL)
    }

    /// Transforms the weights in the arena for the forward pass: for each group of panels
    /// `[points][panels][ci][PANEL]`.
    ///
    /// # Panics
    /// If a slice has another length than
    /// [`winograd_weights_len`](Self::winograd_weights_len).
    pub fn winograd_weights<W: Tile>(
        &self,
        cx: &Context,
        weights: &[f32],
        transformed: &mut [f32],
    ) {
        assert_eq!(weights.len(), self.weights_len(), "weights of {self:?}");
        let problem = Problem::forward::<W>(self);
        let panel = self.depth() * PANEL;
        transform::<W, _>(cx, self, &problem, transformed, |p| Straight {
            shape: self,
            panel: &weights[p * panel..(p + 1) * panel],
        });
    }

    /// Transforms the weights for the input's gradient, turned by 180 degrees:
    /// for each group of panels `[points][panels][co][PANEL]`.
    ///
    /// # Panics
    /// If a slice has another length than
    /// [`winograd_transposed_len`](Self::winograd_transposed_len).
    pub fn winograd_transposed<W: Tile>(
        &self,
        cx: &Context,
        weights: &[f32],
        transformed: &mut [f32],
    ) {
        assert_eq!(weights.len(), self.weights_len(), "weights of {self:?}");
        let problem = Problem::input_gradient::<W>(self);
        transform::<W, _>(cx, self, &problem, transformed, |p| Turned {
            shape: self,
            weights,
            first: p * PANEL,
        });
    }
}

/// Transforms the weights of each panel, whose taps `taps` gives.
fn transform<W: Tile, T: Taps>(
    cx: &Context,
    shape: &ConvShape,
    problem: &Problem,
    transformed: &mut [f32],
    taps: impl Fn(usize) -> T + Sync,
) {
    assert_eq!(transformed.len(), problem.weight_points(), "transformed weights of {shape:?}");
    let work = 4 * transformed.len();
    let past_caches = go_past_caches(transformed);
    let to = DisjointMut::new(transformed);
    cx.for_each(problem.panels(), work, |p| {
        let (start, point) = problem.panel(p);
        cx.isa().run(Panel::<W, _> {
            channels: problem.ci,
            taps: taps(p),
            // SAFETY: the panel's place at the first point.
            to: unsafe { to.as_mut_ptr().add(start) },
            point,
            past_caches,
            tile: PhantomData,
        });
    });
}

/// Whether transformed weights are so many that caches would not hold them until they are read. Stores that go
/// past the caches spare those what is in them, and memory a read for each write, but want whole cache lines.
fn go_past_caches(transformed: &[f32]) -> bool {
    /// 4 MiB; tests go both ways.
    const MANY: usize = if cfg!(test) { 1 << 13 } else { 1 << 20 };
    transformed.len() >= MANY && transformed.as_ptr().cast::<CacheLineAligned>().is_aligned()
}

/// Where a panel's taps come from.
trait Taps {
    /// Sixteen values of tap (y, x) for input channel `c` of the problem.
    fn get(&self, c: usize, y: usize, x: usize) -> [f32; PANEL];
}

/// The forward pass's weights.
struct Straight<'a> {
    shape: &'a ConvShape,
    panel: &'a [f32],
}

impl Taps for Straight<'_> {
    #[inline(always)]
    fn get(&self, c: usize, y: usize, x: usize) -> [f32; PANEL] {
        let mut values = [0.0; PANEL];
        if let Some(tap) = self.shape.phase_tap(c, y, x) {
            values.copy_from_slice(&self.panel[tap..tap + PANEL]);
        }
        values
    }
}

/// Weights with input and output channels exchanged, last tap first.
struct Turned<'a> {
    shape: &'a ConvShape,
    weights: &'a [f32],
    /// The first of the sixteen input channels.
    first: usize,
}

impl Taps for Turned<'_> {
    #[inline(always)]
    fn get(&self, o: usize, y: usize, x: usize) -> [f32; PANEL] {
        let shape = self.shape;
        let (kh, kw) = shape.kernel;
        let tap = ((kh - 1 - y) * kw + kw - 1 - x) * shape.ci + self.first;
        let start = (o / PANEL * shape.depth() + tap) * PANEL + o % PANEL;
        let mut values = [0.0; PANEL];
        let from = self.weights[start..].iter().step_by(PANEL);
        for (value, &weight) in values.iter_mut().zip(from.take(shape.ci - self.first)) {
            *value = weight;
        }
        values
    }
}

/// The transformed weights of one panel of output channels.
struct Panel<W, T> {
    channels: usize,
    taps: T,
    to: *mut f32,
    /// Elements between points.
    point: usize,
    past_caches: bool,
    tile: PhantomData<W>,
}

impl<W: Tile, T: Taps> Kernel for Panel<W, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        /// Channels ahead whose lines are asked for: a line at each point is more streams than a processor
        /// follows by itself.
        const AHEAD: usize = 4;
        let (rows, columns) = W::KERNEL;
        let points = W::TILE.0 * W::TILE.1;
        debug_assert!(
            !self.past_caches
                || self.to.cast::<CacheLineAligned>().is_aligned()
                    && self.point.is_multiple_of(LINE)
        );
        // Every channel writes all of its taps, and all of its points if they are gathered first.
        let mut kernel = [[0.0; PANEL]; MAX_POINTS];
        let mut gathered = MaybeUninit::<[[f32; PANEL]; MAX_POINTS]>::uninit();
        let gathered = gathered.as_mut_ptr().cast::<f32>();
        for c in 0..self.channels {
            if !self.past_caches {
                let next = self.to.wrapping_add((c + AHEAD) * PANEL);
                for point in 0..points {
                    s.prefetch_to_write(next.wrapping_add(point * self.point));
                }
            }
            for y in 0..rows {
                for x in 0..columns {
                    kernel[y * columns + x] = self.taps.get(c, y, x);
                }
            }
            for lane in (0..PANEL).step_by(S::LANES) {
                // SAFETY: the arrays hold all taps and all points, and the callers hold `to` to all points.
                unsafe {
                    let start = kernel.as_ptr().cast::<f32>().add(lane);
                    let w = Grid { start, row: columns * PANEL, column: PANEL };
                    let (start, point) = match self.past_caches {
                        true => (gathered, PANEL),
                        false => (self.to.add(c * PANEL), self.point),
                    };
                    let u = Grid { start: start.add(lane), row: W::TILE.1 * point, column: point };
                    W::weight(s, w, u);
                }
            }
            if self.past_caches {
                for point in 0..points {
                    for lane in (0..PANEL).step_by(S::LANES) {
                        // SAFETY: the transform wrote all points, and the callers hold `to` to as many, each of
                        // whole cache lines.
                        unsafe {
                            let value = s.load(gathered.add(point * PANEL + lane));
                            let to = self.to.add(point * self.point + c * PANEL + lane);
                            s.store_past_caches(to, value);
                        }
                    }
                }
            }
        }
        if self.past_caches {
            s.finish_stores();
        }
    }
}

/// Adds the gradient of a group's weights, from that of the transformed ones, to its panels `dw`.
pub(super) fn add_gradient<W: Tile>(
    cx: &Context,
    shape: &ConvShape,
    (problem, group): (&Problem, Group),
    du: &[f32],
    dw: &mut [f32],
) {
    assert_eq!(du.len(), problem.group_points(group.panels));
    let panel = shape.depth() * PANEL;
    assert_eq!(dw.len(), group.panels * panel);
    let dw = DisjointMut::new(dw);
    // A task is a panel, or some of its channels where there are more threads than panels.
    let shares = cx.threads().div_ceil(group.panels);
    let share = problem.ci.div_ceil(shares);
    cx.for_each(group.panels * shares, 4 * du.len(), |task| {
        let (p, first) = (task / shares, task % shares * share);
        cx.isa().run(PanelGradient::<W> {
            shape,
            channels: first.min(problem.ci)..(first + share).min(problem.ci),
            du: &du[p * problem.ci * PANEL..],
            point: spread(group.channels() * problem.ci),
            // SAFETY: the panel's place; `dw` was held to its length.
            dw: unsafe { dw.as_mut_ptr().add(p * panel) },
            tile: PhantomData,
        });
    });
}

/// The gradient of some input channels' weights in a panel of output channels.
struct PanelGradient<'a, W> {
    shape: &'a ConvShape,
    channels: Range<usize>,
    du: &'a [f32],
    point: usize,
    dw: *mut f32,
    tile: PhantomData<W>,
}

impl<W: Tile> Kernel for PanelGradient<'_, W> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        /// How many channels before its own a channel's weights are asked for: taps are more streams than a
        /// processor follows.
        const SOON: usize = 4;
        let (rows, columns) = phase_kernel(self.shape);
        let mut kernel = [s.splat(0.0); MAX_POINTS];
        for c in self.channels {
            for lane in (0..PANEL).step_by(S::LANES) {
                // SAFETY: `add_gradient` holds `du` to all points of the group; the kernel has room
                // for all taps.
                unsafe {
                    let start = self.du.as_ptr().add(c * PANEL + lane);
                    let du = Grid { start, row: W::TILE.1 * self.point, column: self.point };
                    let start = kernel.as_mut_ptr().cast::<f32>();
                    let dw = Grid { start, row: columns * S::LANES, column: S::LANES };
                    W::weight_adjoint(s, du, dw);
                }
                for y in 0..rows {
                    for x in 0..columns {
                        if let Some(tap) = self.shape.phase_tap(c, y, x) {
                            let add = kernel[y * columns + x];
                            // SAFETY: a tap lies in the panel, and no other task has its channel.
                            unsafe {
                                let dw = self.dw.add(tap + lane);
                                s.prefetch_to_write(dw.wrapping_add(SOON * PANEL));
                                s.store(dw, s.load(dw) + add);
                            }
                        }
                    }
                }
            }
        }
    }
}
