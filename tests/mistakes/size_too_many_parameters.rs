//! More parameters than a machine can address.

use nin::nin;

nin! {
    pub Net<
        input(3, 32, 32),
        block(100000000, kernel = 5, padding = 2),
        block(10, kernel = 1),
        global_avg_pool,
    >
}

fn main() {}
