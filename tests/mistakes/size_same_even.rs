//! `same` padding for an even kernel.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        block(10, kernel = 4, padding = "same"),
        global_avg_pool,
    >
}

fn main() {}
