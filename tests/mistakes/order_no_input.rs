//! No `input`.

use nin::prelude::*;

nin! {
    pub Net<
        max_pool(3, stride = 2),
        block(10, kernel = 5),
        global_avg_pool,
    >
}

fn main() {
    let net = Net::new(1);
    let image = Image::from_fn(|_channel, _row, _column| 0.5);
    println!("{:?}", net.forward(&image, &mut Net::scratch()));
}
