//! Buffers of `f32` that start on a cache line.

use alloc::boxed::Box;
use bytemuck::{Pod, Zeroable};
use core::ops::{Deref, DerefMut};

/// One cache line: vector loads that are aligned to it never touch two lines.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

// SAFETY: an array of floats that fills its alignment: no padding, any bits are a value.
unsafe impl Zeroable for Line {}
// SAFETY: as above.
unsafe impl Pod for Line {}

/// A fixed number of floats, zero at first, on a 64-byte boundary.
#[derive(Clone)]
pub struct Buffer {
    lines: Box<[Line]>,
    len: usize,
}

impl Buffer {
    /// `len` zeros; the allocator gives large ones without touching the memory.
    #[must_use]
    pub fn zeros(len: usize) -> Self {
        Self { lines: bytemuck::zeroed_slice_box(len.div_ceil(16)), len }
    }

    /// The bytes that a buffer of `len` floats takes from the allocator.
    #[must_use]
    pub const fn bytes(len: usize) -> usize {
        len.div_ceil(16) * size_of::<Line>()
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_zeroed_and_as_long_as_asked() {
        for len in [0, 1, 16, 17, 1000] {
            let mut buffer = Buffer::zeros(len);
            assert_eq!(buffer.len(), len);
            assert!(buffer.iter().all(|&x| x == 0.0));
            assert_eq!(buffer.as_ptr() as usize % 64, 0);
            buffer.fill(1.0);
            assert_eq!(buffer.clone().iter().sum::<f32>(), len as f32);
        }
    }
}
