//! A dropout of 1.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        block(10, kernel = 5),
        dropout(1.0),
        global_avg_pool,
    >
}

fn main() {}
