//! Classifies pictures with saved weights: `cargo run --release --example classify -- shoe.png shirt.jpg`.
//!
//! The weights are those of the `fashion_mnist` example, `target/fashion_mnist/weights.safetensors`
//! unless `--weights` names another file. A picture may have any size and colours. It is made what the
//! net has learned from: grey, light clothes on black (a picture whose border is bright is inverted),
//! the longer side scaled to 28 pixels, centred, and normalised.

#[path = "fashion_mnist/net.rs"]
mod net;

use std::{error::Error, path::PathBuf, process};

use clap::Parser;
use image::{
    GrayImage,
    imageops::{self, FilterType},
};
use nin::prelude::*;

use net::{CLASSES, FashionNin, normalise};

const SIDE: u32 = 28;

/// Classifies pictures of clothes.
#[derive(Parser)]
struct Options {
    /// Weights that the example `fashion_mnist` has saved
    #[arg(long, value_name = "FILE", default_value = "target/fashion_mnist/weights.safetensors")]
    weights: PathBuf,
    /// Pictures, PNG or JPEG
    #[arg(required = true, value_name = "PICTURE")]
    pictures: Vec<PathBuf>,
}

fn main() {
    if let Err(error) = run(&Options::parse()) {
        eprintln!("error: {error}");
        process::exit(1);
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let net = FashionNin::load(&options.weights)?;
    let mut scratch = FashionNin::scratch();
    for path in &options.pictures {
        let picture = image::open(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let picture = prepare(picture.into_luma8());
        let image = Image::from_fn(|_, y, x| normalise(picture[(x as u32, y as u32)].0[0]));
        let logits = net.forward(&image, &mut scratch);
        println!("{}: {}", path.display(), describe(&logits));
    }
    Ok(())
}

/// A picture like those of Fashion-MNIST.
fn prepare(mut picture: GrayImage) -> GrayImage {
    if border_is_bright(&picture) {
        imageops::invert(&mut picture);
    }
    let (width, height) = picture.dimensions();
    let longer = width.max(height).max(1);
    let scale = |length: u32| (length * SIDE / longer).max(1);
    let scaled = imageops::resize(&picture, scale(width), scale(height), FilterType::Triangle);
    let mut square = GrayImage::new(SIDE, SIDE);
    let margin = |length: u32| i64::from(SIDE - length) / 2;
    imageops::overlay(&mut square, &scaled, margin(scaled.width()), margin(scaled.height()));
    square
}

fn border_is_bright(picture: &GrayImage) -> bool {
    let (width, height) = picture.dimensions();
    let border = picture
        .enumerate_pixels()
        .filter(|(x, y, _)| *x == 0 || *y == 0 || *x == width - 1 || *y == height - 1)
        .map(|(_, _, pixel)| u64::from(pixel.0[0]));
    let (sum, count) = border.fold((0, 0), |(sum, count), value| (sum + value, count + 1));
    sum > 127 * count
}

/// The three likeliest classes, with the softmax of the logits as their probabilities.
fn describe(logits: &[f32; 10]) -> String {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|logit| (logit - largest).exp()).sum();
    let mut classes: Vec<usize> = (0..10).collect();
    classes.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
    let part = |class: usize| 100.0 * (logits[class] - largest).exp() / sum;
    classes[..3]
        .iter()
        .map(|class| format!("{} {:.1} %", CLASSES[*class], part(*class)))
        .collect::<Vec<_>>()
        .join(", ")
}
