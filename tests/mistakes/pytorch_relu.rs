//! `ReLU`.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        conv(32, kernel = 5),
        ReLU(),
        block(10, kernel = 5),
        global_avg_pool,
    >
}

fn main() {}
