//! `True` for `true`.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        block(10, kernel = 5),
        max_pool(3, stride = 2, ceil = True),
        global_avg_pool,
    >
}

fn main() {}
