//! An even kernel where the size should stay.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        block(32, kernel = 4, padding = 2) -> (32, 28, 28),
        block(10, kernel = 3),
        global_avg_pool,
    >
}

fn main() {}
