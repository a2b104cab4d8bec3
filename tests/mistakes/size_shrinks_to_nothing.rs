//! The image has shrunk to nothing several layers later.

use nin::prelude::*;

nin! {
    pub Net<
        input(1, 28, 28),
        block(96, kernel = 11, stride = 4),
        max_pool(3, stride = 2),
        block(256, kernel = 5, padding = 2),
        max_pool(3, stride = 2),
        block(10, kernel = 3, padding = 1),
        global_avg_pool,
    >
}

fn main() {
    let net = Net::new(1);
    let image = Image::from_fn(|_channel, _row, _column| 0.5);
    println!("{:?}", net.forward(&image, &mut Net::scratch()));
}
