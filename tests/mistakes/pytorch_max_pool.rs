//! `MaxPool2d`.

use nin::nin;

nin! {
    pub Net<
        input(1, 28, 28),
        block(10, kernel = 5),
        MaxPool2d(kernel_size = 3, stride = 2, ceil_mode = True),
        global_avg_pool,
    >
}

fn main() {}
