//! No `global_avg_pool`.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        block(32, kernel = 5),
        block(10, kernel = 5),
    >
}

fn main() {}
