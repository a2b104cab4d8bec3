//! From a matrix to a short straight-line program.
//!
//! Rows are sums of scaled variables. As long as two variables stand in the same ratio in several
//! rows, their sum in that ratio becomes a variable of its own, most frequent pair first. For the
//! points p and −p the rows of Bᵀ, G and A differ only in the sign of the odd powers, so this
//! finds their even and their odd part, each computed once, and the columns of Aᵀ become sums and
//! differences. What is left of a row is a chain of fused multiply-adds.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::matrix::Matrix;
use super::program::{Op, Operand, Program};
use super::rational::Rational;

/// The program that multiplies by `matrix`.
pub(crate) fn compile(matrix: &Matrix) -> Program {
    let mut sums = Sums::new(matrix);
    while let Some(pair) = sums.most_shared_pair() {
        sums.share(pair);
    }
    sums.choose_scales();
    Emitter::new(&sums).program()
}

/// The variable `a + ratio · b`, or a multiple of it: the rows decide which is computed.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pair {
    a: usize,
    b: usize,
    ratio: Rational,
    /// Whether b's coefficient is made 1, rather than a's.
    unit_b: bool,
}

/// The rows as sums over variables: first the inputs, then the shared pairs.
struct Sums {
    inputs: usize,
    /// Variable `inputs + k` is `pairs[k]`.
    pairs: Vec<Pair>,
    /// A coefficient for every variable, where a pair's is that of `a + ratio · b`.
    rows: Vec<Vec<Rational>>,
}

impl Sums {
    fn new(matrix: &Matrix) -> Self {
        let rows = (0..matrix.rows()).map(|i| matrix.row(i).to_vec()).collect();
        Self { inputs: matrix.columns(), pairs: Vec::new(), rows }
    }

    fn variables(&self) -> usize {
        self.inputs + self.pairs.len()
    }

    /// The pair that most rows share, if any two do. Of equals, the one that a plain addition or
    /// subtraction computes, then the first.
    fn most_shared_pair(&self) -> Option<Pair> {
        let mut best = None;
        let mut best_rank = (1, true);
        for b in 0..self.variables() {
            for a in 0..b {
                let ratios = self.ratios(a, b);
                for &ratio in &ratios {
                    let shared = ratios.iter().filter(|&&other| other == ratio).count();
                    let rank = (shared, ratio.abs() == Rational::ONE);
                    if rank > best_rank {
                        best_rank = rank;
                        best = Some(Pair { a, b, ratio, unit_b: false });
                    }
                }
            }
        }
        best
    }

    /// b's coefficient over a's in each row that has both.
    fn ratios(&self, a: usize, b: usize) -> Vec<Rational> {
        let both = self.rows.iter().filter(|row| !row[a].is_zero() && !row[b].is_zero());
        both.map(|row| row[b] / row[a]).collect()
    }

    /// Makes the pair a variable and puts it wherever it occurs.
    fn share(&mut self, pair: Pair) {
        for row in &mut self.rows {
            let coefficient = row[pair.a];
            let occurs = !coefficient.is_zero() && row[pair.b] == coefficient * pair.ratio;
            row.push(if occurs { coefficient } else { Rational::ZERO });
            if occurs {
                row[pair.a] = Rational::ZERO;
                row[pair.b] = Rational::ZERO;
            }
        }
        self.pairs.push(pair);
    }

    /// Each variable as it is computed, as a multiple of the one that the rows' coefficients mean.
    fn scales(&self) -> Vec<Rational> {
        let mut scales = vec![Rational::ONE; self.inputs];
        for pair in &self.pairs {
            let (a, b) = (scales[pair.a], scales[pair.b]);
            scales.push(if pair.unit_b { b / pair.ratio } else { a });
        }
        scales
    }

    /// Chooses which coefficient of each pair is 1. A pair costs one operation either way, but a
    /// row that has a coefficient of 1 starts from that variable and needs one operation less.
    fn choose_scales(&mut self) {
        let mut cost = self.cost_of_scales();
        for _ in 0..self.pairs.len() {
            let before = cost;
            for k in (0..self.pairs.len()).rev() {
                self.pairs[k].unit_b ^= true;
                let changed = self.cost_of_scales();
                if changed < cost {
                    cost = changed;
                } else {
                    self.pairs[k].unit_b ^= true;
                }
            }
            if cost == before {
                break;
            }
        }
    }

    /// Rows without a coefficient of 1, then factors that `f32` rounds.
    fn cost_of_scales(&self) -> (usize, usize) {
        let scales = self.scales();
        let without_unit =
            self.rows.iter().filter(|row| !row.iter().zip(&scales).any(|(c, s)| c == s));
        let in_rows =
            self.rows.iter().flat_map(|row| row.iter().zip(&scales).map(|(&c, &s)| c / s));
        let in_pairs = self.pairs.iter().zip(&scales[self.inputs..]).flat_map(|(pair, &scale)| {
            [scale / scales[pair.a], scale * pair.ratio / scales[pair.b]]
        });
        let rounded = in_rows.chain(in_pairs).filter(|factor| !factor.is_dyadic());
        (without_unit.count(), rounded.count())
    }
}

/// Writes the operations in the order in which the rows need them.
struct Emitter<'a> {
    sums: &'a Sums,
    scales: Vec<Rational>,
    ops: Vec<Op>,
    /// The operations so far, so that none is written twice.
    known: HashMap<Op, Operand>,
}

impl<'a> Emitter<'a> {
    fn new(sums: &'a Sums) -> Self {
        Self { sums, scales: sums.scales(), ops: Vec::new(), known: HashMap::new() }
    }

    fn program(mut self) -> Program {
        let outputs = (0..self.sums.rows.len()).map(|i| self.row(i)).collect();
        Program { inputs: self.sums.inputs, ops: self.ops, outputs }
    }

    fn row(&mut self, i: usize) -> Operand {
        let row = &self.sums.rows[i];
        let mut terms: Vec<usize> = (0..row.len()).filter(|&v| !row[v].is_zero()).collect();
        // A term with the factor 1 needs no operation; without one, the first is scaled, at best by
        // a factor that it has in another row too.
        let shared = |v: usize| self.sums.rows.iter().filter(|other| other[v] == row[v]).count();
        terms.sort_by_key(|&v| Reverse((row[v] == self.scales[v], shared(v))));
        self.sum(terms.into_iter().map(|v| (v, row[v])))
    }

    fn variable(&mut self, v: usize) -> Operand {
        let Some(k) = v.checked_sub(self.sums.inputs) else { return Operand::Input(v) };
        let Pair { a, b, ratio, unit_b } = self.sums.pairs[k];
        let (a, b) = ((a, self.scales[v]), (b, self.scales[v] * ratio));
        self.sum(if unit_b { [b, a] } else { [a, b] })
    }

    /// The sum of the variables times their coefficients, starting from the first.
    fn sum(&mut self, terms: impl IntoIterator<Item = (usize, Rational)>) -> Operand {
        let mut sum: Option<Operand> = None;
        for (v, coefficient) in terms {
            let (term, factor) = (self.variable(v), coefficient / self.scales[v]);
            sum = Some(match sum {
                None if factor == Rational::ONE => term,
                None => self.push(Op::Scale(term, factor)),
                Some(sum) if factor == Rational::ONE => {
                    self.push(Op::Add(sum.min(term), sum.max(term)))
                }
                Some(sum) if factor == -Rational::ONE => self.push(Op::Sub(sum, term)),
                Some(sum) => self.push(Op::ScaleAdd(term, factor, sum)),
            });
        }
        sum.expect("no row of a transform is zero")
    }

    fn push(&mut self, op: Op) -> Operand {
        let next = Operand::Result(self.ops.len());
        let operand = *self.known.entry(op).or_insert(next);
        if operand == next {
            self.ops.push(op);
        }
        operand
    }
}

#[cfg(test)]
mod tests {
    use super::super::cook_toom::{CookToom, Size, tests::pairs, tests::sizes};
    use super::super::{Map, Transform};
    use super::*;

    fn all() -> impl Iterator<Item = Size> {
        sizes().chain(pairs().flatten())
    }

    fn programs() -> impl Iterator<Item = (Size, Map, Program)> {
        all().flat_map(|size| {
            let transform = Transform::new(size);
            Map::ALL.map(|map| (size, map, transform.program(map).clone()))
        })
    }

    #[test]
    fn programs_compute_their_matrices_exactly() {
        for (size, map, program) in programs() {
            let matrix = map.matrix(&CookToom::new(size));
            assert_eq!(program.matrix(), matrix, "{map:?} of {size:?}");
        }
    }

    #[test]
    fn adjoint_programs_are_transposes() {
        for size in all() {
            let transform = Transform::new(size);
            let matrix = |map| transform.program(map).matrix();
            assert_eq!(matrix(Map::OutputAdjoint), matrix(Map::Output).transpose());
            assert_eq!(matrix(Map::WeightAdjoint), matrix(Map::Weight).transpose());
        }
    }

    #[test]
    fn no_operation_is_idle() {
        for (size, map, program) in programs() {
            let place = format!("{map:?} of {size:?}");
            for (i, &op) in program.ops.iter().enumerate() {
                let read = program.ops.iter().flat_map(|op| op.operands());
                let read = read.chain(program.outputs.iter().copied());
                assert!(read.into_iter().any(|operand| operand == Operand::Result(i)), "{place}");
                assert!(!program.ops[..i].contains(&op), "{place}: {op:?} twice");
                if let Op::Scale(_, c) | Op::ScaleAdd(_, c, _) = op {
                    assert!(!c.is_zero() && c.abs() != Rational::ONE, "{place}: {op:?}");
                }
            }
        }
    }

    /// The yardstick is the input transform of F(6, 3) as NNPACK writes it by hand: 24 operations.
    #[test]
    fn programs_stay_as_short_as_they_are() {
        let expected = [
            // m, r, [input, weight, output, output_adjoint, weight_adjoint]
            (2, 3, [4, 4, 4, 2, 5]),
            (3, 3, [10, 8, 9, 6, 10]),
            (4, 3, [12, 9, 12, 8, 11]),
            (5, 3, [21, 12, 20, 15, 15]),
            (6, 3, [24, 12, 20, 18, 15]),
            (2, 5, [12, 13, 8, 4, 15]),
            (3, 5, [21, 18, 14, 9, 21]),
            (4, 5, [24, 18, 16, 12, 20]),
            (2, 7, [24, 24, 12, 6, 24]),
            (4, 1, [0, 0, 0, 0, 3]),
            (1, 4, [0, 0, 3, 0, 0]),
        ];
        let compiled = expected.map(|(m, r, _)| {
            let transform = Transform::new(Size::new(m, r));
            (m, r, Map::ALL.map(|map| transform.program(map).ops.len()))
        });
        assert_eq!(compiled, expected);
    }
}
