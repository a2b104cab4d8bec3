//! A pool larger than what reaches it.

use nin::prelude::*;

nin! {
    pub Net<
        input(3, 32, 32),
        block(32, kernel = 5, stride = 4),
        max_pool(3, stride = 2),
        max_pool(3, stride = 2),
        max_pool(3, stride = 2),
        block(10, kernel = 1),
        global_avg_pool,
    >
}

fn main() {
    let net = Net::new(1);
    let image = Image::from_fn(|_channel, _row, _column| 0.5);
    println!("{:?}", net.forward(&image, &mut Net::scratch()));
}
