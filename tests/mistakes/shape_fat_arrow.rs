//! `=>` for `->`.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        block(32, kernel = 5) => (32, 24, 24),
        block(10, kernel = 3),
        global_avg_pool,
    >
}

fn main() {}
