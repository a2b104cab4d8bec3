//! A net with its weights in the program, and how to run it without `std` and without an allocator.
#![no_std]
#![forbid(unsafe_code)]

use core::fmt;
use nin::{Image, Room, nin};

nin! {
    /// Ten classes for images of 28 × 28.
    pub SmallNin<
        input(1, 28, 28),
        block(32, kernel = 5, padding = 2),
        max_pool(3, stride = 2),
        block(64, kernel = 3, padding = 1),
        max_pool(3, stride = 2),
        dropout(0.5),
        block(10, kernel = 3, padding = 1),
        global_avg_pool,
    > where weights = "small.safetensors"
}

static WEIGHTS: Room<{ SmallNin::WEIGHTS_BYTES }> = Room::new();
static SCRATCH: Room<{ SmallNin::SCRATCH_BYTES }> = Room::new();

/// Rings around the middle.
pub static IMAGE: Image<1, 28, 28> = Image::new([{
    let mut rows = [[0.0; 28]; 28];
    let mut i = 0_usize;
    while i < 28 * 28 {
        let (y, x) = (i / 28, i % 28);
        let distance = y.abs_diff(14) * y.abs_diff(14) + x.abs_diff(14) * x.abs_diff(14);
        rows[y][x] = (distance % 97) as f32 / 96.0;
        i += 1;
    }
    rows
}]);

/// The logits of [`IMAGE`], computed in the two rooms; `None` if they are taken.
pub fn logits() -> Option<Logits> {
    let net = SmallNin::pretrained_in(&WEIGHTS)?;
    let mut scratch = SmallNin::scratch_in(&SCRATCH)?;
    Some(Logits(net.forward(&IMAGE, &mut scratch)))
}

/// Logits that print as their bits, a line each.
pub struct Logits(pub [f32; SmallNin::CLASSES]);

impl fmt::Display for Logits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|logit| writeln!(f, "{:08x}", logit.to_bits()))
    }
}
