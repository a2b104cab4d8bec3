//! An element with a name of its own.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        first: block(32, kernel = 3),
        block(10, kernel = 3),
        global_avg_pool,
    >
}

fn main() {}
