//! Straight-line programs: a linear map as the few operations that compute it.

use super::rational::Rational;

/// A value in a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Operand {
    Input(usize),
    /// What the operation of this index gives.
    Result(usize),
}

/// One vector operation. A factor is never 0, 1 or −1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    /// a + b
    Add(Operand, Operand),
    /// a − b
    Sub(Operand, Operand),
    /// a · c
    Scale(Operand, Rational),
    /// a · c + b
    ScaleAdd(Operand, Rational, Operand),
}

impl Op {
    /// The values that the operation reads.
    #[cfg(test)]
    pub(crate) fn operands(self) -> impl Iterator<Item = Operand> {
        let (a, b) = match self {
            Op::Add(a, b) | Op::Sub(a, b) | Op::ScaleAdd(a, _, b) => (a, Some(b)),
            Op::Scale(a, _) => (a, None),
        };
        std::iter::once(a).chain(b)
    }
}

/// A linear map from `inputs` vectors to `outputs.len()` vectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) inputs: usize,
    /// Each reads inputs and results of earlier operations.
    pub(crate) ops: Vec<Op>,
    pub(crate) outputs: Vec<Operand>,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::matrix::Matrix;
    use super::*;

    /// What programs can be run on.
    pub(crate) trait Number: Copy {
        fn constant(c: Rational) -> Self;
        fn add(self, other: Self) -> Self;
        fn mul_add(self, c: Self, other: Self) -> Self;
    }

    impl Number for Rational {
        fn constant(c: Rational) -> Self {
            c
        }
        fn add(self, other: Self) -> Self {
            self + other
        }
        fn mul_add(self, c: Self, other: Self) -> Self {
            self * c + other
        }
    }

    macro_rules! float {
        ($float:ty) => {
            impl Number for $float {
                fn constant(c: Rational) -> Self {
                    c.to_f64() as $float
                }
                fn add(self, other: Self) -> Self {
                    self + other
                }
                fn mul_add(self, c: Self, other: Self) -> Self {
                    <$float>::mul_add(self, c, other)
                }
            }
        };
    }
    float!(f32);
    float!(f64);

    impl Program {
        /// Runs the program as generated code does.
        pub(crate) fn run<N: Number>(&self, inputs: &[N]) -> Vec<N> {
            assert_eq!(inputs.len(), self.inputs);
            let zero = N::constant(Rational::ZERO);
            let minus_one = N::constant(-Rational::ONE);
            let mut results: Vec<N> = Vec::new();
            let value = |operand, results: &[N]| match operand {
                Operand::Input(i) => inputs[i],
                Operand::Result(i) => results[i],
            };
            for &op in &self.ops {
                let result = match op {
                    Op::Add(a, b) => value(a, &results).add(value(b, &results)),
                    Op::Sub(a, b) => value(b, &results).mul_add(minus_one, value(a, &results)),
                    Op::Scale(a, c) => value(a, &results).mul_add(N::constant(c), zero),
                    Op::ScaleAdd(a, c, b) => {
                        value(a, &results).mul_add(N::constant(c), value(b, &results))
                    }
                };
                results.push(result);
            }
            self.outputs.iter().map(|&output| value(output, &results)).collect()
        }

        /// The matrix that the program multiplies by.
        pub(crate) fn matrix(&self) -> Matrix {
            let columns: Vec<Vec<Rational>> = (0..self.inputs)
                .map(|j| {
                    let unit = Matrix::identity(self.inputs);
                    self.run(unit.row(j))
                })
                .collect();
            Matrix::from_fn(self.outputs.len(), self.inputs, |i, j| columns[j][i])
        }
    }
}
