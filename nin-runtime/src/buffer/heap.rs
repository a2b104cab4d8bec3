//! Floats from the allocator: in cache lines of their own, or in huge pages of their own if they are many.

use alloc::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use super::page;
use crate::simd::CacheLineAligned;

/// A fixed number of floats, zero at first.
pub(super) struct Heap {
    start: NonNull<f32>,
    len: usize,
}

// SAFETY: the buffer owns its memory, and floats may be used from any thread.
unsafe impl Send for Heap {}
// SAFETY: as above; shared access only reads.
unsafe impl Sync for Heap {}

impl Heap {
    /// `len` zeros.
    pub(super) fn zeros(len: usize) -> Self {
        let buffer = Self::uninitialised(len);
        // SAFETY: the memory is the buffer's own; zero bits are a float.
        unsafe { buffer.start.write_bytes(0, len) };
        buffer
    }

    /// The same floats in memory of their own.
    pub(super) fn copy_of(floats: &[f32]) -> Self {
        let copy = Self::uninitialised(floats.len());
        // SAFETY: both have as many floats, and the new ones are nobody else's.
        unsafe { copy.start.as_ptr().copy_from_nonoverlapping(floats.as_ptr(), floats.len()) };
        copy
    }

    /// A buffer whose elements must be written before it is read.
    fn uninitialised(len: usize) -> Self {
        let layout = Self::layout(len);
        if layout.size() == 0 {
            return Self { start: NonNull::<CacheLineAligned>::dangling().cast(), len };
        }
        // SAFETY: the layout has a size.
        let start = unsafe { alloc(layout) };
        let Some(start) = NonNull::new(start) else { handle_alloc_error(layout) };
        ask_for_huge_pages(start, layout);
        Self { start: start.cast(), len }
    }

    pub(super) fn layout(len: usize) -> Layout {
        let bytes = len.checked_mul(size_of::<f32>()).expect("a buffer that can be addressed");
        let page = page(bytes);
        bytes
            .checked_next_multiple_of(page)
            .and_then(|size| Layout::from_size_align(size, page).ok())
            .expect("a buffer that can be addressed")
    }
}

/// Asks the system to back a large buffer with huge pages; it may refuse, which does no harm.
#[cfg(all(target_os = "linux", feature = "std", not(miri)))]
fn ask_for_huge_pages(start: NonNull<u8>, layout: Layout) {
    if layout.align() == super::HUGE_PAGE {
        // SAFETY: the range is this process's own, page-aligned memory; the advice changes no bytes.
        unsafe { libc::madvise(start.as_ptr().cast(), layout.size(), libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(all(target_os = "linux", feature = "std", not(miri))))]
fn ask_for_huge_pages(_: NonNull<u8>, _: Layout) {}

impl Drop for Heap {
    fn drop(&mut self) {
        let layout = Self::layout(self.len);
        if layout.size() > 0 {
            // SAFETY: allocated with this very layout.
            unsafe { dealloc(self.start.as_ptr().cast(), layout) };
        }
    }
}

impl Deref for Heap {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: `len` floats that were initialised when the buffer was made.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for Heap {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as for `deref`, and borrowed alone.
        unsafe { core::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}
