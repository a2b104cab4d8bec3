//! Contract: define a net, look at its tables, run it. Compiles and runs as it stands.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs)]

use nin::prelude::*;

nin! {
    /// NiN of "Dive into Deep Learning", for one-channel images of 224 × 224.
    pub D2lNin<
        input(1, 224, 224),
        block(96, kernel = 11, stride = 4) -> (96, 54, 54),
        max_pool(3, stride = 2) -> (96, 26, 26),
        block(256, kernel = 5, padding = 2),
        max_pool(3, stride = 2),
        block(384, kernel = 3, padding = 1),
        max_pool(3, stride = 2),
        dropout(0.5),
        block(10, kernel = 3, padding = 1),
        global_avg_pool,
    >
}

nin! {
    /// The CIFAR-10 net of the NiN paper: three widths to a block, ceil-mode pools, one of them averaging.
    CifarNin<
        input(3, 32, 32),
        block(192, 160, 96, kernel = 5, padding = 2),
        max_pool(3, stride = 2, ceil = true) -> (96, 16, 16),
        dropout(0.5),
        block(192, kernel = 5, padding = 2),
        avg_pool(3, stride = 2, ceil = true) -> (192, 8, 8),
        dropout(0.5),
        block(192, 192, 10, kernel = 3, padding = 1),
        global_avg_pool,
    >
}

fn main() {
    assert_eq!(D2lNin::INPUT, [1, 224, 224]);
    assert_eq!(D2lNin::CLASSES, 10);
    assert_eq!(D2lNin::PARAMS, 1_992_166);
    assert_eq!(D2lNin::MACS, 762_297_352);
    assert_eq!(CifarNin::PARAMS, 966_986);
    assert_eq!(CifarNin::MACS, 222_486_528);
    for layer in D2lNin::LAYERS {
        println!("{layer}");
    }

    let net = D2lNin::new(42);
    let mut scratch = D2lNin::scratch();
    let image: Box<Image<1, 224, 224>> =
        Image::from_fn(|_c, y, x| ((y * 31 + x * 17) % 255) as f32 / 255.0);
    let logits: [f32; 10] = net.forward(&image, &mut scratch);
    assert!(logits.iter().all(|v| v.is_finite()));
    println!("logits {logits:?}");

    let cifar = CifarNin::new(7);
    let images: Vec<Box<Image<3, 32, 32>>> = (0..5)
        .map(|i| Image::from_fn(|c, y, x| ((i * 13 + c * 7 + y * 3 + x) % 32) as f32 / 32.0))
        .collect();
    let batch: Vec<[f32; 10]> = cifar.forward_batch(&images);
    let mut one = CifarNin::scratch();
    for (image, from_batch) in images.iter().zip(&batch) {
        assert_eq!(&cifar.forward(image, &mut one), from_batch);
    }
}
