//! Nets that several tests share.

#![allow(dead_code, reason = "no test needs all of it")]

use nin::prelude::*;

/// A net of every element, odd sizes, and both algorithms in all passes; layers are large enough for
/// threads to share them.
macro_rules! mixed {
    ($name:ident $($options:tt)*) => {
        nin! {
            pub $name<
                input(3, 45, 39),
                block(24, 17, 40, kernel = 5, stride = 2, padding = 2),
                max_pool(3, stride = 2, ceil = true),
                dropout(0.3),
                conv(48, kernel = 3, padding = 1),
                avg_pool(3, stride = (1, 2), padding = 1),
                conv(35, kernel = (3, 2), stride = (2, 1), padding = 1, algorithm = direct),
                conv(33, kernel = 3, padding = 1, relu = false, algorithm = direct),
                dropout(0.5),
                block(10, kernel = 3, padding = 1),
                global_avg_pool,
            > $($options)*
        }
    };
}

mixed!(Mixed);
mixed!(MixedF16 where storage = f16);
mixed!(MixedBf16 where storage = bf16);

/// NiN of "Dive into Deep Learning". Without dropout, so that its gradients can be compared with PyTorch's.
macro_rules! d2l {
    ($name:ident $($options:tt)*) => {
        nin! {
            pub $name<
                input(1, 224, 224),
                block(96, kernel = 11, stride = 4),
                max_pool(3, stride = 2),
                block(256, kernel = 5, padding = 2),
                max_pool(3, stride = 2),
                block(384, kernel = 3, padding = 1),
                max_pool(3, stride = 2),
                dropout(0.0),
                block(10, kernel = 3, padding = 1),
                global_avg_pool,
            > $($options)*
        }
    };
}

d2l!(D2lNin);
d2l!(D2lF16 where storage = f16);

/// An image for [`Mixed`].
pub type MixedImage = Image<3, 45, 39>;

/// `n` different images for [`Mixed`].
pub fn images(n: usize) -> Vec<Box<MixedImage>> {
    let mut rng = nin::Rng::new(7);
    (0..n).map(|_| Image::from_fn(|_c, _y, _x| rng.uniform())).collect()
}

/// Their labels.
pub fn labels(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i * 7 % 10) as u8).collect()
}
