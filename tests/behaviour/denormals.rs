//! Nets take denormal numbers as zero while they compute, and nobody else notices.

use crate::nets::{Mixed, MixedImage, images, labels};
use nin::prelude::*;
use std::borrow::Borrow;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Whether this thread computes with denormals, as operands and as results.
fn denormals_count() -> bool {
    let result = black_box(f32::MIN_POSITIVE) * black_box(0.5);
    let operand = black_box(f32::from_bits(1)) * black_box(f32::MAX);
    result.to_bits() != 0 && operand.to_bits() != 0
}

/// An image whose owner is a stranger's code, which nets call on any thread.
struct Watched<'a> {
    image: Box<MixedImage>,
    borrowed: &'a AtomicUsize,
    panics: bool,
}

impl Borrow<MixedImage> for Watched<'_> {
    fn borrow(&self) -> &MixedImage {
        assert!(denormals_count(), "the owner of an image computes without denormals");
        assert!(!self.panics, "the owner of an image panics");
        self.borrowed.fetch_add(1, Ordering::Relaxed);
        &self.image
    }
}

fn watched(borrowed: &AtomicUsize) -> Vec<Watched<'_>> {
    images(4).into_iter().map(|image| Watched { image, borrowed, panics: false }).collect()
}

#[test]
fn a_caller_keeps_its_denormals_whatever_comes_of_a_pass() {
    let borrowed = AtomicUsize::new(0);
    let (mut images, labels) = (watched(&borrowed), labels(4));
    let mut net = Mixed::new(1);
    let mut trainer = Mixed::trainer::<4>(Sgd::new(0.02), 3);

    let _ = net.forward(&images[0].image, &mut Mixed::scratch());
    assert!(denormals_count(), "forward");
    let _ = net.forward_batch(&images);
    assert!(denormals_count(), "forward_batch");
    trainer.step(&mut net, &images, &labels).expect("a step");
    assert!(denormals_count(), "step");
    trainer.step(&mut net, &images, &[200; 4]).expect_err("no class 200");
    assert!(denormals_count(), "a step with a wrong label");
    images[1].image[(0, 3, 3)] = f32::NAN;
    trainer.step(&mut net, &images, &labels).expect_err("a loss that is NaN");
    assert!(denormals_count(), "a step that diverges");
    images[3].panics = true;
    let step = AssertUnwindSafe(|| trainer.step(&mut net, &images, &labels));
    catch_unwind(step).expect_err("a panic of the image's owner");
    assert!(denormals_count(), "a step that panics");
}

#[cfg(feature = "parallel")]
#[test]
fn the_owners_of_images_keep_their_denormals_on_every_thread() {
    let borrowed = AtomicUsize::new(0);
    let images: Vec<_> = (0..8).flat_map(|_| watched(&borrowed)).collect();
    let net = Mixed::new(1);
    for threads in [1, 2, 5] {
        nin::Threads::new(threads).install(|| net.forward_batch(&images));
    }
    assert_eq!(borrowed.load(Ordering::Relaxed), 3 * images.len());
}
