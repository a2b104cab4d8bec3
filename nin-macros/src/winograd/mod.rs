//! Winograd's minimal filtering: for the F(m, r) that a net needs, the transforms as code.
//!
//! `cook_toom` derives the matrices in exact fractions, `compile` turns each into a short
//! straight-line program, `tokens` writes the programs down as Rust. A two-dimensional transform
//! is the one of the columns after the one of the rows, so that rectangular kernels need no more.

mod accuracy;
mod compile;
mod cook_toom;
mod matrix;
mod program;
mod rational;
mod tokens;

use std::fmt;

use cook_toom::CookToom;
use matrix::Matrix;
use program::Program;
use rational::Rational;

pub(crate) use accuracy::relative_error;
pub(crate) use cook_toom::{MAX_TILE, Size};
pub(crate) use tokens::{transform_impl, transform_name, transforms};

/// The linear maps of a transform on tiles of t = m + r − 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Map {
    /// Bᵀ: t inputs to t points.
    Input,
    /// G: r weights to t points.
    Weight,
    /// Aᵀ: t points to m outputs.
    Output,
    /// A: the gradient of m outputs to t points.
    OutputAdjoint,
    /// Gᵀ: the gradient at t points to r weights.
    WeightAdjoint,
}

impl Map {
    pub(crate) const ALL: [Self; 5] =
        [Self::Input, Self::Weight, Self::Output, Self::OutputAdjoint, Self::WeightAdjoint];

    /// The name of the method in the runtime's `Transform`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Weight => "weight",
            Self::Output => "output",
            Self::OutputAdjoint => "output_adjoint",
            Self::WeightAdjoint => "weight_adjoint",
        }
    }

    fn matrix(self, f: &CookToom) -> Matrix {
        match self {
            Self::Input => f.bt.clone(),
            Self::Weight => f.g.clone(),
            Self::Output => f.at.clone(),
            Self::OutputAdjoint => f.at.transpose(),
            Self::WeightAdjoint => f.g.transpose(),
        }
    }
}

/// F(m, r) as straight-line programs.
#[derive(Clone, Debug)]
pub(crate) struct Transform {
    matrices: CookToom,
    programs: [Program; Map::ALL.len()],
}

impl Transform {
    /// Derives F(m, r). Panics unless both are positive and m + r − 1 is at most [`MAX_TILE`].
    pub(crate) fn new(size: Size) -> Self {
        let matrices = CookToom::new(size);
        let programs = Map::ALL.map(|map| compile::compile(&map.matrix(&matrices)));
        Self { matrices, programs }
    }

    pub(crate) fn program(&self, map: Map) -> &Program {
        &self.programs[map as usize]
    }

    /// The point at which A gives the sum of its inputs, if there is one: where x is 1, so are all its powers.
    pub(crate) fn sum(&self) -> Option<usize> {
        let CookToom { m, at, .. } = &self.matrices;
        (0..self.matrices.tile()).find(|&i| (0..*m).all(|j| at[(j, i)] == Rational::ONE))
    }
}

/// Vector operations of each map of F(m, r) in one dimension.
///
/// A map from a×b to c×d tiles runs a times over rows and then d times over columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpCounts {
    pub(crate) input: usize,
    pub(crate) weight: usize,
    pub(crate) output: usize,
    pub(crate) output_adjoint: usize,
    pub(crate) weight_adjoint: usize,
}

/// What the transforms of F(m, r) cost, for the plan's model.
pub(crate) fn cost(size: Size) -> OpCounts {
    let transform = Transform::new(size);
    let [input, weight, output, output_adjoint, weight_adjoint] =
        Map::ALL.map(|map| transform.program(map).ops.len());
    OpCounts { input, weight, output, output_adjoint, weight_adjoint }
}

/// `F(4, 5) on tiles of 8, from its values at 0, ±1, ±2, ±1/2 and ∞.`
impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CookToom { m, r, points, .. } = &self.matrices;
        write!(f, "F({m}, {r}) on tiles of {}", self.matrices.tile())?;
        if points.is_empty() {
            return write!(f, ", whose products are the correlation itself.");
        }
        let pairs = points.iter().filter_map(|&p| match (points.contains(&-p), p.numerator()) {
            (_, 0) => Some("0".to_owned()),
            (true, 1..) => Some(format!("±{p}")),
            (true, _) => None,
            (false, _) => Some(p.to_string()),
        });
        write!(f, ", from the points {} and ∞.", pairs.collect::<Vec<_>>().join(", "))
    }
}
