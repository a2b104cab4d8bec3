//! An image that no machine can address.

use nin::nin;

nin! {
    pub Net<
        input(3, 4000000000, 4000000000),
        block(10, kernel = 5),
        global_avg_pool,
    >
}

fn main() {}
