//! The training loop, its schedule and its progress bar.

use std::{
    f32::consts::PI,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use nin::Rng;

use crate::{
    data::{Augmentation, Data, push_image},
    model::Model,
};

/// How a net is trained.
pub struct Recipe {
    pub epochs: usize,
    pub batch: usize,
    /// The learning rate, the highest if it changes.
    pub rate: f32,
    pub schedule: Schedule,
    pub momentum: f32,
    pub weight_decay: f32,
    pub augment: bool,
}

#[derive(Clone, Copy)]
pub enum Schedule {
    Constant,
    /// Up from a 25th in the first 30 % of the steps, then down to nearly nothing, both along a cosine.
    OneCycle,
}

impl Schedule {
    /// The part of the highest rate at `progress`, from 0 to 1.
    fn factor(self, progress: f32) -> f32 {
        const RISE: f32 = 0.3;
        let cosine =
            |from: f32, to: f32, part: f32| to + (from - to) * (1.0 + (PI * part).cos()) / 2.0;
        match self {
            Self::Constant => 1.0,
            Self::OneCycle if progress < RISE => cosine(0.04, 1.0, progress / RISE),
            Self::OneCycle => cosine(1.0, 1e-5, (progress - RISE) / (1.0 - RISE)),
        }
    }
}

/// What one pass over the training images came to.
pub struct Epoch {
    /// Mean loss of the training images, dropout and augmentation included.
    pub loss: f32,
    /// Part of the test images whose class is predicted.
    pub accuracy: f32,
}

/// Trains until the recipe's end or until `stop` is set.
pub fn train<M: Model>(
    model: &mut M,
    recipe: &Recipe,
    training: &Data,
    test: &Data,
    seed: u64,
    stop: &AtomicBool,
) -> nin::Result<Vec<Epoch>> {
    let mut random = Rng::new(seed);
    let mut order: Vec<usize> = (0..training.len()).collect();
    let steps = training.len().div_ceil(recipe.batch) * recipe.epochs;
    let bar = progress_bar(steps);
    let start = Instant::now();
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    let mut epochs = Vec::new();
    for epoch in 1..=recipe.epochs {
        random.shuffle(&mut order);
        let (mut sum, mut right, mut seen) = (0.0, 0, 0);
        for batch in order.chunks(recipe.batch) {
            if stop.load(Ordering::Relaxed) {
                bar.finish_and_clear();
                println!("stopped in epoch {epoch}");
                return Ok(epochs);
            }
            pixels.clear();
            labels.clear();
            for &i in batch {
                let change = if recipe.augment {
                    Augmentation::random(&mut random)
                } else {
                    Augmentation::default()
                };
                push_image(&mut pixels, training.image(i), change, M::SIDE);
                labels.push(training.labels()[i]);
            }
            let rate = recipe.rate * recipe.schedule.factor(bar.position() as f32 / steps as f32);
            let (loss, correct) = model.step(&pixels, &labels, rate)?;
            sum += loss * batch.len() as f32;
            right += correct;
            seen += batch.len();
            bar.set_message(format!(
                "epoch {epoch}/{}, loss {:.3}, accuracy {:.3}",
                recipe.epochs,
                sum / seen as f32,
                right as f32 / seen as f32
            ));
            bar.inc(1);
        }
        let (loss, accuracy) = (sum / seen as f32, accuracy(&predict(model, test)?, test));
        bar.suspend(|| {
            println!(
                "epoch {epoch:2}/{}: loss {loss:.4}, test accuracy {accuracy:.4}, {:.0} s",
                recipe.epochs,
                start.elapsed().as_secs_f32()
            );
        });
        epochs.push(Epoch { loss, accuracy });
    }
    bar.finish_and_clear();
    println!("trained for {:.1} s", start.elapsed().as_secs_f32());
    Ok(epochs)
}

fn progress_bar(steps: usize) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{bar:30} {msg}, {eta} left").expect("a valid template");
    let bar = ProgressBar::new(steps as u64).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// The logits of all images.
pub fn predict<M: Model>(model: &M, data: &Data) -> nin::Result<Vec<[f32; 10]>> {
    const BATCH: usize = 64;
    let mut logits = Vec::with_capacity(data.len());
    let mut pixels = Vec::new();
    for start in (0..data.len()).step_by(BATCH) {
        pixels.clear();
        for i in start..data.len().min(start + BATCH) {
            push_image(&mut pixels, data.image(i), Augmentation::default(), M::SIDE);
        }
        logits.extend(model.logits(&pixels)?);
    }
    Ok(logits)
}

/// The class of the largest logit.
pub fn class(logits: &[f32; 10]) -> usize {
    (0..10).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap_or(0)
}

/// The part of the images whose class is that of their label.
pub fn accuracy(logits: &[[f32; 10]], data: &Data) -> f32 {
    let right =
        logits.iter().zip(data.labels()).filter(|(l, label)| class(l) == usize::from(**label));
    right.count() as f32 / data.len() as f32
}
