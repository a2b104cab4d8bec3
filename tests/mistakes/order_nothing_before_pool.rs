//! A pool where `input` belongs.

use nin::nin;

nin! {
    pub Net<
        avg_pool(2),
        input(1, 28, 28),
        block(10, kernel = 5),
        global_avg_pool,
    >
}

fn main() {}
