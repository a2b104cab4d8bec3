//! `AdaptiveAvgPool2d`.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        block(10, kernel = 5),
        AdaptiveAvgPool2d((1, 1)),
    >
}

fn main() {}
