//! The memory of weights, activations and gradients: floats that start on a cache line.

#[cfg(feature = "alloc")]
mod heap;
mod room;

pub use room::Room;

use core::ops::{Deref, DerefMut};

/// The unit in which buffers are aligned and sized: vector loads that are aligned to it never touch
/// two cache lines.
const LINE: usize = 64;

/// Whether the system gives huge pages to those who ask.
const HAS_HUGE_PAGES: bool = cfg!(all(target_os = "linux", feature = "std", not(miri)));
const HUGE_PAGE: usize = 2 << 20;

/// The unit in which a buffer of so many bytes is aligned and sized. Weights and activations are streamed: with
/// pages of 4 KiB, looking up addresses halves the bandwidth, and pages that lie anywhere crowd each other out of
/// the second cache. So a buffer that fills half a huge page or more has whole ones to itself.
const fn page(bytes: usize) -> usize {
    if HAS_HUGE_PAGES && bytes >= HUGE_PAGE / 2 { HUGE_PAGE } else { LINE }
}

/// A fixed number of floats, zero at first: from the allocator, or from a [`Room`].
pub struct Buffer(Memory);

enum Memory {
    #[cfg(feature = "alloc")]
    Heap(heap::Heap),
    Lent(&'static mut [f32]),
}

impl Buffer {
    /// `len` zeros from the allocator.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn zeros(len: usize) -> Self {
        Self(Memory::Heap(heap::Heap::zeros(len)))
    }

    /// Memory of a room: zeros that start on a cache line.
    pub(crate) fn lent(memory: &'static mut [f32]) -> Self {
        Self(Memory::Lent(memory))
    }

    /// The bytes that `len` floats take, in whole cache lines: those of a [`Room`] for them.
    #[must_use]
    pub const fn bytes(len: usize) -> usize {
        (len * size_of::<f32>()).next_multiple_of(LINE)
    }

    /// The bytes that a buffer of `len` floats takes from the allocator: whole huge pages, if it is large and the
    /// system has them.
    #[must_use]
    pub const fn allocated_bytes(len: usize) -> usize {
        let bytes = len * size_of::<f32>();
        bytes.next_multiple_of(page(bytes))
    }
}

/// The clone is from the allocator.
#[cfg(feature = "alloc")]
impl Clone for Buffer {
    fn clone(&self) -> Self {
        Self(Memory::Heap(heap::Heap::copy_of(self)))
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &self.0 {
            #[cfg(feature = "alloc")]
            Memory::Heap(floats) => floats,
            Memory::Lent(floats) => floats,
        }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        match &mut self.0 {
            #[cfg(feature = "alloc")]
            Memory::Heap(floats) => floats,
            Memory::Lent(floats) => floats,
        }
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_zeroed_and_as_long_as_asked() {
        for len in [0, 1, 16, 17, 1000, 1 << 20] {
            let mut buffer = Buffer::zeros(len);
            assert_eq!(buffer.len(), len);
            assert!(buffer.iter().all(|&x| x == 0.0));
            assert_eq!(buffer.as_ptr() as usize % LINE, 0);
            buffer.fill(1.0);
            let clone = buffer.clone();
            drop(buffer);
            assert_eq!(clone.iter().sum::<f32>(), len as f32);
        }
    }

    #[test]
    fn buffers_take_the_bytes_that_are_stated() {
        for bytes in [0, LINE, HUGE_PAGE / 2 - LINE, HUGE_PAGE / 2, HUGE_PAGE, 3 * HUGE_PAGE / 2] {
            let floats = bytes / size_of::<f32>();
            for len in floats.saturating_sub(1)..=floats + 1 {
                let size = heap::Heap::layout(len).size();
                assert_eq!(size, Buffer::allocated_bytes(len), "{len} floats");
            }
        }
    }
}
