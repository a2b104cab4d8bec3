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

/// What to learn, and how.
pub struct Task<'a> {
    pub recipe: Recipe,
    pub training: &'a Data,
    pub test: &'a Data,
    pub seed: u64,
}

/// Trains until the recipe's end or until `stop` is set. Calls `save` after each epoch and at a stop.
pub fn train<M: Model>(
    model: &mut M,
    task: &Task,
    save: impl Fn(&M) -> nin::Result<()>,
    stop: &AtomicBool,
) -> nin::Result<Vec<Epoch>> {
    let mut order: Vec<usize> = (0..task.training.len()).collect();
    let steps = order.len().div_ceil(task.recipe.batch) * task.recipe.epochs;
    let mut run = Run { model, task, stop, random: Rng::new(task.seed), bar: progress_bar(steps) };
    let start = Instant::now();
    let mut epochs = Vec::new();
    for number in 1..=task.recipe.epochs {
        run.random.shuffle(&mut order);
        let name = format!("epoch {number:2}/{}", task.recipe.epochs);
        let loss = run.epoch(&name, &order)?;
        save(run.model)?;
        if stop.load(Ordering::Relaxed) {
            run.bar.suspend(|| println!("stopped in epoch {number}"));
            break;
        }
        let accuracy = accuracy(&predict(run.model, task.test)?, task.test);
        let seconds = start.elapsed().as_secs_f32();
        run.bar.suspend(|| {
            println!("{name}: loss {loss:.4}, test accuracy {accuracy:.4}, {seconds:.0} s");
        });
        epochs.push(Epoch { loss, accuracy });
    }
    run.bar.finish_and_clear();
    println!("trained for {:.1} s", start.elapsed().as_secs_f32());
    Ok(epochs)
}

/// A training that is under way.
struct Run<'a, M> {
    model: &'a mut M,
    task: &'a Task<'a>,
    stop: &'a AtomicBool,
    random: Rng,
    bar: ProgressBar,
}

impl<M: Model> Run<'_, M> {
    /// Takes a step for each batch of the training images in this order, and gives the mean loss.
    fn epoch(&mut self, name: &str, order: &[usize]) -> nin::Result<f32> {
        let Recipe { batch, rate, schedule, .. } = self.task.recipe;
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        let (mut sum, mut right, mut seen) = (0.0, 0, 0.0);
        for batch in order.chunks(batch) {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            self.gather(batch, &mut pixels, &mut labels);
            let progress = self.bar.position() as f32 / self.bar.length().unwrap_or(1) as f32;
            let (loss, correct) =
                self.model.step(&pixels, &labels, rate * schedule.factor(progress))?;
            sum += loss * batch.len() as f32;
            right += correct;
            seen += batch.len() as f32;
            let (loss, accuracy) = (sum / seen, right as f32 / seen);
            self.bar.set_message(format!("{name}, loss {loss:.3}, accuracy {accuracy:.3}"));
            self.bar.inc(1);
        }
        Ok(sum / seen)
    }

    /// Puts the images and labels of a batch into the buffers.
    fn gather(&mut self, batch: &[usize], pixels: &mut Vec<f32>, labels: &mut Vec<u8>) {
        let Task { recipe, training, .. } = self.task;
        pixels.clear();
        labels.clear();
        for &i in batch {
            let change = if recipe.augment {
                Augmentation::random(&mut self.random)
            } else {
                Augmentation::default()
            };
            push_image(pixels, training.image(i), change, M::SIDE);
            labels.push(training.labels()[i]);
        }
    }
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
