//! An option given twice.

use nin::prelude::*;

nin! {
    pub Net<
        input(1, 28, 28),
        block(10, kernel = 5),
        global_avg_pool,
    > where storage = f32, storage = f32
}

fn main() {
    let net = Net::new(1);
    let image = Image::from_fn(|_channel, _row, _column| 0.5);
    println!("{:?}", net.forward(&image, &mut Net::scratch()));
}
