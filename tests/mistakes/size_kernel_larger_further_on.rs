//! A kernel larger than what earlier layers left.

use nin::prelude::*;

nin! {
    pub Net<
        input(1, 28, 28),
        block(32, kernel = 5),
        max_pool(3, stride = 2),
        max_pool(3, stride = 2),
        block(64, kernel = 11, stride = 4),
        block(10, kernel = 1),
        global_avg_pool,
    >
}

fn main() {
    let net = Net::new(1);
    let image = Image::from_fn(|_channel, _row, _column| 0.5);
    println!("{:?}", net.forward(&image, &mut Net::scratch()));
}
