//! Memory in a `static`, for programs without an allocator.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// `BYTES` bytes for a net's weights or scratch, to stand in a `static`: zeros, which take no space in the
/// program's file. It can be taken once.
///
/// ```
/// static SCRATCH: nin_runtime::Room<4096> = nin_runtime::Room::new();
///
/// let floats: &'static mut [f32] = SCRATCH.take().expect("nobody has taken it yet");
/// assert_eq!(floats.len(), 1024);
/// assert!(SCRATCH.take().is_none());
/// ```
#[repr(C, align(64))]
pub struct Room<const BYTES: usize> {
    memory: UnsafeCell<[u8; BYTES]>,
    taken: AtomicBool,
}

// SAFETY: the memory is reached only by the one call of `take` that finds the room free.
unsafe impl<const BYTES: usize> Sync for Room<BYTES> {}

impl<const BYTES: usize> Room<BYTES> {
    /// A room of zeros.
    #[expect(
        clippy::new_without_default,
        reason = "it is for a `static`, where `default` cannot be called"
    )]
    #[must_use]
    pub const fn new() -> Self {
        Self { memory: UnsafeCell::new([0; BYTES]), taken: AtomicBool::new(false) }
    }

    /// The room as floats that start on a cache line; `None` if it has been taken before.
    #[expect(clippy::mut_from_ref, reason = "the flag gives the memory to one caller only")]
    pub fn take(&'static self) -> Option<&'static mut [f32]> {
        let free = !self.taken.swap(true, Ordering::Relaxed);
        let start = self.memory.get().cast::<f32>();
        // SAFETY: that many floats fit, at the start of a type of their alignment; all bits are floats,
        // and nobody else reaches them: the flag is never cleared.
        free.then(|| unsafe { core::slice::from_raw_parts_mut(start, BYTES / size_of::<f32>()) })
    }
}
