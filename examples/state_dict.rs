//! Takes weights that PyTorch saved, classifies images with them, saves them again.
//!
//! `tests/round_trip.py` runs it against PyTorch itself:
//! `state_dict WEIGHTS IMAGES SAVED`, where `WEIGHTS` and `SAVED` are `.safetensors` files and `IMAGES`
//! has the pixels of images as little-endian `f32`. It prints a line of logits for each image.

use std::{env, error::Error, fs, path::Path};

use nin::prelude::*;

nin! {
    D2lNin<
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
    >
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [weights, images, saved] = arguments.as_slice() else {
        return Err("usage: state_dict WEIGHTS IMAGES SAVED".into());
    };
    let net = D2lNin::load(Path::new(weights))?;
    let pixels: Vec<f32> =
        fs::read(images)?.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    for logits in net.forward_batch(Image::<1, 224, 224>::slice_from(&pixels)?) {
        println!("{logits:?}");
    }
    net.save(Path::new(saved))?;
    Ok(())
}
