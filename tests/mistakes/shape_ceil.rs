//! A pool that rounds down where up was meant.

use nin::prelude::*;

nin! {
    pub Net<
        input(3, 32, 32),
        block(32, kernel = 3, padding = 1),
        max_pool(3, stride = 2) -> (32, 16, 16),
        block(10, kernel = 3),
        global_avg_pool,
    >
}

fn main() {
    let net = Net::new(1);
    let image = Image::from_fn(|_channel, _row, _column| 0.5);
    println!("{:?}", net.forward(&image, &mut Net::scratch()));
}
