//! An image given as height, width, channels.

use nin::prelude::*;

nin! {
    pub Net<
        input(32, 32, 3),
        block(32, kernel = 5),
        block(10, kernel = 1),
        global_avg_pool,
    >
}

fn main() {
    let net = Net::new(1);
    let image = Image::from_fn(|_channel, _row, _column| 0.5);
    println!("{:?}", net.forward(&image, &mut Net::scratch()));
}
