//! An expected shape of the image itself.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28) -> (3, 28, 28),
        block(10, kernel = 5),
        global_avg_pool,
    >
}

fn main() {}
