//! The kernel without its name.

use nin::prelude::*;

nin! {
    pub Net<
        input(1, 28, 28),
        block(10, 5),
        global_avg_pool,
    >
}

fn main() {
    let net = Net::new(1);
    let image = Image::from_fn(|_channel, _row, _column| 0.5);
    println!("{:?}", net.forward(&image, &mut Net::scratch()));
}
