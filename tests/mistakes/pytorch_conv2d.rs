//! `Conv2d` with its channels.

use nin::prelude::*;

nin! {
    pub Net<
        input(1, 28, 28),
        nn.Conv2d(1, 32, kernel_size = 5, padding = 2),
        block(10, kernel = 3),
        global_avg_pool,
    >
}

fn main() {
    let net = Net::new(1);
    let image = Image::from_fn(|_channel, _row, _column| 0.5);
    println!("{:?}", net.forward(&image, &mut Net::scratch()));
}
