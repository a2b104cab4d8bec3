//! How fast it is: every kernel, forward and backward, on one thread, and whole nets on one and on
//! all. `cargo bench` takes some minutes, `cargo bench -- products` runs a part; `NIN_ISA` picks the
//! instruction set.

mod around;
mod conv;
mod nets;
mod report;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use nin_runtime::Buffer;
use nin_runtime::simd::Isa;
use report::{Fma, Work, group};

/// How long each kernel is measured.
const KERNEL_TIME: Duration = Duration::from_millis(500);

/// The loop that the peak is measured with, on each instruction set.
fn peak(criterion: &mut Criterion) {
    group(criterion, "FMA in registers", 1, KERNEL_TIME, |group| {
        for isa in Isa::available() {
            let flops = isa.run(Fma { rounds: 1000 });
            group.bench(isa.name(), Work::Flops(flops), || {
                isa.run(Fma { rounds: 1000 });
            });
        }
    });
}

/// Values of both signs and no pattern.
fn values(len: usize) -> Buffer {
    let mut values = Buffer::zeros(len);
    fill(&mut values);
    values
}

fn fill(values: &mut [f32]) {
    let mut state = 1_u32;
    for value in values {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *value = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
    }
}

criterion_group!(
    benches,
    peak,
    conv::products,
    conv::rectified,
    conv::sparse,
    conv::direct,
    conv::winograd,
    around::pools,
    around::training,
    nets::nets
);
criterion_main!(benches);
