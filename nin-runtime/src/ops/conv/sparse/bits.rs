//! Which values of a matrix are not zero, as bits: of its rows, and of its columns.

use super::CHUNK;
use super::sum::ROWS;
use crate::simd::{PANEL, Simd, padded};

/// Words for the pixels that get theirs at a time: 4 KiB.
const WORDS: usize = 1 << 9;
/// Pixels that get their bits at a time.
const PIXELS: usize = 64;
/// Channels for whose bits there is room.
pub(super) const MAX_CHANNELS: usize = WORDS / 8 * ROWS;

/// Halves of a word, each in an element's space.
const HALVES: usize = 2;
/// Elements of space for a channel: its values at each pixel of a chunk, and a bit for each.
pub(super) const COLUMN: usize = CHUNK + HALVES;

/// The bits of at most [`ROWS`] values, of whole panels.
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
        Self { words: [0; WORDS], each: channels.div_ceil(ROWS) }
    }

    /// Finds the bits of the first of the pixels `x`, which have `c` channels, padded, and returns of how many.
    #[inline(always)]
    pub(super) fn fill<S: Simd>(&mut self, s: S, x: &[f32], c: usize) -> usize {
        let pixels = x.chunks_exact(padded(c)).take(PIXELS);
        let count = pixels.len().min(WORDS / self.each);
        for (pixel, words) in pixels.zip(self.words.chunks_exact_mut(self.each)) {
            for ((i, values), to) in pixel.chunks(ROWS).enumerate().zip(words) {
                *to = word(s, values);
                // What pads the channels is not zero where a net has diverged.
                if c - i * ROWS < values.len() {
                    *to &= (1 << (c - i * ROWS)) - 1;
                }
            }
        }
        count
    }

    /// How many words each pixel has.
    #[inline(always)]
    pub(super) fn words(&self) -> usize {
        self.each
    }

    /// A word of each of the first `count` pixels, which must be among those.
    #[inline(always)]
    pub(super) fn pixels(&self, count: usize, word: usize) -> impl Iterator<Item = u64> {
        self.words.chunks_exact(self.each).take(count).map(move |words| words[word])
    }
}

/// Some channels over a chunk's pixels: their values and bits.
pub(super) struct Columns<'a> {
    /// `[channel][CHUNK]`, with zeros behind the last pixel.
    values: &'a mut [f32],
    /// Halves of words.
    halves: &'a mut [u32],
}

impl<'a> Columns<'a> {
    /// For whole panels of channels, in a space of [`COLUMN`] elements for each.
    pub(super) fn new(space: &'a mut [f32]) -> Self {
        assert!(space.len().is_multiple_of(COLUMN * PANEL), "space of {} elements", space.len());
        let (values, halves) = space.split_at_mut(space.len() / COLUMN * CHUNK);
        Self { values, halves: as_u32(halves) }
    }

    /// Takes the channels from `first` on of at most [`CHUNK`] pixels, whose rows are `row` elements apart.
    #[inline(always)]
    pub(super) fn fill<S: Simd>(&mut self, s: S, x: &[f32], row: usize, first: usize) {
        assert!(x.len() <= CHUNK * row, "{} pixels", x.len() / row);
        let panels = self.values.chunks_exact_mut(PANEL * CHUNK);
        for (panel, (values, halves)) in
            panels.zip(self.halves.chunks_exact_mut(HALVES * PANEL)).enumerate()
        {
            transpose_columns(s, x, row, first + panel * PANEL, values);
            let (halves, _) = halves.as_chunks_mut::<HALVES>();
            for (values, halves) in values.chunks_exact(CHUNK).zip(halves) {
                let word = word(s, values);
                *halves = [word as u32, (word >> 32) as u32];
            }
        }
    }

    /// The word of each channel, and its values.
    #[inline(always)]
    pub(super) fn channels(&self) -> impl Iterator<Item = (u64, &[f32])> {
        let (halves, _) = self.halves.as_chunks::<HALVES>();
        let words = halves.iter().map(|&[low, high]| u64::from(low) | u64::from(high) << 32);
        words.zip(self.values.chunks_exact(CHUNK))
    }
}

/// Writes the panel of columns from `first` on as rows of [`CHUNK`] pixels, of which those that are not there are zero.
#[inline(always)]
fn transpose_columns<S: Simd>(s: S, x: &[f32], row: usize, first: usize, columns: &mut [f32]) {
    let done = x.len() / (PANEL * row) * PANEL;
    for i in (0..done).step_by(PANEL) {
        transpose(s, &x[i * row + first..], row, &mut columns[i..], CHUNK);
    }
    if done == CHUNK {
        return;
    }
    let rest = &x[done * row..];
    for (column, to) in columns.chunks_exact_mut(CHUNK).enumerate() {
        to[done..].fill(0.0);
        for (x, to) in rest.chunks_exact(row).zip(&mut to[done..]) {
            *to = x[first + column];
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
