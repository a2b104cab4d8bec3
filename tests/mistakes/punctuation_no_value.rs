//! No value.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        block(10, kernel = ),
        global_avg_pool,
    >
}

fn main() {}
