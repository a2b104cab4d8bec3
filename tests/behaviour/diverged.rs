//! Training that goes wrong says so, and harms neither the net nor the optimizer.

use crate::nets::{Mixed, MixedImage, images, labels};
use nin::Error;
use nin::prelude::*;

fn bits(net: &Mixed) -> Vec<u32> {
    net.parameters().iter().map(|weight| weight.to_bits()).collect()
}

type Trainer = nin::Trainer<Mixed, 4>;

fn trainers() -> [Trainer; 2] {
    [
        Mixed::trainer::<4>(Sgd::new(0.02).momentum(0.9).weight_decay(1e-3), 3),
        Mixed::trainer::<4>(Adam::new(1e-3), 3),
    ]
}

/// Images one of which has this value as a pixel.
fn with_pixel(value: f32) -> Vec<Box<MixedImage>> {
    let mut images = images(4);
    images[2][(1, 20, 17)] = value;
    images
}

#[test]
fn a_loss_that_is_not_finite_is_an_error_and_the_net_is_as_it_was() {
    for pixel in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for mut trainer in trainers() {
            let mut net = Mixed::new(1);
            let before = bits(&net);
            let error = trainer.step(&mut net, &with_pixel(pixel), &labels(4)).unwrap_err();
            assert!(matches!(error, Error::Diverged { .. }), "{error}");
            assert!(error.to_string().contains("training has diverged"), "{error}");
            assert!(bits(&net) == before, "a pixel of {pixel} changed the net");
        }
    }
}

nin! {
    /// One weight a class.
    Tiny<
        input(1, 2, 2),
        conv(2, kernel = 1, algorithm = direct),
        global_avg_pool,
    >
}

/// Behind a ReLU that is shut, an infinity reaches the gradient, as ∞ · 0, but not the loss.
#[test]
fn a_gradient_that_is_not_finite_is_an_error_although_the_loss_is() {
    let mut net = Tiny::new(1);
    net.update(|params| Tiny::PARAMETERS[0].indices().for_each(|i| params[i] = -1.0));
    let before = net.parameters().to_vec();
    let image = Image::from_fn(|_c, y, x| if y + x == 0 { f32::INFINITY } else { 1.0 });
    let mut trainer = Tiny::trainer::<1>(Sgd::new(0.1), 1);
    let error = trainer.step(&mut net, &[image], &[0]).unwrap_err();
    assert!(matches!(error, Error::Diverged { loss } if loss.is_finite()), "{error}");
    assert!(error.to_string().contains("its gradient not finite"), "{error}");
    assert_eq!(net.parameters(), before);
}

#[test]
fn a_step_that_fails_leaves_no_trace_in_those_that_follow() {
    let (images, labels) = (images(4), labels(4));
    for (mut disturbed, mut calm) in trainers().into_iter().zip(trainers()) {
        let (mut net, mut same) = (Mixed::new(1), Mixed::new(1));
        for _ in 0..3 {
            disturbed.step(&mut net, &images, &labels).expect("the batch fits");
            calm.step(&mut same, &images, &labels).expect("the batch fits");
            disturbed.step(&mut net, &with_pixel(f32::NAN), &labels).expect_err("it diverges");
            disturbed.step(&mut net, &images, &[11; 4]).expect_err("there is no class 11");
        }
        assert!(bits(&net) == bits(&same));
    }
}

#[test]
fn the_caller_rolls_back_to_a_clone() {
    let (images, labels) = (images(4), labels(4));
    let mut net = Mixed::new(1);
    // So high a rate ruins the weights in a step or two.
    let mut trainer = Mixed::trainer::<4>(Sgd::new(1e30), 3);
    let good = net.clone();
    let mut error = None;
    for _ in 0..5 {
        error = error.or(trainer.step(&mut net, &images, &labels).err());
    }
    assert!(matches!(error, Some(Error::Diverged { .. })), "{error:?}");
    assert_ne!(bits(&net), bits(&good));
    net = good.clone();
    assert_eq!(net.forward_batch(&images), good.forward_batch(&images));
    let mut trainer = Mixed::trainer::<4>(Sgd::new(0.01), 3);
    assert!(trainer.step(&mut net, &images, &labels).expect("it trains on").is_finite());
}
