//! Small dense matrices of fractions.

use std::ops::Index;

use super::rational::Rational;

/// A matrix, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Matrix {
    rows: Vec<Vec<Rational>>,
}

impl Matrix {
    /// The matrix whose element (i, j) is `f(i, j)`.
    pub(crate) fn from_fn(
        rows: usize,
        columns: usize,
        f: impl Fn(usize, usize) -> Rational,
    ) -> Self {
        Self { rows: (0..rows).map(|i| (0..columns).map(|j| f(i, j)).collect()).collect() }
    }

    pub(crate) fn identity(size: usize) -> Self {
        Self::from_fn(size, size, |i, j| if i == j { Rational::ONE } else { Rational::ZERO })
    }

    pub(crate) fn transpose(&self) -> Self {
        Self::from_fn(self.columns(), self.rows(), |i, j| self[(j, i)])
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn columns(&self) -> usize {
        self.rows.first().map_or(0, Vec::len)
    }

    pub(crate) fn row(&self, i: usize) -> &[Rational] {
        &self.rows[i]
    }

    /// The elements, row by row.
    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = Rational> {
        self.rows.iter().flatten().copied()
    }
}

impl Index<(usize, usize)> for Matrix {
    type Output = Rational;

    fn index(&self, (i, j): (usize, usize)) -> &Rational {
        &self.rows[i][j]
    }
}
