//! An argument given twice.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        block(10, kernel = 5, padding = 2, kernel = 3),
        global_avg_pool,
    >
}

fn main() {}
