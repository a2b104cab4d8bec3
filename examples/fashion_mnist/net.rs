//! The small net, the classes it tells apart, and the pixels it expects.

use nin::prelude::*;

/// The small net, under a name and with options.
macro_rules! fashion_nin {
    ($(#[$doc:meta])* $name:ident $($options:tt)*) => {
        nin! {
            $(#[$doc])*
            pub $name<
                input(1, 28, 28),
                block(32, kernel = 5, padding = 2),
                max_pool(3, stride = 2) -> (32, 13, 13),
                block(64, kernel = 3, padding = 1),
                max_pool(3, stride = 2) -> (64, 6, 6),
                dropout(0.3),
                block(96, kernel = 3, padding = 1),
                conv(10, kernel = 1, relu = false),
                global_avg_pool,
            > $($options)*
        }
    };
}

fashion_nin! {
    /// A NiN for images of 28 × 28. The last layer is a plain convolution: without a ReLU the logits may be
    /// negative, and it learns faster than the book's last block.
    FashionNin
}

/// The names of the classes.
pub const CLASSES: [&str; 10] = [
    "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot",
];

/// A pixel's value less the mean of Fashion-MNIST's pixels, over their standard deviation.
pub fn normalise(pixel: u8) -> f32 {
    const MEAN: f32 = 0.2860;
    const DEVIATION: f32 = 0.3530;
    (f32::from(pixel) / 255.0 - MEAN) / DEVIATION
}
