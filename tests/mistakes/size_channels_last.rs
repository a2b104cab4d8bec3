//! An image given as height, width, channels.

use nin::nin;

nin! {
    pub Net<
        input(32, 32, 3),
        block(32, kernel = 5),
        block(10, kernel = 1),
        global_avg_pool,
    >
}

fn main() {}
