//! A window that fits the rows, but not the columns.

use nin::prelude::*;

nin! {
    pub Net<
        input(1, 40, 8),
        block(16, kernel = (3, 9)),
        block(10, kernel = 1),
        global_avg_pool,
    >
}

fn main() {
    let net = Net::new(1);
    let image = Image::from_fn(|_channel, _row, _column| 0.5);
    println!("{:?}", net.forward(&image, &mut Net::scratch()));
}
