//! No `input`.

use nin::nin;

nin! {
    pub Net<
        max_pool(3, stride = 2),
        block(10, kernel = 5),
        global_avg_pool,
    >
}

fn main() {}
