//! `global_avg_pool` is not last.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        block(32, kernel = 5),
        global_avg_pool,
        block(10, kernel = 5),
    >
}

fn main() {}
