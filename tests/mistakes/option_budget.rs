//! A budget of memory that is exceeded.

use nin::prelude::*;

nin! {
    pub Net<
        input(1, 28, 28),
        block(32, kernel = 5, padding = 2),
        max_pool(3, stride = 2),
        block(10, kernel = 3, padding = 1),
        global_avg_pool,
    > where ram_budget = 64 KiB
}

fn main() {
    let net = Net::new(1);
    let image = Image::from_fn(|_channel, _row, _column| 0.5);
    println!("{:?}", net.forward(&image, &mut Net::scratch()));
}
