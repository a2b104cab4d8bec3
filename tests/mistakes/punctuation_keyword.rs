//! A word of Rust as the name.

use nin::prelude::*;

nin! {
    pub Self<
        input(1, 28, 28),
        block(10, kernel = 5),
        global_avg_pool,
    >
}

fn main() {}
