//! Kernel, stride and padding without names.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        block(32, 5, 1, 2),
        block(10, kernel = 3),
        global_avg_pool,
    >
}

fn main() {}
