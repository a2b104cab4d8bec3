//! The name of a constant.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        block(CLASSES, kernel = 5) -> (10, 24, 24),
        global_avg_pool,
    >
}

fn main() {}
