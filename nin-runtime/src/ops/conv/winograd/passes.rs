//! The passes: forward, the input's gradient, the weights' gradient.

use super::lanes::{PAIR, for_each_group, for_each_lane, for_each_pass};
use super::phases::rearrange;
use super::stages::{
    Epilogue, Field, OfGradient, OfInput, gather, products, scatter, weight_products,
};
use super::tile::Tile;
use super::{Problem, weights};
use crate::ops::conv::column_sums::bias_gradient;
use crate::ops::conv::{ConvShape, Forward, InputGradient, LANES, WeightGradient};
use crate::simd::{PANEL, padded};
use crate::{Context, DisjointMut};

/// Transforms the inputs of images `first..first + images` into `v`; `phases` is work space.
fn transform_input<'a, W: Tile>(
    cx: &Context,
    shape: &ConvShape,
    x: impl Fn(usize) -> &'a [f32] + Sync,
    (first, images): (usize, usize),
    phases: &mut [f32],
    v: &mut [f32],
) {
    let problem = Problem::forward::<W>(shape);
    let len = shape.phases_len();
    if len > 0 {
        for (i, phases) in phases[..images * len].chunks_exact_mut(len).enumerate() {
            rearrange(cx, shape, x(first + i), phases);
        }
    }
    let phases = &*phases;
    let field = |i: usize| Field {
        data: if len > 0 { &phases[i * len..(i + 1) * len] } else { x(first + i) },
        size: problem.input,
        channels: padded(problem.ci),
    };
    let part = 0..padded(problem.ci);
    let tiling = (problem.tiling, problem.padding);
    scatter::<OfInput<W>>(cx, images, tiling, field, part, v);
}

impl Forward<'_> {
    /// Computes the pass from [transformed weights](ConvShape::winograd_weights).
    ///
    /// # Panics
    /// If a slice does not have the length that the geometry says, `work` at least
    /// [`winograd_work`](ConvShape::winograd_work).
    pub fn winograd<W: Tile>(
        &self,
        cx: &Context,
        transformed: &[f32],
        y: &mut [f32],
        work: &mut [f32],
    ) {
        self.check(y);
        let shape = self.shape;
        let problem = Problem::forward::<W>(shape);
        check_work(work, shape.winograd_work::<W>(self.n));
        let epilogue = |_| Epilogue::Bias { bias: self.bias, relu: self.relu };
        let (y, len) = (DisjointMut::new(y), shape.output_len());
        let x = |i| self.x.image(i, shape.input_len());
        if cx.threads() == LANES && problem.has_cheap_tiles(self.n, shape.phases_len()) {
            for_each_lane(cx, &problem, self.n, work, |cx, groups, work| {
                let (v, m) = work.split_at_mut(problem.input_points(self.n));
                transform_input::<W>(cx, shape, x, (0, self.n), &mut [], v);
                for group in groups {
                    products(cx, self.n, (&problem, group), v, transformed, m);
                    // SAFETY: the groups have different channels.
                    unsafe { gather::<W>(cx, self.n, (&problem, group), m, epilogue, &y) };
                }
            });
            return;
        }
        for_each_pass(cx, &problem, self.n, work, |cx, images, work| {
            let (first, images) = (images.start, images.len());
            let (phases, work) = work.split_at_mut(images * shape.phases_len());
            let (v, m) = work.split_at_mut(problem.input_points(images));
            transform_input::<W>(cx, shape, x, (first, images), phases, v);
            // SAFETY: the passes have different images.
            let y = DisjointMut::new(unsafe { y.part(first * len..(first + images) * len) });
            for_each_group(cx, &problem, (images, problem.group), m, |cx, group, m| {
                products(cx, images, (&problem, group), v, transformed, m);
                // SAFETY: the groups have different channels.
                unsafe { gather::<W>(cx, images, (&problem, group), m, epilogue, &y) };
            });
        });
    }
}

impl InputGradient<'_> {
    /// Writes the gradient of the input from
    /// [transformed transposed weights](ConvShape::winograd_transposed).
    ///
    /// # Panics
    /// If a slice does not have the length that the geometry says, `work` at least
    /// [`winograd_input_gradient_work`](ConvShape::winograd_input_gradient_work).
    pub fn winograd<W: Tile>(
        &self,
        cx: &Context,
        transformed: &[f32],
        dx: &mut [f32],
        work: &mut [f32],
    ) {
        self.check(dx);
        let shape = self.shape;
        let problem = Problem::input_gradient::<W>(shape);
        check_work(work, shape.winograd_input_gradient_work::<W>(self.n));
        let (input, output) = (shape.input_len(), shape.output_len());
        let dx = DisjointMut::new(dx);
        for_each_pass(cx, &problem, self.n, work, |cx, images, work| {
            let (first, images) = (images.start, images.len());
            let (v, m) = work.split_at_mut(problem.input_points(images));
            let field = |i: usize| Field {
                data: &self.dy[(first + i) * output..][..output],
                size: problem.input,
                channels: padded(problem.ci),
            };
            let part = 0..padded(problem.ci);
            let tiling = (problem.tiling, problem.padding);
            scatter::<OfInput<W>>(cx, images, tiling, field, part, v);
            let gate = |i: usize| {
                Epilogue::Gate(self.gate.map(|gate| &gate[(first + i) * input..][..input]))
            };
            // SAFETY: the passes have different images.
            let dx = unsafe { dx.part(first * input..(first + images) * input) };
            let dx = DisjointMut::new(dx);
            for_each_group(cx, &problem, (images, problem.group), m, |cx, group, m| {
                products(cx, images, (&problem, group), v, transformed, m);
                // SAFETY: the groups have different channels.
                unsafe { gather::<W>(cx, images, (&problem, group), m, gate, &dx) };
            });
        });
    }
}

impl<'a> WeightGradient<'a> {
    /// Adds the gradients of weights and bias to `dw` and `db`, laid out as in the arena.
    ///
    /// # Panics
    /// If a slice does not have the length that the geometry says, `work` at least
    /// [`winograd_weight_gradient_work`](ConvShape::winograd_weight_gradient_work).
    pub fn winograd<W: Tile>(
        &self,
        cx: &Context,
        dw: &mut [f32],
        db: &mut [f32],
        work: &mut [f32],
    ) {
        Self::winograd_of::<W>(core::slice::from_ref(self), cx, dw, db, work);
    }

    /// The same of the images of several passes of one shape: the gradients are transformed back once for all.
    ///
    /// # Panics
    /// As for one pass that has all images; or if the shapes differ, or there is none.
    pub fn winograd_of<W: Tile>(
        all: &[Self],
        cx: &Context,
        dw: &mut [f32],
        db: &mut [f32],
        work: &mut [f32],
    ) {
        let shape = all[0].shape;
        for pass in all {
            pass.check(dw, db);
            assert_eq!(pass.shape, shape, "the passes are of one layer");
        }
        let n = all.iter().map(|pass| pass.n).sum();
        let x = |i| {
            let (pass, i) = pass_of(all, i);
            pass.x.image(i, shape.input_len())
        };
        let problem = Problem::forward::<W>(shape);
        let sum_point = W::SUM.map(|at| problem.tiling.point(at));
        if sum_point.is_none() {
            for pass in all {
                bias_gradient(cx, padded(shape.co), pass.dy, db);
            }
        }
        let (per_pass, per_sum) = (problem.images_per_pass(n), problem.images_per_sum(n));
        check_work(work, shape.winograd_weight_gradient_work::<W>(n));
        let (phases, work) = work.split_at_mut(per_pass * shape.phases_len());
        let pass_points = problem.input_points(per_pass);
        let (v, work) = work.split_at_mut(problem.passes_per_sum(n) * pass_points);
        let (len, panel) = (shape.output_len(), shape.depth() * PANEL);
        let (dw, db) = (DisjointMut::new(dw), DisjointMut::new(db));
        for first in (0..n).step_by(per_sum.max(1)) {
            // The images of a sum, and those of each pass over them.
            let images = per_sum.min(n - first);
            let passes = || (0..images).step_by(per_pass).map(|i| (i, per_pass.min(images - i)));
            for ((i, images), v) in passes().zip(v.chunks_exact_mut(pass_points)) {
                let v = cut(v, &problem, images);
                transform_input::<W>(cx, shape, x, (first + i, images), phases, v);
            }
            let v = &*v;
            for_each_group(cx, &problem, (images, PAIR), work, |cx, group, work| {
                let panels = group.first..group.first + group.panels;
                let part = panels.start * PANEL..panels.end * PANEL;
                let (e, du) = work.split_at_mut(problem.output_points(per_pass, group.panels));
                let du = &mut du[..problem.group_points(group.panels)];
                for ((i, images), v) in passes().zip(v.chunks_exact(pass_points)) {
                    let field = |image: usize| {
                        let (pass, image) = pass_of(all, first + i + image);
                        Field {
                            data: &pass.dy[image * len..][..len],
                            size: problem.output,
                            channels: padded(problem.co),
                        }
                    };
                    let tiling = (problem.tiling, (0, 0));
                    scatter::<OfGradient<W>>(cx, images, tiling, field, part.clone(), e);
                    // SAFETY: the groups have different panels.
                    let sums = sum_point.map(|at| (at, unsafe { db.part(part.clone()) }));
                    weight_products(cx, images, (&problem, group), (v, e), i > 0, du, sums);
                }
                // SAFETY: as above.
                let dw = unsafe { dw.part(panels.start * panel..panels.end * panel) };
                weights::add_gradient::<W>(cx, shape, (&problem, group), du, dw);
            });
        }
    }
}

/// The pass that has image `i` of all, and the image's number there.
fn pass_of<'a, 'b>(all: &'b [WeightGradient<'a>], mut i: usize) -> (&'b WeightGradient<'a>, usize) {
    for pass in all {
        if i < pass.n {
            return (pass, i);
        }
        i -= pass.n;
    }
    unreachable!("there are fewer images");
}

/// The sizes leave a little room, so that cutting up a work space that is too short might succeed.
fn check_work(work: &[f32], needed: usize) {
    assert!(work.len() >= needed, "{} elements of work, {needed} are needed", work.len());
}

/// The part of a buffer that the transformed input of `images` images takes.
fn cut<'a>(buffer: &'a mut [f32], problem: &Problem, images: usize) -> &'a mut [f32] {
    &mut buffer[..problem.input_points(images)]
}
