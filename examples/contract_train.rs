//! Contract: train a net, save it, load it back. Compiles and runs as it stands.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs)]

use nin::prelude::*;

nin! {
    /// A small net for 28 × 28 images.
    pub SmallNin<
        input(1, 28, 28),
        block(32, kernel = 5, padding = 2),
        max_pool(3, stride = 2),
        block(64, kernel = 3, padding = 1),
        max_pool(3, stride = 2),
        dropout(0.5),
        block(10, kernel = 3, padding = 1),
        global_avg_pool,
    >
}

fn main() -> Result<(), nin::Error> {
    // Ten classes of stripes that differ in period.
    let images: Vec<Box<Image<1, 28, 28>>> = (0..160)
        .map(|i| {
            Image::from_fn(
                |_c, y, x| if ((x + y * (i % 3)) / (i % 10 + 1)) % 2 == 0 { 1.0 } else { 0.0 },
            )
        })
        .collect();
    let labels: Vec<u8> = (0..160).map(|i| (i % 10) as u8).collect();

    let mut net = SmallNin::new(1);
    let mut trainer = SmallNin::trainer::<16>(Sgd::new(0.05).momentum(0.9).weight_decay(5e-4), 2);
    let mut first = 0.0;
    let mut last = 0.0;
    for epoch in 0..10 {
        let mut sum = 0.0;
        for (images, labels) in images.chunks(16).zip(labels.chunks(16)) {
            sum += trainer.step(&mut net, images, labels)?; // mean cross-entropy of the batch
        }
        let mean = sum / 10.0;
        if epoch == 0 {
            first = mean;
        }
        last = mean;
        println!("epoch {epoch}: loss {mean:.4}");
    }
    assert!(last < first, "training lowers the loss: {first} -> {last}");

    let path = std::env::temp_dir().join("small-nin.safetensors");
    net.save(&path)?;
    let loaded = SmallNin::load(&path)?;
    assert_eq!(net.forward_batch(&images), loaded.forward_batch(&images));

    // What doesn't fit is an error that says so, and the net is as it was.
    assert!(trainer.step(&mut net, &images[..16], &[11; 16]).is_err()); // no class 11
    assert!(trainer.step(&mut net, &images[..17], &labels[..17]).is_err()); // more than the batch
    assert!(trainer.step(&mut net, &images[..3], &labels[..2]).is_err()); // a label short
    assert_eq!(net.forward_batch(&images), loaded.forward_batch(&images));
    Ok(())
}
