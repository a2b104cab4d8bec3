//! Images on their way from the files to the net: normalised, augmented, scaled.

use std::path::Path;

use nin::{Rng, datasets::IdxDataset};

use crate::net::normalise;

/// Rows and columns of an image in the files.
pub const SIDE: usize = 28;

/// One part of the data set.
pub struct Data(IdxDataset);

impl Data {
    pub fn read(folder: &Path, part: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let data = IdxDataset::read(folder, part)?;
        let (rows, columns) = (data.images.rows, data.images.columns);
        if (rows, columns) != (SIDE, SIDE) {
            return Err(format!("images of {rows} × {columns}, expected {SIDE} × {SIDE}").into());
        }
        Ok(Self(data))
    }

    pub fn len(&self) -> usize {
        self.0.labels.len()
    }

    pub fn labels(&self) -> &[u8] {
        &self.0.labels
    }

    /// The pixels of image `i`, row by row.
    pub fn image(&self, i: usize) -> &[u8] {
        self.0.images.image(i)
    }
}

/// A change of an image that leaves its class.
#[derive(Clone, Copy, Default)]
pub struct Augmentation {
    /// Left and right change places.
    mirrored: bool,
    /// Rows down and columns to the right, -1 to 1.
    shift: [isize; 2],
}

impl Augmentation {
    pub fn random(random: &mut Rng) -> Self {
        let mut shift = || random.below(3) as isize - 1;
        Self { shift: [shift(), shift()], mirrored: random.below(2) == 1 }
    }
}

/// Appends the image to `pixels`: augmented, normalised, scaled to `side` × `side`.
pub fn push_image(pixels: &mut Vec<f32>, image: &[u8], change: Augmentation, side: usize) {
    let at = |y: usize, x: usize| {
        let x = if change.mirrored { SIDE - 1 - x } else { x };
        let (y, x) =
            (y.wrapping_add_signed(change.shift[0]), x.wrapping_add_signed(change.shift[1]));
        normalise(if y < SIDE && x < SIDE { image[y * SIDE + x] } else { 0 })
    };
    if side == SIDE {
        pixels
            .extend((0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (y, x))).map(|(y, x)| at(y, x)));
        return;
    }
    // Bilinear, with pixels as areas (PyTorch's `align_corners = false`).
    let source = |i: usize| {
        let centre = (i as f32 + 0.5) * SIDE as f32 / side as f32 - 0.5;
        let centre = centre.clamp(0.0, (SIDE - 1) as f32);
        let low = centre as usize;
        (low, (low + 1).min(SIDE - 1), centre - low as f32)
    };
    for (top, bottom, down) in (0..side).map(source) {
        for (left, right, across) in (0..side).map(source) {
            let upper = at(top, left) * (1.0 - across) + at(top, right) * across;
            let lower = at(bottom, left) * (1.0 - across) + at(bottom, right) * across;
            pixels.push(upper * (1.0 - down) + lower * down);
        }
    }
}
