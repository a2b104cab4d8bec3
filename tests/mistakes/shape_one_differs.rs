//! An expected shape whose rows differ.

use nin::prelude::*;

nin! {
    pub Net<
        input(1, 224, 224),
        block(96, kernel = 11, stride = 4) -> (96, 55, 54),
        block(10, kernel = 3),
        global_avg_pool,
    >
}

fn main() {
    let net = Net::new(1);
    let image = Image::from_fn(|_channel, _row, _column| 0.5);
    println!("{:?}", net.forward(&image, &mut Net::scratch()));
}
