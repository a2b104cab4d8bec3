//! A unit that does not exist.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        block(10, kernel = 5),
        global_avg_pool,
    > where ram_budget = 256 KB
}

fn main() {}
