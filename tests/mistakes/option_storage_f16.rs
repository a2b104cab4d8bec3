// Half-precision storage is not there yet.
use nin::prelude::*;

nin! {
    Net<
        input(1, 28, 28),
        block(10, kernel = 5),
        global_avg_pool,
    > where storage = f16
}

fn main() {}
