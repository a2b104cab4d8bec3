//! A negative dropout.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        block(10, kernel = 5),
        dropout(-0.5),
        global_avg_pool,
    >
}

fn main() {}
