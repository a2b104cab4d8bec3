//! An expected shape of another size.

use nin::nin;

nin! {
    pub Net<
        input(1, 224, 224),
        block(96, kernel = 11, stride = 4) -> (96, 55, 55),
        block(10, kernel = 3),
        global_avg_pool,
    >
}

fn main() {}
