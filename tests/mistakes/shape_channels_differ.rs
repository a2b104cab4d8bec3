//! An expected shape with another number of channels.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        block(32, kernel = 5, padding = 2) -> (64, 28, 28),
        block(10, kernel = 3),
        global_avg_pool,
    >
}

fn main() {}
