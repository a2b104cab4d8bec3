//! The same with `std`, and memory from the allocator.
#![forbid(unsafe_code)]

use lean::{IMAGE, Logits, SmallNin};

fn main() {
    let net = SmallNin::pretrained();
    print!("{}", Logits(net.forward(&IMAGE, &mut SmallNin::scratch())));
}
