//! Defines a net, prints its table, classifies one image: `cargo run --release --example hello`.

use nin::prelude::*;

nin! {
    /// Ten classes for grey images of 28 × 28.
    Hello<
        input(1, 28, 28),
        block(32, kernel = 5, padding = 2),
        max_pool(3, stride = 2),
        block(10, kernel = 3, padding = 1) -> (10, 13, 13),
        global_avg_pool,
    >
}

fn main() {
    for layer in Hello::LAYERS {
        println!("{layer}");
    }
    let net = Hello::new(42);
    let image = Image::from_fn(|_channel, y, x| if x.abs_diff(y) < 3 { 1.0 } else { 0.0 });
    let logits = net.forward(&image, &mut Hello::scratch());
    println!("{} parameters, logits {logits:.3?}", Hello::PARAMS);
}
