//! A window that fits the rows, but not the columns.

use nin::nin;

nin! {
    pub Net<
        input(1, 40, 8),
        block(16, kernel = (3, 9)),
        block(10, kernel = 1),
        global_avg_pool,
    >
}

fn main() {}
