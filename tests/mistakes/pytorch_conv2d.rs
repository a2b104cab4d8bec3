//! `Conv2d` with its channels.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        nn.Conv2d(1, 32, kernel_size = 5, padding = 2),
        block(10, kernel = 3),
        global_avg_pool,
    >
}

fn main() {}
