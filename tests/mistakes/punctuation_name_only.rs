//! A name alone.

use nin::nin;

nin! {
    pub Net
}

fn main() {}
