//! The same bits for any number of threads and in any batch. `tests/lean/check` compares programs with and without the
//! feature `parallel`.

use crate::nets::{D2lNin, Mixed, MixedImage, images, labels};
use nin::prelude::*;

/// Runs `f` with this many threads.
fn with_threads<R>(count: usize, f: impl FnOnce() -> R) -> R {
    nin::Threads::new(count).install(f)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// The weights after 20 steps on batches of changing sizes.
fn trained(optimizer: impl Into<nin::AnyOptimizer>) -> Mixed {
    let (images, labels) = (images(24), labels(24));
    let mut net = Mixed::new(1);
    let mut trainer = Mixed::trainer::<9>(optimizer, 2);
    for step in 0..20 {
        let batch = step % 4 * 5..step % 4 * 5 + 1 + (step * 5 + 8) % 9;
        trainer.step(&mut net, &images[batch.clone()], &labels[batch]).expect("the batch fits");
    }
    net
}

fn sgd() -> Mixed {
    trained(Sgd::new(0.02).momentum(0.9).weight_decay(1e-3))
}

fn adam() -> Mixed {
    trained(Adam::new(1e-3))
}

#[test]
fn twenty_steps_give_the_same_weights_with_1_2_and_5_threads() {
    for train in [sgd, adam] {
        let alone = with_threads(1, train);
        assert!(alone.parameters().iter().all(|weight| weight.is_finite()));
        assert_ne!(bits(alone.parameters()), bits(Mixed::new(1).parameters()));
        for threads in [2, 5] {
            let net = with_threads(threads, train);
            assert!(bits(net.parameters()) == bits(alone.parameters()), "{threads} threads");
        }
    }
}

#[test]
fn an_image_gives_the_same_logits_alone_and_at_any_place_of_any_batch() {
    let images = images(13);
    let net = sgd();
    let alone: Vec<Vec<u32>> = with_threads(1, || {
        images.iter().map(|image| bits(&net.forward(image, &mut Mixed::scratch()))).collect()
    });
    for threads in [1, 2, 5] {
        with_threads(threads, || {
            for (image, alone) in images.iter().zip(&alone) {
                assert_eq!(&bits(&net.forward(image, &mut Mixed::scratch())), alone);
            }
            for start in 0..images.len() {
                for end in start + 1..=images.len() {
                    let batch: Vec<&MixedImage> = images[start..end].iter().map(|i| &**i).collect();
                    for (logits, alone) in net.forward_batch(&batch).iter().zip(&alone[start..]) {
                        assert_eq!(&bits(logits), alone, "{start}..{end}, {threads} threads");
                    }
                }
            }
        });
    }
}

#[test]
fn large_images_give_the_same_bits_in_any_batch_and_for_any_number_of_threads() {
    let mut rng = nin::Rng::new(8);
    let images: Vec<_> = (0..5).map(|_| Image::from_fn(|_c, _y, _x| rng.uniform())).collect();
    let run = || {
        let mut net = D2lNin::new(1);
        let mut trainer = D2lNin::trainer::<5>(Sgd::new(0.01), 2);
        trainer.step(&mut net, &images, &labels(5)).expect("the batch fits");
        let alone = images.iter().map(|image| net.forward(image, &mut D2lNin::scratch()));
        let alone: Vec<Vec<u32>> = alone.map(|logits| bits(&logits)).collect();
        for n in [1, 2, 5] {
            let together = net.forward_batch(&images[..n]);
            let together: Vec<Vec<u32>> = together.iter().map(|logits| bits(logits)).collect();
            assert!(together == alone[..n], "{n} images");
        }
        (bits(net.parameters()), alone)
    };
    let alone = with_threads(1, run);
    for threads in [2, 3] {
        assert!(with_threads(threads, run) == alone, "{threads} threads");
    }
}
