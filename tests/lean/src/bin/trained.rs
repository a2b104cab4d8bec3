//! Training when `nin` has an allocator and no `std`.
#![forbid(unsafe_code)]

use lean::{IMAGE, SmallNin};
use nin::Sgd;

fn main() -> Result<(), nin::Error> {
    let mut net = SmallNin::new(1);
    let mut trainer = SmallNin::trainer::<2>(Sgd::new(0.05), 1);
    let first = trainer.step(&mut net, &[IMAGE, IMAGE], &[3, 3])?;
    let mut last = first;
    for _ in 0..20 {
        last = trainer.step(&mut net, &[IMAGE, IMAGE], &[3, 3])?;
    }
    assert!(last < first, "training lowers the loss: {first} -> {last}");
    Ok(())
}
