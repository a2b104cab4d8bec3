//! An image of another size.

use nin::prelude::*;

nin! {
    /// Reads images of 28 × 28.
    pub Net<input(1, 28, 28), block(10, kernel = 5), global_avg_pool>
}

fn main() {
    let image: Box<Image<1, 32, 32>> = Image::zeros();
    let logits = Net::new(1).forward(&image, &mut Net::scratch());
    println!("{logits:?}");
}
