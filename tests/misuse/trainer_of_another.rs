//! The trainer of another net.

use nin::prelude::*;

nin! {
    /// Reads images of 28 × 28.
    pub Net<input(1, 28, 28), block(10, kernel = 5), global_avg_pool>
}

nin! {
    /// Reads images of 28 × 28, too.
    pub Other<input(1, 28, 28), block(10, kernel = 3), global_avg_pool>
}

fn main() {
    let images: Vec<Box<Image<1, 28, 28>>> = vec![Image::zeros()];
    let mut net = Net::new(1);
    let mut trainer = Other::trainer::<16>(Sgd::new(0.1), 1);
    println!("{:?}", trainer.step(&mut net, &images, &[3]));
}
