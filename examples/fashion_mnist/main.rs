//! Trains a Network-in-Network on Fashion-MNIST: `cargo run --release --example fashion_mnist`.
//!
//! It learns from the subset in `examples/data` unless `--data` names a folder with the four files of the
//! full set, and writes the weights, the curves of loss and accuracy, and a picture of some test images
//! with predictions. Ctrl-C saves the weights and leaves; `--resume` takes them up again.

#[macro_use]
mod net;

mod data;
mod model;
mod report;
mod train;

use std::{
    error::Error,
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicBool, Ordering},
};

use clap::{Parser, ValueEnum};

use data::Data;
use model::{BookTraining, DirectTraining, FashionTraining, Model};
use train::{Recipe, Schedule, Task};

/// Trains a Network-in-Network on Fashion-MNIST.
#[derive(Parser)]
struct Options {
    /// Folder with the four IDX files, gzip-compressed or plain [default: the subset in this repository]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The net to train
    #[arg(long, value_enum, default_value_t = Net::Small)]
    net: Net,
    /// Passes over the training images [default: 40 for the small net, 12 if there are more than 20,000;
    /// 10 for d2l]
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,
    /// Images in a step, at most 256 for the small net and 128 for d2l [default: 32; for d2l 128 of
    /// 60,000 images and fewer of fewer]
    #[arg(long, value_name = "N")]
    batch: Option<NonZeroUsize>,
    /// Seed of weights, order, augmentation and dropout
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Learning rate, the highest of its schedule [default: 0.05 for the small net, 0.1 for d2l]
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    lr: Option<f32>,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Weights to go on from
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// Folder for the results
    #[arg(long, value_name = "DIR", default_value = "target/fashion_mnist")]
    out: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Net {
    /// A net of 28 × 28 images, which learns in a minute
    Small,
    /// The same by direct sums alone, to compare Winograd's algorithm with
    SmallDirect,
    /// The net of "Dive into Deep Learning", on images scaled to 224 × 224, by the book's recipe
    D2l,
}

impl Options {
    /// The net's recipe for so many training images, with what was asked for on the command line.
    fn recipe(&self, images: usize) -> Recipe {
        let recipe = match self.net {
            Net::Small | Net::SmallDirect => Recipe {
                epochs: if images > 20_000 { 12 } else { 40 },
                batch: 32,
                rate: 0.05,
                schedule: Schedule::OneCycle,
                momentum: 0.9,
                weight_decay: 5e-4,
                augment: true,
            },
            Net::D2l => Recipe {
                epochs: 10,
                // As many steps to an epoch as in the book, also with fewer images than its 60,000: the first
                // five hundred steps hardly move the loss, since Xavier's weights let the signal fade.
                batch: (128 * images).div_ceil(60_000).clamp(1, 128),
                rate: 0.1,
                schedule: Schedule::Constant,
                momentum: 0.0,
                weight_decay: 0.0,
                augment: false,
            },
        };
        Recipe {
            epochs: self.epochs.unwrap_or(recipe.epochs),
            batch: self.batch.map_or(recipe.batch, NonZeroUsize::get),
            rate: self.lr.unwrap_or(recipe.rate),
            ..recipe
        }
    }
}

fn parse_rate(text: &str) -> Result<f32, String> {
    let rate = text.parse().map_err(|e| format!("{e}"))?;
    if rate > 0.0 && rate < f32::INFINITY {
        Ok(rate)
    } else {
        Err("expected a positive number".into())
    }
}

fn main() {
    let options = Options::parse();
    let run = || match options.net {
        Net::Small => run::<FashionTraining>(&options),
        Net::SmallDirect => run::<DirectTraining>(&options),
        Net::D2l => run::<BookTraining>(&options),
    };
    let result = match options.threads {
        Some(threads) => nin::Threads::new(threads.get()).install(run),
        None => run(),
    };
    if let Err(error) = result {
        eprintln!("error: {error}");
        process::exit(1);
    }
}

fn run<M: Model>(options: &Options) -> Result<(), Box<dyn Error>> {
    let subset = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/fashion-mnist");
    let folder = options.data.as_deref().unwrap_or(&subset);
    let (training, test) = (Data::read(folder, "train")?, Data::read(folder, "t10k")?);
    println!("{} training and {} test images of {}", training.len(), test.len(), folder.display());

    let recipe = options.recipe(training.len());
    let mut model = M::new(&recipe, options.seed, options.resume.as_deref())?;
    fs::create_dir_all(&options.out)?;
    let weights = options.out.join("weights.safetensors");
    let task = Task { recipe, training: &training, test: &test, seed: options.seed };
    let save = |model: &M| model.save(&weights);
    let epochs = train::train(&mut model, &task, save, stop_on_ctrl_c()?)?;
    println!("weights: {}", weights.display());

    let logits = train::predict(&model, &test)?;
    report::print_confusion(&logits, &test);
    let curve = options.out.join("curve.svg");
    report::draw_curve(&curve, &epochs)?;
    let predictions = options.out.join("predictions.svg");
    report::draw_predictions(&predictions, &logits, &test)?;
    println!("curve: {}\npredictions: {}", curve.display(), predictions.display());
    Ok(())
}

/// A flag that Ctrl-C sets. The second Ctrl-C ends the process at once.
fn stop_on_ctrl_c() -> Result<&'static AtomicBool, ctrlc::Error> {
    static STOP: AtomicBool = AtomicBool::new(false);
    ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            process::exit(130);
        }
    })?;
    Ok(&STOP)
}
