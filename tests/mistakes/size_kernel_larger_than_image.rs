//! A kernel larger than the image.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        block(32, kernel = 29),
        block(10, kernel = 3, padding = 1),
        global_avg_pool,
    >
}

fn main() {}
