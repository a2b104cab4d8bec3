//! The scratch of another net.

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
    let image: Box<Image<1, 28, 28>> = Image::zeros();
    let logits = Net::new(1).forward(&image, &mut Other::scratch());
    println!("{logits:?}");
}
