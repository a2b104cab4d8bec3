//! Steps on every instruction set against the rules in `f64`.

use super::*;
use crate::reference::{self, Tensor, assert_close};
use crate::simd::Isa;
use std::vec;
use std::vec::Vec;

fn sample(len: usize, seed: u64) -> Vec<f64> {
    Tensor::sample([1, 1, 1, len], seed).data
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&v| v as f32).collect()
}

/// Takes ten steps on every instruction set and holds the parameters to what `reference` makes of them.
fn check<O: Optimizer + Clone>(
    what: &str,
    optimizer: &O,
    mut reference: impl FnMut(&mut [f64], &[f64]),
) {
    let len = 3 * PANEL;
    let grads: Vec<Vec<f64>> = (0..10).map(|step| sample(len, 100 + step)).collect();
    let mut want = sample(len, 1);
    grads.iter().for_each(|grads| reference(&mut want, grads));
    for isa in Isa::available() {
        let cx = Context::sequential(isa);
        let mut optimizer = optimizer.clone();
        let mut params = narrow(&sample(len, 1));
        let mut state = vec![0.0; O::STATES * len];
        for grads in &grads {
            optimizer.update(&cx, &mut params, &narrow(grads), &mut state);
        }
        let got: Vec<f64> = params.iter().copied().map(f64::from).collect();
        assert_close(&std::format!("{what}, {}", isa.name()), &got, &want, 1e-6);
    }
}

#[test]
fn sgd_follows_pytorchs_rules() {
    for (momentum, weight_decay, nesterov) in [
        (0.0, 0.0, false),
        (0.9, 0.0, false),
        (0.0, 0.01, false),
        (0.9, 5e-4, false),
        (0.9, 0.1, true),
    ] {
        let mut sgd = Sgd::new(0.05).momentum(momentum).weight_decay(weight_decay);
        if nesterov {
            sgd = sgd.nesterov();
        }
        let mut rules = reference::Sgd {
            lr: 0.05,
            momentum: momentum.into(),
            weight_decay: weight_decay.into(),
            nesterov,
            ..Default::default()
        };
        check(&std::format!("{sgd:?}"), &sgd, |p, g| rules.step(p, g));
    }
}

#[test]
fn adam_follows_pytorchs_rules() {
    for (betas, eps, weight_decay) in [
        ((0.9, 0.999), 1e-8, 0.0),
        ((0.8, 0.99), 1e-3, 0.0),
        ((0.9, 0.999), 1e-8, 0.01),
        ((0.0, 0.0), 1e-8, 0.0),
    ] {
        let adam = Adam::new(1e-2).betas(betas.0, betas.1).eps(eps).weight_decay(weight_decay);
        let mut rules = reference::Adam {
            lr: 1e-2,
            betas,
            eps: eps.into(),
            weight_decay: weight_decay.into(),
            ..Default::default()
        };
        check(&std::format!("{adam:?}"), &adam, |p, g| rules.step(p, g));
    }
}

/// Parameters after five steps with gradients (step + 1) · (1, -2, 0.5), from `torch.optim` in f64.
#[test]
fn five_steps_give_pytorchs_parameters() {
    fn run<O: Optimizer>(mut optimizer: O) -> [f32; 3] {
        let cx = Context::sequential(Isa::SCALAR);
        let mut params = [0.0; PANEL];
        params[..3].copy_from_slice(&[0.5, -0.25, 2.0]);
        let mut state = vec![0.0; O::STATES * PANEL];
        for step in 1..=5 {
            let mut grads = [0.0; PANEL];
            grads[..3].copy_from_slice(&[1.0, -2.0, 0.5].map(|g| g * step as f32));
            optimizer.update(&cx, &mut params, &grads, &mut state);
        }
        [params[0], params[1], params[2]]
    }
    fn close(got: [f32; 3], want: [f64; 3]) {
        assert_close("", &got.map(f64::from), &want, 3e-7);
    }
    close(
        run(Sgd::new(0.05).momentum(0.9).weight_decay(5e-4)),
        [-1.085_255_997_6, 2.920_265_557_9, 1.206_796_980_7],
    );
    close(
        run(Sgd::new(0.05).momentum(0.9).weight_decay(5e-4).nesterov()),
        [-1.676_699_405_5, 4.103_083_286_4, 0.910_914_073_3],
    );
    close(
        run(Adam::new(0.01).weight_decay(1e-3)),
        [0.451_490_731_4, -0.201_491_446_1, 1.951_484_144_8],
    );
}
#[test]
fn padding_stays_zero() {
    fn check<O: Optimizer>(mut optimizer: O) {
        for isa in Isa::available() {
            let (mut params, mut state) = ([0.0; PANEL], vec![0.0; O::STATES * PANEL]);
            for _ in 0..3 {
                optimizer.update(&Context::sequential(isa), &mut params, &[0.0; PANEL], &mut state);
            }
            assert_eq!(params, [0.0; PANEL]);
        }
    }
    check(Sgd::new(0.1).momentum(0.9).weight_decay(0.1));
    check(Adam::new(0.1).weight_decay(0.1));
}

#[cfg(feature = "parallel")]
#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let len = 100 * 1024;
    let run = |threads| {
        let cx = crate::Threads::new(threads).install(Context::current);
        let (mut params, grads) = (narrow(&sample(len, 1)), narrow(&sample(len, 2)));
        let mut state = vec![0.0; 2 * len];
        let mut adam = Adam::new(1e-3);
        for _ in 0..3 {
            adam.update(&cx, &mut params, &grads, &mut state);
        }
        params
    };
    let one = run(1);
    assert!(run(2) == one && run(5) == one);
}

#[test]
fn bad_hyperparameters_panic_with_a_message_that_says_which() {
    let message = |f: fn()| {
        let panic = std::panic::catch_unwind(f).unwrap_err();
        panic.downcast::<std::string::String>().map(|message| *message).unwrap()
    };
    for (bad, expected) in [
        (
            (|| drop(Sgd::new(-0.1))) as fn(),
            "the learning rate must be finite and not negative, got -0.1",
        ),
        (|| drop(Sgd::new(f32::NAN)), "the learning rate must be finite and not negative, got NaN"),
        (
            || drop(Sgd::new(0.5).momentum(-1.0)),
            "the momentum must be finite and not negative, got -1",
        ),
        (
            || drop(Sgd::new(0.5).weight_decay(f32::INFINITY)),
            "the weight decay must be finite and not negative, got inf",
        ),
        (|| drop(Adam::new(0.5).betas(0.5, 1.0)), "betas must be in [0, 1), got 1"),
        (|| drop(Adam::new(0.5).eps(0.0)), "eps must be finite and positive, got 0"),
        (
            || Adam::new(0.5).set_learning_rate(f32::NEG_INFINITY),
            "the learning rate must be finite and not negative, got -inf",
        ),
    ] {
        assert_eq!(message(bad), expected);
    }
}
