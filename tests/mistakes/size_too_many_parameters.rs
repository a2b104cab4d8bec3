//! More parameters than a machine can address.

use nin::prelude::*;

nin! {
    pub Net<
        input(3, 32, 32),
        block(100000000, kernel = 5, padding = 2),
        block(10, kernel = 1),
        global_avg_pool,
    >
}

fn main() {
    let net = Net::new(1);
    let image = Image::from_fn(|_channel, _row, _column| 0.5);
    println!("{:?}", net.forward(&image, &mut Net::scratch()));
}
