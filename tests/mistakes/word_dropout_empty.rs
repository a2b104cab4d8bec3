//! A dropout without its probability.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        block(10, kernel = 5),
        dropout,
        global_avg_pool,
    >
}

fn main() {}
