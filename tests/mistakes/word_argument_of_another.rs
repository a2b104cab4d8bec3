//! An argument of another element.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        block(10, kernel = 5, ceil = true),
        global_avg_pool,
    >
}

fn main() {}
