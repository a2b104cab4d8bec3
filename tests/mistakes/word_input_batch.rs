//! An image with a batch size.

use nin::nin;

nin! {
    pub Net<
        input(64, 1, 28, 28),
        block(10, kernel = 5),
        global_avg_pool,
    >
}

fn main() {}
