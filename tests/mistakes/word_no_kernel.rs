//! A block without its kernel.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        block(10),
        global_avg_pool,
    >
}

fn main() {}
