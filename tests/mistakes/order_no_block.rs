//! No block.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        max_pool(2),
        global_avg_pool,
    >
}

fn main() {}
