//! `out_channels`.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        block(out_channels = 10, kernel = 5),
        global_avg_pool,
    >
}

fn main() {}
