//! An image without rows.

use nin::nin;

nin! {
    pub Net<
        input(1, 0, 28),
        block(10, kernel = 5, padding = 2),
        global_avg_pool,
    >
}

fn main() {}
