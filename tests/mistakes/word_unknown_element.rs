//! An element that does not exist.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        transformer(8),
        block(10, kernel = 5),
        global_avg_pool,
    >
}

fn main() {}
