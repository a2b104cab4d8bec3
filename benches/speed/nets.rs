//! Whole nets, inference and training, on one thread and on all.

use std::hint::black_box;
use std::thread::available_parallelism;
use std::time::Duration;

use criterion::Criterion;
use nin::Threads;
use nin::prelude::*;

use crate::report::{Work, group};

/// The book's net.
macro_rules! d2l {
    ($name:ident $($options:tt)*) => {
        nin! {
            $name<
                input(1, 224, 224),
                block(96, kernel = 11, stride = 4),
                max_pool(3, stride = 2),
                block(256, kernel = 5, padding = 2),
                max_pool(3, stride = 2),
                block(384, kernel = 3, padding = 1),
                max_pool(3, stride = 2),
                dropout(0.5),
                block(10, kernel = 3, padding = 1),
                global_avg_pool,
            > $($options)*
        }
    };
}

d2l!(D2lNin);
d2l!(D2lDirect where algorithm = direct);
d2l!(D2lF16 where storage = f16);

/// A net whose weights are read from memory for a few pixels each.
macro_rules! wide {
    ($name:ident $($options:tt)*) => {
        nin! {
            $name<
                input(3, 32, 32),
                block(256, kernel = 8, stride = 8),
                block(1024, kernel = 3, stride = 2, padding = 1),
                block(1024, kernel = 3, padding = 1),
                block(1024, kernel = 3, padding = 1),
                conv(10, kernel = 1),
                global_avg_pool,
            > $($options)*
        }
    };
}

wide!(WideNin);
wide!(WideF16 where storage = f16);

nin! {
    SmallNin<
        input(1, 28, 28),
        block(32, kernel = 5, padding = 2),
        max_pool(3, stride = 2),
        block(64, kernel = 3, padding = 1),
        max_pool(3, stride = 2),
        dropout(0.5),
        block(10, kernel = 3, padding = 1),
        global_avg_pool,
    >
}

nin! {
    CifarNin<
        input(3, 32, 32),
        block(192, 160, 96, kernel = 5, padding = 2),
        max_pool(3, stride = 2, ceil = true),
        dropout(0.5),
        block(192, kernel = 5, padding = 2),
        avg_pool(3, stride = 2, ceil = true),
        dropout(0.5),
        block(192, 192, 10, kernel = 3, padding = 1),
        global_avg_pool,
    >
}

const BATCH: usize = 16;

/// A benchmark group of inference and training of one net.
macro_rules! bench_net {
    ($criterion:expr, $name:literal, $net:ident, $threads:expr) => {{
        let name = format!("{}, {} thread(s)", $name, $threads);
        // Ten training steps of the largest take some seconds.
        group($criterion, &name, $threads, Duration::from_secs(4), |group| {
            let forward = 2 * $net::MACS;
            // Both gradients cost as much as the forward pass; the images need none.
            let train = 3 * forward - 2 * $net::LAYERS[0].macs;
            let batch = BATCH as u64;
            let images: Vec<
                Box<Image<{ $net::INPUT[0] }, { $net::INPUT[1] }, { $net::INPUT[2] }>>,
            > = (0..BATCH)
                .map(|i| {
                    Image::from_fn(|c, y, x| {
                        ((i * 13 + c * 7 + y * 31 + x * 17) % 255) as f32 / 255.0
                    })
                })
                .collect();
            let labels: Vec<u8> = (0..BATCH).map(|i| (i % $net::CLASSES) as u8).collect();
            let mut net = $net::new(1);

            let mut scratch = $net::scratch();
            group.bench("forward, 1 image", Work::Flops(forward), || {
                black_box(net.forward(&images[0], &mut scratch));
            });
            let (mut scratch, mut logits) = ($net::batch_scratch(), [[0.0; $net::CLASSES]; BATCH]);
            group.bench("forward, 16 images", Work::Flops(batch * forward), || {
                net.forward_batch_into(&images, &mut logits, &mut scratch);
            });
            let mut trainer = $net::trainer::<BATCH>(Sgd::new(1e-3).momentum(0.9), 1);
            group.bench("training step, 16 images", Work::Flops(batch * train), || {
                trainer.step(&mut net, &images, &labels).expect("training goes on");
            });
        });
    }};
}

/// Inference and training of each net.
pub fn nets(criterion: &mut Criterion) {
    let all = available_parallelism().map_or(1, usize::from);
    for threads in if all > 1 { vec![1, all] } else { vec![1] } {
        Threads::new(threads).install(|| {
            bench_net!(criterion, "D2lNin", D2lNin, threads);
            bench_net!(criterion, "D2lNin, direct", D2lDirect, threads);
            bench_net!(criterion, "D2lNin, f16", D2lF16, threads);
            bench_net!(criterion, "SmallNin", SmallNin, threads);
            bench_net!(criterion, "CifarNin", CifarNin, threads);
            bench_net!(criterion, "WideNin", WideNin, threads);
            bench_net!(criterion, "WideNin, f16", WideF16, threads);
        });
    }
}
