//! A batch of arrays.

use nin::prelude::*;

nin! {
    /// Reads images of 28 × 28.
    pub Net<input(1, 28, 28), block(10, kernel = 5), global_avg_pool>
}

fn main() {
    let images = [[0.0_f32; 784]; 2];
    println!("{:?}", Net::new(1).forward_batch(&images));
}
