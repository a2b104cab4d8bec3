//! A batch of another size in training.

use nin::prelude::*;

nin! {
    /// Reads images of 28 × 28.
    pub Net<input(1, 28, 28), block(10, kernel = 5), global_avg_pool>
}

fn main() {
    let images: Vec<Box<Image<1, 32, 32>>> = vec![Image::zeros()];
    let mut net = Net::new(1);
    let mut trainer = Net::trainer::<16>(Sgd::new(0.1), 1);
    println!("{:?}", trainer.step(&mut net, &images, &[3]));
}
