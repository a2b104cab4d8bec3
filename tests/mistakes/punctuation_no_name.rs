//! No name.

use nin::prelude::*;

nin! {
    <
        input(1, 28, 28),
        block(10, kernel = 5),
        global_avg_pool,
    >
}

fn main() {}
