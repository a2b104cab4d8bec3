//! `same` padding for an odd kernel.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        block(10, kernel = 5, padding = same),
        global_avg_pool,
    >
}

fn main() {}
