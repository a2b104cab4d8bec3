//! An expected shape without parentheses.

use nin::prelude::*;

nin! {
    pub Net<
        input(1, 28, 28),
        block(32, kernel = 5) -> 32, 24, 24,
        block(10, kernel = 3),
        global_avg_pool,
    >
}

fn main() {
    let net = Net::new(1);
    let image = Image::from_fn(|_channel, _row, _column| 0.5);
    println!("{:?}", net.forward(&image, &mut Net::scratch()));
}
