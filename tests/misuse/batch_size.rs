//! A batch of images of another size.

use nin::prelude::*;

nin! {
    /// Reads images of 28 × 28.
    pub Net<input(1, 28, 28), block(10, kernel = 5), global_avg_pool>
}

fn main() {
    let images: Vec<Box<Image<3, 28, 28>>> = vec![Image::zeros(), Image::zeros()];
    println!("{:?}", Net::new(1).forward_batch(&images));
}
