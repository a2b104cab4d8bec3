//! What stands around the convolutions: all of it moves more than it computes.

use std::hint::black_box;

use criterion::Criterion;
use nin_runtime::ops::dropout::{Dropout, dropout_backward, dropout_forward};
use nin_runtime::ops::global_avg_pool::{global_avg_pool_backward, global_avg_pool_forward};
use nin_runtime::ops::pool::{
    PoolShape, avg_pool_backward, avg_pool_forward, max_pool_backward, max_pool_forward,
};
use nin_runtime::simd::Isa;
use nin_runtime::trainer::Loss;
use nin_runtime::{Adam, Buffer, Context, Optimizer, Sgd};

use crate::report::{Group, Work, group};
use crate::{KERNEL_TIME, values};

const BATCH: usize = 4;

/// Bytes of arrays with so many elements in all.
fn bytes(elements: usize) -> Work {
    Work::Bytes(4 * elements as u64)
}

/// The pools of the book's net and of the paper's, forward and backward.
pub fn pools(criterion: &mut Criterion) {
    group(criterion, "pools", 1, KERNEL_TIME, |group| {
        for (c, size) in [(96, 54), (256, 26), (384, 12), (32, 28)] {
            windows(group, c, size);
        }
        global(group, (10, 5, 5));
        global(group, (192, 8, 8));
    });
}

/// Windows of 3×3 that are 2 apart.
fn windows(group: &mut Group<'_>, c: usize, size: usize) {
    let cx = Context::sequential(Isa::get());
    let output = (size - 3) / 2 + 1;
    let shape = PoolShape::new(c, (size, size), (output, output), (3, 3), (2, 2), (0, 0));
    let (input_len, output_len) = (BATCH * shape.input_len(), BATCH * shape.output_len());
    let (x, dy) = (values(input_len), values(output_len));
    let (mut y, mut dx) = (Buffer::zeros(output_len), Buffer::zeros(input_len));
    let (forward, backward) = (bytes(input_len + output_len), bytes(2 * input_len + output_len));
    let name = |kind, pass| format!("{kind} 3×3/2 {c}×{size}×{size}: {pass} of {BATCH} images");
    group.bench(&name("max", "forward"), forward, || {
        max_pool_forward(&cx, BATCH, &shape, &x, &mut y);
    });
    group.bench(&name("max", "backward"), backward, || {
        max_pool_backward(&cx, BATCH, &shape, true, &x, &dy, &mut dx);
    });
    group.bench(&name("average", "forward"), forward, || {
        avg_pool_forward(&cx, BATCH, &shape, &x, &mut y);
    });
    group.bench(&name("average", "backward"), backward, || {
        avg_pool_backward(&cx, BATCH, &shape, true, &x, &dy, &mut dx);
    });
}

fn global(group: &mut Group<'_>, (c, h, w): (usize, usize, usize)) {
    let cx = Context::sequential(Isa::get());
    let len = BATCH * h * w * nin_runtime::simd::padded(c);
    let (x, dlogits) = (values(len), values(BATCH * c));
    let (mut logits, mut dx) = (Buffer::zeros(BATCH * c), Buffer::zeros(len));
    let name = |pass| format!("global average {c}×{h}×{w}: {pass} of {BATCH} images");
    group.bench(&name("forward"), bytes(len + BATCH * c), || {
        global_avg_pool_forward(&cx, BATCH, (c, h, w), &x, &mut logits);
    });
    group.bench(&name("backward"), bytes(2 * len + BATCH * c), || {
        global_avg_pool_backward(&cx, BATCH, (c, h, w), true, &x, &dlogits, &mut dx);
    });
}

/// Dropout, loss and optimizers at the sizes of the book's net.
pub fn training(criterion: &mut Criterion) {
    group(criterion, "training", 1, KERNEL_TIME, |group| {
        dropout(group, BATCH * 384 * 5 * 5);
        loss(group, 128, 10);
        let sgd = Sgd::new(1e-3).momentum(0.9).weight_decay(5e-4);
        optimizer(group, "SGD with momentum and weight decay", sgd);
        optimizer(group, "Adam", Adam::new(1e-3));
    });
}

fn dropout(group: &mut Group<'_>, len: usize) {
    let cx = Context::sequential(Isa::get());
    let dropout = Dropout::new(0.5, 1, 2, 3);
    let (x, mut y) = (values(len), values(len));
    group.bench(&format!("dropout of {len} values: forward"), bytes(2 * len), || {
        dropout_forward(&cx, BATCH, &dropout, &mut y);
    });
    let mut dx = values(len);
    group.bench(&format!("dropout of {len} values: backward"), bytes(3 * len), || {
        dropout_backward(&cx, BATCH, &dropout, Some(&x), &mut dx);
    });
}

fn loss(group: &mut Group<'_>, images: usize, classes: usize) {
    let logits = values(images * classes);
    let labels: Vec<u8> = (0..images).map(|i| (i % classes) as u8).collect();
    let mut dlogits = Buffer::zeros(logits.len());
    let name = format!("cross-entropy of {images} images, {classes} classes, and its gradient");
    group.bench(&name, bytes(2 * logits.len()), || {
        black_box(Loss::of(&logits, &labels, classes, 1.0, &mut dlogits));
    });
}

fn optimizer<O: Optimizer>(group: &mut Group<'_>, name: &str, mut optimizer: O) {
    let cx = Context::sequential(Isa::get());
    /// About what the book's net has.
    const PARAMS: usize = 2_000_000;
    let (mut params, gradients) = (values(PARAMS), values(PARAMS));
    let mut state = Buffer::zeros(O::STATES * PARAMS);
    // Parameters and state are read and written, gradients read.
    let moved = bytes((3 + 2 * O::STATES) * PARAMS);
    group.bench(&format!("{name}, {PARAMS} parameters"), moved, || {
        optimizer.update(&cx, &mut params, &gradients, &mut state);
    });
}
