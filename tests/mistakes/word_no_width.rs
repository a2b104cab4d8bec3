//! A block without its width.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        block(kernel = 5),
        block(10, kernel = 1),
        global_avg_pool,
    >
}

fn main() {}
