//! The gradients of weights that each half of a group of images sums for itself.

use std::ops::Range;

use crate::net::{Layer, Op};

/// The halves of a group, which go through training apart from each other; the runtime's constant.
pub(crate) const LANES: usize = 2;

/// Places in the arena, and those of their sums, which follow each other in a lane's memory.
#[derive(Debug, Default)]
pub(super) struct LaneSums {
    /// Neighbouring places are one.
    pub(super) parts: Vec<Range<usize>>,
    len: usize,
}

impl LaneSums {
    /// Takes space for the gradients of a convolution's weights and bias.
    pub(super) fn take(&mut self, layer: &Layer) -> Option<[Range<usize>; 2]> {
        let Op::Conv { params, .. } = &layer.op else { return None };
        Some(params.places().map(|place| self.take_place(place)))
    }

    fn take_place(&mut self, place: Range<usize>) -> Range<usize> {
        let start = self.len;
        self.len += place.len();
        match self.parts.last_mut().filter(|last| last.end == place.start) {
            Some(last) => last.end = place.end,
            None => self.parts.push(place),
        }
        start..self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_follow_each_other_and_neighbouring_places_are_one() {
        let mut sums = LaneSums::default();
        let places = [0..10, 10..12, 20..25].map(|place| sums.take_place(place));
        assert_eq!(places, [0..10, 10..12, 12..17]);
        assert_eq!(sums.parts, [0..12, 20..25]);
    }
}
