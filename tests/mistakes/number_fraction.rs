//! A fraction where an integer belongs.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        block(10, kernel = 5),
        max_pool(2.5),
        global_avg_pool,
    >
}

fn main() {}
