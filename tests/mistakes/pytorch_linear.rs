//! `Linear`.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        block(32, kernel = 5),
        Linear(18432, 10),
    >
}

fn main() {}
