//! Which values of a matrix are not zero, as bits: of its rows, and of its columns.

use super::CHUNK;
use crate::simd::{PANEL, Simd, padded};

/// Values that a word has bits for.
const WORD: usize = u64::BITS as usize;
/// Words for the pixels that get theirs at a time: 4 KiB.
const WORDS: usize = 1 << 9;
/// Pixels that get their bits at a time.
const PIXELS: usize = 64;
/// Channels for whose bits there is room.
pub(super) const MAX_CHANNELS: usize = WORDS / 8 * WORD;

/// Elements of space for a channel's bits, one for each pixel of a chunk.
pub(super) const BITS: usize = CHUNK / 32;

/// The bits of at most [`WORD`] values, of whole panels.
#[inline(always)]
fn word<S: Simd>(s: S, values: &[f32]) -> u64 {
    let mut word = 0;
    for (i, panel) in values.chunks_exact(PANEL).enumerate() {
        let mut bits = 0;
        for j in (0..PANEL).step_by(S::LANES) {
            // SAFETY: a panel is whole registers.
            bits |= s.nonzero(unsafe { s.load(panel.as_ptr().add(j)) }) << j;
        }
        word |= u64::from(bits) << (i * PANEL);
    }
    word
}

/// The bits of some pixels' channels.
pub(super) struct PixelBits {
    words: [u64; WORDS],
    /// How many of them a pixel has.
    each: usize,
}

impl PixelBits {
    pub(super) fn new(channels: usize) -> Self {
        assert!(channels <= MAX_CHANNELS, "{channels} channels");
        Self { words: [0; WORDS], each: channels.div_ceil(WORD) }
    }

    /// Finds the bits of the first of the pixels `x`, which have `c` channels, padded, and returns of how many.
    #[inline(always)]
    pub(super) fn fill<S: Simd>(&mut self, s: S, x: &[f32], c: usize) -> usize {
        let pixels = x.chunks_exact(padded(c)).take(PIXELS);
        let count = pixels.len().min(WORDS / self.each);
        for (pixel, words) in pixels.zip(self.words.chunks_exact_mut(self.each)) {
            for ((i, values), to) in pixel.chunks(WORD).enumerate().zip(words) {
                *to = word(s, values);
                // What pads the channels is not zero where a net has diverged.
                if c - i * WORD < values.len() {
                    *to &= (1 << (c - i * WORD)) - 1;
                }
            }
        }
        count
    }

    /// The words of each of the first `count` pixels, which must be among those.
    #[inline(always)]
    pub(super) fn pixels(&self, count: usize) -> impl Iterator<Item = &[u64]> {
        self.words.chunks_exact(self.each).take(count)
    }
}

/// The bits of some channels over a chunk's pixels.
pub(super) struct ChannelBits<'a> {
    /// Halves of words.
    halves: &'a mut [u32],
    columns: Columns,
}

/// A panel of a chunk's columns, as rows; of a chunk with fewer pixels, with zeros after them.
#[repr(align(64))]
struct Columns([f32; PANEL * CHUNK]);

impl<'a> ChannelBits<'a> {
    /// For whole panels of channels, in a space of [`BITS`] elements for each.
    pub(super) fn new(space: &'a mut [f32]) -> Self {
        assert!(space.len().is_multiple_of(BITS * PANEL), "space of {} elements", space.len());
        Self { halves: as_u32(space), columns: Columns([0.0; PANEL * CHUNK]) }
    }

    /// Finds the bits of the channels from `first` on of at most [`CHUNK`] pixels, whose rows are `row` elements
    /// apart.
    #[inline(always)]
    pub(super) fn fill<S: Simd>(&mut self, s: S, x: &[f32], row: usize, first: usize) {
        assert!(x.len() <= CHUNK * row, "{} pixels", x.len() / row);
        for (panel, halves) in self.halves.chunks_exact_mut(PANEL * BITS).enumerate() {
            self.columns.transpose(s, x, row, first + panel * PANEL);
            for (values, half) in self.columns.0.chunks_exact(32).zip(halves) {
                *half = word(s, values) as u32;
            }
        }
    }

    /// The words of each channel.
    #[inline(always)]
    pub(super) fn channels(&self) -> impl Iterator<Item = [u64; BITS / 2]> {
        self.halves.as_chunks::<BITS>().0.iter().map(|halves| {
            let (halves, _) = halves.as_chunks::<2>();
            core::array::from_fn(|i| u64::from(halves[i][0]) | u64::from(halves[i][1]) << 32)
        })
    }
}

impl Columns {
    /// Takes the panel of columns from `first` on.
    #[inline(always)]
    fn transpose<S: Simd>(&mut self, s: S, x: &[f32], row: usize, first: usize) {
        let done = x.len() / (PANEL * row) * PANEL;
        for i in (0..done).step_by(PANEL) {
            transpose(s, &x[i * row + first..], row, &mut self.0[i..], CHUNK);
        }
        if done == CHUNK {
            return;
        }
        let rest = &x[done * row..];
        for (column, to) in self.0.chunks_exact_mut(CHUNK).enumerate() {
            to[done..].fill(0.0);
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
