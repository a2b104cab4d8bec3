//! Training when `nin` has an allocator and no `std`, or threads as well. Prints a sum of all bits of the weights that
//! it comes to, and of the logits that these give.
#![forbid(unsafe_code)]

use lean::SmallNin;
use nin::{Image, Sgd};

const IMAGES: usize = 12;

fn main() -> Result<(), nin::Error> {
    let image =
        |i: usize| Image::from_fn(|_, y, x| ((i * 29 + y * 31 + x * 17) % 97) as f32 / 96.0);
    let images: Vec<Box<Image<1, 28, 28>>> = (0..IMAGES).map(image).collect();
    let labels: Vec<u8> = (0..IMAGES as u8).map(|i| i % 3).collect();
    let mut net = SmallNin::new(1);
    let sgd = Sgd::new(0.02).momentum(0.9).weight_decay(1e-3);
    let mut trainer = SmallNin::trainer::<IMAGES>(sgd, 1);
    let first = trainer.step(&mut net, &images, &labels)?;
    let mut last = first;
    for _ in 0..20 {
        last = trainer.step(&mut net, &images, &labels)?;
    }
    assert!(last < first, "training lowers the loss: {first} -> {last}");
    let logits = net.forward_batch(&images);
    println!("weights {:016x}", digest(net.parameters()));
    println!("logits  {:016x}", digest(logits.as_flattened()));
    Ok(())
}

/// FNV-1a of the values' bits.
fn digest(values: &[f32]) -> u64 {
    let bytes = values.iter().flat_map(|value| value.to_bits().to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
