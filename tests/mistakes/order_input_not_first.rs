//! `input` is not first.

use nin::nin;

nin! {
    pub Net<
        block(32, kernel = 5),
        input(1, 28, 28),
        block(10, kernel = 5),
        global_avg_pool,
    >
}

fn main() {}
