//! Buffers between unreadable pages.

use std::ops::{Deref, DerefMut};

/// Which end of a buffer touches an unreadable page.
#[derive(Clone, Copy, Debug)]
pub enum Side {
    Before,
    After,
}

/// Floats in pages of their own, with an unreadable page before and one after them.
pub struct Guarded {
    pages: *mut libc::c_void,
    size: usize,
    start: *mut f32,
    len: usize,
}

const PAGE: usize = 4096;

impl Guarded {
    pub fn new(values: &[f32], side: Side) -> Self {
        let bytes = size_of_val(values);
        let inside = bytes.next_multiple_of(PAGE).max(PAGE);
        let size = inside + 2 * PAGE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: new pages, of which nobody else knows; then those in the middle are opened, and the
        // values fit them.
        unsafe {
            let pages = libc::mmap(std::ptr::null_mut(), size, libc::PROT_NONE, flags, -1, 0);
            assert!(pages != libc::MAP_FAILED, "no memory");
            let open = libc::PROT_READ | libc::PROT_WRITE;
            assert_eq!(libc::mprotect(pages.byte_add(PAGE), inside, open), 0);
            let offset = match side {
                Side::Before => PAGE,
                Side::After => PAGE + inside - bytes,
            };
            let start = pages.byte_add(offset).cast::<f32>();
            start.copy_from_nonoverlapping(values.as_ptr(), values.len());
            Self { pages, size, start, len: values.len() }
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the pages are this buffer's own.
        unsafe { libc::munmap(self.pages, self.size) };
    }
}

// SAFETY: the pages belong to the buffer alone.
unsafe impl Sync for Guarded {}

impl Deref for Guarded {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: written when the buffer was made.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}

impl DerefMut for Guarded {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }
}
