//! An empty list.

use nin::nin;

nin! {
    pub Net<
    >
}

fn main() {}
