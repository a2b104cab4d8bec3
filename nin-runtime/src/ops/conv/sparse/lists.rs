//! Lists of the values of a matrix that are not zero: of its rows, and of its columns.

use super::CHUNK;
use crate::simd::{PANEL, Simd, padded};

/// Values that lists of pixels hold at a time: they share the first cache with what is summed.
const CAPACITY: usize = 1 << 12;
/// Pixels that get their lists at a time.
const PIXELS: usize = 64;
/// Channels whose values fit the lists, whatever they are, and a register more.
pub(super) const MAX_CHANNELS: usize = CAPACITY - PANEL;

/// Elements of space for a channel's list: a value and a place for each pixel of a chunk, and for one more, which
/// over a panel's channels is a register that may be written beyond the last.
pub(super) const LIST: usize = 2 * (CHUNK + 1);

/// Values that are not zero, and where that stands which they multiply.
#[derive(Clone, Copy)]
pub(super) struct List<'a> {
    values: &'a [f32],
    places: &'a [u32],
}

impl<'a> List<'a> {
    /// List `i` of those that stand one behind the other and end where `ends` says.
    #[inline(always)]
    fn of(values: &'a [f32], places: &'a [u32], ends: &[u32], i: usize) -> Self {
        let start = if i > 0 { ends[i - 1] as usize } else { 0 };
        let end = ends[i] as usize;
        Self { values: &values[start..end], places: &places[start..end] }
    }

    #[inline(always)]
    pub(super) fn len(self) -> usize {
        self.values.len()
    }

    /// Value `i` and its place.
    ///
    /// # Safety
    /// `i` must be less than the length.
    #[inline(always)]
    pub(super) unsafe fn get_unchecked(self, i: usize) -> (f32, usize) {
        // SAFETY: the caller's promise; both have the same length.
        unsafe { (*self.values.get_unchecked(i), *self.places.get_unchecked(i) as usize) }
    }
}

/// The lists of some pixels.
pub(super) struct PixelLists {
    values: [f32; CAPACITY],
    places: [u32; CAPACITY],
    /// Where each list ends.
    ends: [u32; PIXELS],
}

impl PixelLists {
    pub(super) fn new() -> Self {
        Self { values: [0.0; CAPACITY], places: [0; CAPACITY], ends: [0; PIXELS] }
    }

    /// Makes the lists of the first of the pixels `x`, which have `c` channels, padded, and returns of how many.
    /// Places are multiples of a panel's width.
    #[inline(always)]
    pub(super) fn fill<S: Simd>(&mut self, s: S, x: &[f32], c: usize) -> usize {
        let (row, end) = (padded(c), c * PANEL);
        assert!(row <= MAX_CHANNELS, "{c} channels");
        let mut len = 0;
        let pixels = x.chunks_exact(row).take(PIXELS);
        let mut count = 0;
        for (pixel, ends) in pixels.zip(&mut self.ends) {
            if len + row + PANEL > CAPACITY {
                break;
            }
            for (i, lanes) in pixel.chunks_exact(S::LANES).enumerate() {
                let places = ((i * S::LANES * PANEL) as u32, PANEL as u32);
                // SAFETY: the chunk is one register, and there is room for all the pixel's values and one
                // register more.
                len += unsafe {
                    let (to, places_to) = (self.values.as_mut_ptr(), self.places.as_mut_ptr());
                    let v = s.load(lanes.as_ptr());
                    s.store_nonzero(v, places, to.add(len), places_to.add(len))
                };
            }
            // What pads the channels is not zero where a net has diverged.
            while row > c && len > 0 && self.places[len - 1] as usize >= end {
                len -= 1;
            }
            *ends = len as u32;
            count += 1;
        }
        count
    }

    /// The list of a pixel that has been filled.
    #[inline(always)]
    pub(super) fn get(&self, pixel: usize) -> List<'_> {
        List::of(&self.values, &self.places, &self.ends, pixel)
    }
}

/// The lists of some channels over a chunk's pixels.
pub(super) struct ChannelLists<'a> {
    values: &'a mut [f32],
    places: &'a mut [u32],
    /// Where each list ends.
    ends: &'a mut [u32],
    columns: Columns,
}

/// A panel of a chunk's columns, as rows; of a chunk with fewer pixels, with zeros after them.
#[repr(align(64))]
struct Columns([f32; PANEL * CHUNK]);

impl<'a> ChannelLists<'a> {
    /// Lists as many as `ends` has elements, in a space of [`LIST`] elements each.
    pub(super) fn new(space: &'a mut [f32], ends: &'a mut [f32]) -> Self {
        assert_eq!(space.len(), LIST * ends.len(), "space of {} lists", ends.len());
        assert!(ends.len() >= PANEL, "whole panels");
        let (values, places) = space.split_at_mut(space.len() / 2);
        Self {
            values,
            places: as_u32(places),
            ends: as_u32(ends),
            columns: Columns([0.0; PANEL * CHUNK]),
        }
    }

    /// Makes the lists of the channels from `first` on of at most [`CHUNK`] pixels, whose rows are `row`
    /// elements apart. Places are multiples of `step`.
    #[inline(always)]
    pub(super) fn fill<S: Simd>(&mut self, s: S, x: &[f32], row: usize, first: usize, step: usize) {
        let pixels = x.len() / row;
        assert!(pixels <= CHUNK, "{pixels} pixels");
        let mut len = 0;
        for (panel, ends) in self.ends.chunks_exact_mut(PANEL).enumerate() {
            self.columns.transpose(s, x, row, first + panel * PANEL);
            for (column, ends) in self.columns.0.chunks_exact(CHUNK).zip(ends) {
                for pixel in (0..pixels).step_by(S::LANES) {
                    let lanes = column[pixel..pixel + S::LANES].as_ptr();
                    let places = ((pixel * step) as u32, step as u32);
                    // SAFETY: the lanes are one register. A list has at most CHUNK values, and there is
                    // room for one more a channel, which are a register.
                    len += unsafe {
                        let (to, places_to) = (self.values.as_mut_ptr(), self.places.as_mut_ptr());
                        s.store_nonzero(s.load(lanes), places, to.add(len), places_to.add(len))
                    };
                }
                *ends = len as u32;
            }
        }
    }

    /// The list of a channel.
    #[inline(always)]
    pub(super) fn get(&self, channel: usize) -> List<'_> {
        List::of(self.values, self.places, self.ends, channel)
    }
}

impl Columns {
    /// Takes the panel of columns from `first` on.
    #[inline(always)]
    fn transpose<S: Simd>(&mut self, s: S, x: &[f32], row: usize, first: usize) {
        let squares = x.chunks_exact(PANEL * row);
        let (rest, done) = (squares.remainder(), x.len() / (PANEL * row) * PANEL);
        for (i, x) in squares.enumerate() {
            transpose(s, &x[first..], row, &mut self.0[i * PANEL..], CHUNK);
        }
        if rest.is_empty() {
            return;
        }
        for (column, to) in self.0.chunks_exact_mut(CHUNK).enumerate() {
            to[done..done + PANEL].fill(0.0);
            for (x, to) in rest.chunks_exact(row).zip(&mut to[done..]) {
                *to = x[first + column];
            }
        }
    }
}

/// Transposes [`PANEL`] rows of as many elements, `from_row` apart, to rows `to_row` apart.
#[inline(always)]
pub(super) fn transpose<S: Simd>(
    s: S,
    from: &[f32],
    from_row: usize,
    to: &mut [f32],
    to_row: usize,
) {
    assert!(from.len() >= (PANEL - 1) * from_row + PANEL, "rows to read");
    assert!(to.len() >= (PANEL - 1) * to_row + PANEL, "rows to write");
    for i in (0..PANEL).step_by(S::LANES) {
        for j in (0..PANEL).step_by(S::LANES) {
            // SAFETY: both squares lie in their slices, as asserted.
            unsafe {
                let from = from.as_ptr().add(i * from_row + j);
                s.transpose(from, from_row, to.as_mut_ptr().add(j * to_row + i), to_row);
            }
        }
    }
}

/// A space for numbers of 32 bits, seen as integers.
fn as_u32(space: &mut [f32]) -> &mut [u32] {
    // SAFETY: size and alignment are the same, and any bits are a value of both.
    unsafe { core::slice::from_raw_parts_mut(space.as_mut_ptr().cast(), space.len()) }
}
