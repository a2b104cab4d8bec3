//! The weights' gradient by direct sums, shared between tasks by weights.

use super::super::border::Border;
use super::super::{ConvShape, WeightGradient};
use super::{BLOCK, bordered, even_share};
use crate::gemm::{Ahead, Axis, Finish, Gemm, Output};
use crate::simd::{Element, Isa, PANEL, padded};
use crate::{Context, DisjointMut, Order};
use core::ops::Range;

impl<X: Element> WeightGradient<'_, X> {
    /// Adds the gradients of weights and bias, by direct sums, to `dw` and `db`, laid out as in the arena.
    ///
    /// # Panics
    /// If a slice does not have the length that the geometry says, `work` at least
    /// [`direct_weight_gradient_work`](ConvShape::direct_weight_gradient_work).
    pub fn direct(&self, cx: &Context, dw: &mut [f32], db: &mut [f32], work: &mut [f32]) {
        self.check(dw, db);
        let Self { shape, n, dy, .. } = *self;
        let border = shape.border();
        let x = bordered(cx, n, &border, self.x, work);
        let tasks = GradientTasks::new(shape, cx.threads());
        let sums = Sums { dw: DisjointMut::new(dw), db: DisjointMut::new(db) };
        // The pixels of all images of a pointwise layer are one matrix's rows.
        let (images, together) = if shape.is_pointwise() { (1, n) } else { (n, 1) };
        let (x_len, dy_len) = (together * border.len(), together * shape.output_len());
        cx.for_each(tasks.count(), n * shape.macs(), |task| {
            let part = tasks.part(task);
            for image in 0..images {
                let dy = &dy[image * dy_len..(image + 1) * dy_len];
                part.add(cx.isa(), shape, (x.image(image, x_len), &border), dy, &sums);
            }
        });
    }
}

/// What a weight gradient is added to.
struct Sums<'a> {
    dw: DisjointMut<'a, f32>,
    db: DisjointMut<'a, f32>,
}

/// How the weights' gradient is shared between tasks: by panels of output channels, by groups of taps,
/// and by input channels. Every weight belongs to one task, so no sum is divided.
struct GradientTasks {
    panels: Shares,
    groups: Shares,
    channels: Shares,
}

/// The weights of one task.
struct Part {
    panels: Range<usize>,
    groups: Range<usize>,
    channels: Range<usize>,
    /// Whether the bias of its panels belongs to it.
    has_bias: bool,
}

/// Taps that one product covers: `rows.0 × rows.1` of them, from tap `tap` on, whose values start
/// at `x` in the input. `pitch` taps lie between outer rows.
struct Taps {
    tap: usize,
    rows: (usize, usize),
    pitch: usize,
    x: usize,
    x_rows: (usize, usize),
}

/// `count` things in `len` equal shares, but for the last.
struct Shares {
    count: usize,
    share: usize,
    len: usize,
}

impl Shares {
    fn new(count: usize, most: usize) -> Self {
        let share = count.div_ceil(most);
        Self { count, share, len: count.div_ceil(share) }
    }

    /// Shares of whole triples. One thing that is left over belongs to the last of them, and two count as another.
    fn of_triples(count: usize, most: usize) -> Self {
        let triples = Self::new((count + 1) / 3, most);
        Self { count, share: 3 * triples.share, len: triples.len }
    }

    fn get(&self, i: usize) -> Range<usize> {
        let end = if i + 1 == self.len { self.count } else { (i + 1) * self.share };
        i * self.share..end
    }
}

/// Whether register tiles [turn back](Gemm::turns). The rows of four panels or fewer stay near anyway.
const fn turns(shape: &ConvShape) -> bool {
    shape.panels() > 4
}

impl GradientTasks {
    fn new(shape: &ConvShape, threads: usize) -> Self {
        let (groups, channels) = match shape.order {
            Order::Planar => (shape.ci, 1),
            Order::ChannelsLast => (shape.kernel.0, shape.ci),
        };
        // A task for each thread: more of them read the same pixels more often. One panel alone would make narrow
        // register tiles. Tiles that turn back are the same on any number of threads.
        let (panels, tasks) = (shape.panels(), threads);
        let panels = if turns(shape) {
            Shares::of_triples(panels, tasks)
        } else {
            let by_panels = (1..=tasks)
                .rev()
                .find(|&n| tasks.is_multiple_of(n) && panels.is_multiple_of(n) && panels / n >= 2);
            Shares::new(panels, by_panels.unwrap_or(1))
        };
        let groups = Shares::new(groups, common_divisor(groups, tasks / panels.len));
        let by_channels = if turns(shape) { 1 } else { tasks / panels.len / groups.len };
        Self { panels, groups, channels: Shares::new(channels, by_channels) }
    }

    fn count(&self) -> usize {
        self.panels.len * self.groups.len * self.channels.len
    }

    fn part(&self, task: usize) -> Part {
        let (task, channels) = (task / self.channels.len, task % self.channels.len);
        let (panels, groups) = (task / self.groups.len, task % self.groups.len);
        Part {
            panels: self.panels.get(panels),
            groups: self.groups.get(groups),
            channels: self.channels.get(channels),
            has_bias: groups == 0 && channels == 0,
        }
    }
}

const fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

impl Part {
    /// Adds what some pixels contribute to the weights of one task: for each block of pixels, which
    /// stays in the second cache, the products for all those weights.
    fn add(
        &self,
        isa: Isa,
        shape: &ConvShape,
        (x, border): (&[f32], &Border),
        dy: &[f32],
        sums: &Sums<'_>,
    ) {
        /// Elements of a block's operands, one of which should stay in the second cache: 1 MiB in all.
        const OPERANDS: usize = 4 * BLOCK;
        /// Fewest and most pixels of a block: the longer the sums, the less often they are stored and read again.
        const PIXELS: (usize, usize) = (256, 384);
        let (ci, co) = (padded(shape.ci), padded(shape.co));
        let columns = self.panels.start * PANEL..self.panels.end * PANEL;
        // A pointwise layer has no rows to keep apart: each pixel is one.
        let (rows, w, pitch) = if shape.is_pointwise() {
            (dy.len() / co, 1, ci)
        } else {
            (shape.output().0, shape.output().1, shape.stride.0 * border.pitch())
        };
        let pixels = (OPERANDS / (ci + co)).clamp(PIXELS.0, PIXELS.1);
        let most = (pixels / w).max(1);
        let block = even_share(rows, most, 1);
        for first in (0..rows).step_by(block) {
            let end = (first + block).min(rows);
            let next = end..(end + block).min(rows);
            let lines = Axis { count: end - first, a: pitch, b: w * co };
            let pixels = Axis { count: w, a: shape.stride.1 * shape.pixel(), b: co };
            let (x_start, dy_start) = (first * pitch, first * w * co);
            let sum =
                if w == 1 { [Axis::ONCE, Axis::ONCE, lines] } else { [Axis::ONCE, lines, pixels] };
            let mut ahead = if next.is_empty() {
                Ahead::NOTHING
            } else {
                // Strides that are larger than kernels may reach past the input.
                Ahead([
                    &x[next.start * pitch..(next.end * pitch).min(x.len())],
                    &dy[next.start * w * co..next.end * w * co],
                ])
            };
            for group in self.groups.clone() {
                let taps = self.taps(shape, border, group);
                let column_sums = if self.has_bias && group == self.groups.start {
                    // SAFETY: the offset is that of a panel of the bias.
                    unsafe { sums.db.as_mut_ptr().add(columns.start) }
                } else {
                    core::ptr::null_mut()
                };
                let gemm = Gemm {
                    rows: taps.rows,
                    panels: self.panels.len(),
                    sum,
                    a: x[x_start + taps.x..].as_ptr(),
                    a_rows: taps.x_rows,
                    b: dy[dy_start + columns.start..].as_ptr(),
                    b_panel: PANEL,
                    // SAFETY: the offset is that of a tap in a panel of the weights.
                    c: unsafe {
                        let panel = self.panels.start * shape.depth();
                        sums.dw.as_mut_ptr().add((panel + taps.tap) * PANEL)
                    },
                    output: Output {
                        outer: taps.pitch * PANEL,
                        row: PANEL,
                        panel: shape.depth() * PANEL,
                    },
                    finish: Finish::ACCUMULATE,
                    ahead: core::mem::replace(&mut ahead, Ahead::NOTHING),
                    column_sums,
                    turns: turns(shape),
                    c_is_near: false,
                    has_zeros: false,
                };
                // SAFETY: `ConvShape` holds windows to the bordered input, lengths were checked, each
                // task has its own weights, and among those with these columns, one has the bias.
                unsafe { gemm.run_transposed(isa) };
            }
        }
    }

    fn taps(&self, shape: &ConvShape, border: &Border, group: usize) -> Taps {
        let (kh, kw) = shape.kernel;
        match shape.order {
            Order::Planar => Taps {
                tap: group * kh * kw,
                rows: (kh, kw),
                pitch: kw,
                x: group * border.plane(),
                x_rows: (border.pitch(), 1),
            },
            Order::ChannelsLast => Taps {
                tap: group * kw * shape.ci + self.channels.start,
                rows: (kw, self.channels.len()),
                pitch: shape.ci,
                x: group * border.pitch() + self.channels.start,
                x_rows: (padded(shape.ci), 1),
            },
        }
    }
}
