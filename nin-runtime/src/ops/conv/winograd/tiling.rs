//! How an output is tiled, and the order of its tiles in the matrices that are multiplied.

use super::tile::{IsEdge, Tile};
use crate::simd::Simd;
use core::ops::Range;

/// How the tiles of images, and the points of a tile, are divided into those at the edges and the others.
///
/// A smaller tile has the first of a whole tile's points. So the tiles of all images are ordered as those at
/// the right edge, the whole ones, those at the bottom, and the corners: then the tiles that have
/// some point are neighbours, whichever point it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiling {
    /// Rows and columns of whole tiles.
    whole: (usize, usize),
    /// Whether a smaller tile follows along rows and along columns.
    edge: (bool, bool),
    /// Points of a tile.
    points: (usize, usize),
    /// Those that a smaller one has too.
    edge_points: (usize, usize),
}

impl Tiling {
    /// The tiles of an output.
    pub(super) const fn new<W: Tile>(output: (usize, usize)) -> Self {
        let (rows, has_bottom) = tiles(output.0, W::OUTPUT.0, W::EDGE_OUTPUT.0);
        let (columns, has_right) = tiles(output.1, W::OUTPUT.1, W::EDGE_OUTPUT.1);
        Self {
            whole: (rows, columns),
            edge: (has_bottom, has_right),
            points: W::TILE,
            edge_points: W::EDGE_TILE,
        }
    }

    /// Rows and columns of tiles.
    pub(super) const fn tiles(&self) -> (usize, usize) {
        (self.whole.0 + self.edge.0 as usize, self.whole.1 + self.edge.1 as usize)
    }

    /// Points of a tile.
    pub(super) const fn points(&self) -> usize {
        self.points.0 * self.points.1
    }

    /// The number of a point among those of a tile.
    pub(super) const fn point(&self, (row, column): (usize, usize)) -> usize {
        row * self.points.1 + column
    }

    /// A row of tiles of one of `images` images.
    pub(super) fn row(&self, images: usize, image: usize, row: usize) -> Row {
        let (rows, columns) = self.whole;
        let has_right = usize::from(self.edge.1);
        let bottom = row == rows;
        let (whole, right) = if bottom {
            let first = images * rows * (has_right + columns);
            (first + image * columns, first + images * columns + image)
        } else {
            let row = image * rows + row;
            (images * rows * has_right + row * columns, row)
        };
        Row { bottom, columns, whole, right: self.edge.1.then_some(right) }
    }

    /// The tiles of `images` images that have a point.
    pub(super) fn at(&self, images: usize, point: usize) -> Range<usize> {
        let ((rows, columns), (i, j)) =
            (self.whole, (point / self.points.1, point % self.points.1));
        let right = images * rows * usize::from(self.edge.1);
        let whole = images * rows * columns;
        let bottom = images * columns * usize::from(self.edge.0);
        let corners = images * usize::from(self.edge.0 && self.edge.1);
        match (i < self.edge_points.0, j < self.edge_points.1) {
            (true, true) => 0..right + whole + bottom + corners,
            (true, false) => right..right + whole + bottom,
            (false, true) => 0..right + whole,
            (false, false) => right..right + whole,
        }
    }
}

/// Whole tiles along an axis of the output, and whether a smaller one follows.
const fn tiles(output: usize, whole: usize, edge: usize) -> (usize, bool) {
    let rest = output % whole;
    if rest > 0 && rest <= edge && edge < whole {
        (output / whole, true)
    } else {
        (output.div_ceil(whole), false)
    }
}

/// Where the tiles of a row stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// Whether they are those at the bottom.
    pub(super) bottom: bool,
    /// Whole tiles, or as wide as these, in their order.
    pub(super) columns: usize,
    /// The first of them.
    pub(super) whole: usize,
    /// The tile at the right edge, if there is one.
    pub(super) right: Option<usize>,
}

/// What is done with each tile of a row.
pub(super) trait PerTile {
    type Tile: Tile;

    /// Works on tile `t` of the row, whose points are tile `number` of all.
    ///
    /// # Safety
    /// The tile must be one of a row that `self` was made for.
    unsafe fn tile<S: Simd>(&self, s: S, edge: IsEdge, t: usize, number: usize);
}

/// Goes through the tiles of a row.
///
/// # Safety
/// `work` must have been made for this row.
#[inline(always)]
pub(super) unsafe fn for_each_tile<S: Simd, P: PerTile>(s: S, tiles: Row, work: &P) {
    let (whole, edge) = (P::Tile::OUTPUT, P::Tile::EDGE_OUTPUT);
    // SAFETY: the caller's promise. Where no tile is smaller, only maps of whole ones are compiled.
    unsafe {
        if edge.0 < whole.0 && tiles.bottom {
            columns::<S, P, true>(s, tiles, work);
        } else {
            columns::<S, P, false>(s, tiles, work);
        }
    }
}

#[inline(always)]
unsafe fn columns<S: Simd, P: PerTile, const BOTTOM: bool>(s: S, tiles: Row, work: &P) {
    let Row { columns, whole, right, .. } = tiles;
    // SAFETY: the caller's promise.
    unsafe {
        for t in 0..columns {
            work.tile(s, (BOTTOM, false), t, whole + t);
        }
        if let Some(right) = right.filter(|_| P::Tile::EDGE_OUTPUT.1 < P::Tile::OUTPUT.1) {
            work.tile(s, (BOTTOM, true), columns, right);
        }
    }
}
