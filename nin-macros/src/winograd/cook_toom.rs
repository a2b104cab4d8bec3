//! The matrices of F(m, r): m outputs of a correlation with r weights from m + r − 1
//! multiplications, by Cook and Toom's interpolation.
//!
//! A polynomial product of m and r coefficients is known from its values at t = m + r − 1 points,
//! of which one is ∞ (the leading coefficient). Transposing that algorithm gives the correlation
//! y = Aᵀ[(G g) ⊙ (Bᵀ d)] that convolutional layers need (Lavin and Gray, 2015).

use super::accuracy::amplification;
use super::matrix::Matrix;
use super::rational::Rational;

/// The largest tile: beyond it the error grows past what f32 training bears.
pub(crate) const MAX_TILE: usize = 8;

/// F(m, r), alone or as one of two that share points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size {
    pub(crate) m: usize,
    pub(crate) r: usize,
    /// The outputs of the other one. The points of the smaller are the first of the larger, and are
    /// multiplied by the same transformed weights.
    pub(crate) with: Option<usize>,
}

impl Size {
    #[cfg(test)]
    pub(crate) const fn new(m: usize, r: usize) -> Self {
        Self { m, r, with: None }
    }

    /// t = m + r − 1, the inputs and the points of a tile.
    pub(crate) const fn tile(self) -> usize {
        self.m + self.r - 1
    }

    /// Of the larger of two, the smaller, by which the last tile is computed; of one alone, itself.
    pub(crate) fn last(self) -> Self {
        self.with.map_or(self, |m| Self { m, r: self.r, with: Some(self.m) })
    }
}

/// F(m, r) as its three matrices.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CookToom {
    pub(crate) m: usize,
    pub(crate) r: usize,
    /// The finite points, in their order; ∞ stands after them, or after those that are shared. Empty where
    /// nothing can be saved.
    pub(crate) points: Vec<Rational>,
    /// Aᵀ, (m, t): products to outputs.
    pub(crate) at: Matrix,
    /// G, (t, r): weights to points.
    pub(crate) g: Matrix,
    /// Bᵀ, (t, t): inputs to points.
    pub(crate) bt: Matrix,
}

/// The magnitudes of the finite points for each tile from 3 to [`MAX_TILE`], in eighths; every one
/// but 0 stands for a pair ±p, which halves the work of the transforms.
///
/// ∞ is a point like the others on the projective line, and the error is smallest where the points
/// are spread evenly over that circle, p = tan(πk / t) or tan(π(k + ½) / t): these are short dyadic
/// fractions near it, found by a search over all sets of such fractions, so that the coefficients
/// of Aᵀ and Bᵀ are exact. Against the customary 0, ±1, 2, −2, 1/2 the measured f32 error (over 64
/// channels) falls from 7.3e-7 to 3.8e-7 in F(3×3, 3×3), from 1.05e-6 to 6.0e-7 in F(4×4, 3×3) and
/// from 2.1e-6 to 0.9e-6 in F(5×5, 3×3); for tiles of 4 and 8 the customary points are the best.
/// Sets with unpaired points are no better and cost up to half as many operations again. Scaling rows of Bᵀ against G by powers of two changes no bit of a result, so Bᵀ has
/// leading coefficients of 1, which cost no multiplication.
const MAGNITUDES: [&[i128]; MAX_TILE - 2] = [
    &[4],           // ±1/2
    &[0, 8],        // 0, ±1
    &[3, 10],       // ±3/8, ±5/4
    &[0, 5, 12],    // 0, ±5/8, ±3/2
    &[2, 7, 14],    // ±1/4, ±7/8, ±7/4
    &[0, 4, 8, 16], // 0, ±1/2, ±1, ±2
];

/// The finite points for tiles of `tile`.
fn points(tile: usize) -> Vec<Rational> {
    let signs = |&p: &i128| if p == 0 { vec![0] } else { vec![p, -p] };
    let eighths = MAGNITUDES[tile - 3].iter().flat_map(signs);
    eighths.map(|p| Rational::new(p, 8)).collect()
}

impl CookToom {
    /// Derives F(m, r). Panics unless both are positive and m + r − 1 is at most [`MAX_TILE`], and
    /// so for the size that it shares points with.
    pub(crate) fn new(size: Size) -> Self {
        let Size { m, r, with } = size;
        assert!(m > 0 && r > 0 && m + r - 1 <= MAX_TILE, "F({m}, {r}) is no tile up to {MAX_TILE}");
        match with {
            Some(edge) if edge < m => Self::whole(m, r, edge),
            Some(whole) => Self::edge(m, &Self::whole(whole, r, m)),
            None if m == 1 || r == 1 => Self::trivial(m, r),
            None => Self::at_points(m, r, points(m + r - 1)),
        }
    }

    /// F(m, r) with those points first that F(edge, r) has too: of all choices with as many pairs as there
    /// can be, the one whose error is smallest.
    fn whole(m: usize, r: usize, edge: usize) -> Self {
        assert!(edge > 0 && r > 1, "F({edge}, {r}) has points to share");
        let (points, shared) = (points(m + r - 1), edge + r - 2);
        let choose = |mask: usize| -> [Vec<Rational>; 2] {
            [1, 0].map(|bit| {
                let numbered = points.iter().enumerate();
                numbered.filter(|(i, _)| mask >> i & 1 == bit).map(|(_, &point)| point).collect()
            })
        };
        let rank = |chosen: &[Rational]| {
            let unpaired = chosen.iter().filter(|&&p| !chosen.contains(&-p)).count();
            (unpaired, amplification(&Self::at_points(edge, r, chosen.to_vec())))
        };
        let (_, best) = (0..1 << points.len())
            .map(choose)
            .filter(|[chosen, _]| chosen.len() == shared)
            .map(|choice| (rank(&choice[0]), choice))
            .min_by(|(a, _), (b, _)| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)))
            .expect("a smaller tile has fewer points");
        let f = Self::at_points(m, r, best.concat());
        // ∞ is one of the shared points.
        let last = m + r - 2;
        let old = |i: usize| match i {
            _ if i < shared => i,
            _ if i == shared => last,
            _ => i - 1,
        };
        Self {
            at: Matrix::from_fn(m, m + r - 1, |j, i| f.at[(j, old(i))]),
            g: Matrix::from_fn(m + r - 1, r, |i, k| f.g[(old(i), k)]),
            bt: Matrix::from_fn(m + r - 1, m + r - 1, |i, k| f.bt[(old(i), k)]),
            ..f
        }
    }

    /// F(m, r) at the first points of `whole`, with its weights.
    fn edge(m: usize, whole: &Self) -> Self {
        let r = whole.r;
        let tile = m + r - 1;
        let f = Self::at_points(m, r, whole.points[..tile - 1].to_vec());
        // What the weights at a point lack there, the inputs get.
        let ratio = |i: usize| {
            let k = (0..r).find(|&k| !f.g[(i, k)].is_zero()).expect("a point evaluates weights");
            f.g[(i, k)] / whole.g[(i, k)]
        };
        Self {
            g: Matrix::from_fn(tile, r, |i, k| whole.g[(i, k)]),
            bt: Matrix::from_fn(tile, tile, |i, k| f.bt[(i, k)] * ratio(i)),
            ..f
        }
    }

    /// One output or one weight: the products are the sum itself, and nothing can be saved.
    fn trivial(m: usize, r: usize) -> Self {
        let ones = |rows, columns| Matrix::from_fn(rows, columns, |_, _| Rational::ONE);
        let tile = m + r - 1;
        Self {
            m,
            r,
            points: Vec::new(),
            at: if m == 1 { ones(1, tile) } else { Matrix::identity(tile) },
            g: if r == 1 { ones(tile, 1) } else { Matrix::identity(tile) },
            bt: Matrix::identity(tile),
        }
    }

    /// F(m, r) from the given finite points and ∞.
    pub(super) fn at_points(m: usize, r: usize, points: Vec<Rational>) -> Self {
        let tile = m + r - 1;
        assert_eq!(points.len(), tile - 1, "F({m}, {r}) needs {} finite points", tile - 1);
        // Powers of the point; at ∞ only the leading coefficient counts.
        let evaluate = |i: usize, power: usize, len: usize| match points.get(i) {
            Some(point) => point.pow(power),
            None if power == len - 1 => Rational::ONE,
            None => Rational::ZERO,
        };
        let others = |i: usize| (0..tile - 1).filter(move |&j| j != i);
        // The denominator of the i-th Lagrange polynomial. It divides G, so that Bᵀ, which runs
        // for every image, has small dyadic coefficients. Where it is −1, the sign stays in Bᵀ.
        let norm = |i: usize| match points.get(i) {
            Some(&point) => others(i).fold(Rational::ONE, |n, j| n * (point - points[j])),
            None => Rational::ONE,
        };
        let sign =
            |i: usize| if norm(i) == -Rational::ONE { -Rational::ONE } else { Rational::ONE };
        // The numerator of the i-th Lagrange polynomial; for ∞, the one that vanishes at all points.
        let numerators: Vec<Vec<Rational>> = (0..tile)
            .map(|i| others(i).fold(vec![sign(i)], |poly, j| times_root(&poly, points[j])))
            .collect();
        Self {
            m,
            r,
            at: Matrix::from_fn(m, tile, |j, i| evaluate(i, j, m)),
            g: Matrix::from_fn(tile, r, |i, k| evaluate(i, k, r) * sign(i) / norm(i)),
            bt: Matrix::from_fn(tile, tile, |i, k| {
                numerators[i].get(k).copied().unwrap_or(Rational::ZERO)
            }),
            points,
        }
    }

    /// t = m + r − 1, the products of one tile.
    pub(crate) fn tile(&self) -> usize {
        self.m + self.r - 1
    }
}

/// The polynomial times x − `root`; coefficients from the constant upwards.
fn times_root(poly: &[Rational], root: Rational) -> Vec<Rational> {
    let mut product = vec![Rational::ZERO; poly.len() + 1];
    for (k, &c) in poly.iter().enumerate() {
        product[k + 1] = product[k + 1] + c;
        product[k] = product[k] - root * c;
    }
    product
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Every F(m, r) whose tile is at most [`MAX_TILE`].
    pub(crate) fn sizes() -> impl Iterator<Item = Size> {
        (1..=MAX_TILE).flat_map(|r| (1..=MAX_TILE + 1 - r).map(move |m| Size::new(m, r)))
    }

    /// Every two of them that may share points, the larger first.
    pub(crate) fn pairs() -> impl Iterator<Item = [Size; 2]> {
        sizes().filter(|size| size.r > 1).flat_map(|Size { m, r, .. }| {
            (1..m).map(move |edge| {
                let whole = Size { m, r, with: Some(edge) };
                [whole, whole.last()]
            })
        })
    }

    fn all() -> impl Iterator<Item = CookToom> {
        sizes().chain(pairs().flatten()).map(CookToom::new)
    }

    #[test]
    fn every_transform_is_the_correlation_exactly() {
        for f in all() {
            let (m, r, t) = (f.m, f.r, f.tile());
            assert_eq!((f.at.rows(), f.at.columns()), (m, t));
            assert_eq!((f.g.rows(), f.g.columns()), (t, r));
            assert_eq!((f.bt.rows(), f.bt.columns()), (t, t));
            // The bilinear form y[j] = Σ g[k] · d[j + k], coefficient by coefficient.
            for j in 0..m {
                for k in 0..r {
                    for x in 0..t {
                        let sum = (0..t)
                            .map(|i| f.at[(j, i)] * f.g[(i, k)] * f.bt[(i, x)])
                            .fold(Rational::ZERO, |sum, term| sum + term);
                        let expected = if x == j + k { Rational::ONE } else { Rational::ZERO };
                        assert_eq!(sum, expected, "F({m}, {r}): d[{x}] · g[{k}] in y[{j}]");
                    }
                }
            }
        }
    }

    #[test]
    fn the_smaller_of_two_has_the_weights_of_the_first_points() {
        for [whole, edge] in pairs().map(|pair| pair.map(CookToom::new)) {
            for i in 0..edge.tile() {
                assert_eq!(edge.g.row(i), whole.g.row(i), "F({}, {}), point {i}", edge.m, edge.r);
            }
        }
    }

    #[test]
    fn coefficients_of_inputs_and_outputs_are_exact_in_f32() {
        for f in all() {
            for c in f.at.iter().chain(f.bt.iter()) {
                assert!(c.is_dyadic(), "F({}, {}): {c}", f.m, f.r);
                assert_eq!(f64::from(c.to_f64() as f32), c.to_f64(), "F({}, {}): {c}", f.m, f.r);
            }
        }
    }

    #[test]
    fn points_are_pairs_and_at_most_a_zero() {
        for tile in 3..=MAX_TILE {
            let points = points(tile);
            assert_eq!(points.len(), tile - 1);
            assert!(points.iter().all(|&p| points.contains(&-p)));
        }
    }

    #[test]
    #[should_panic(expected = "F(4, 6) is no tile up to 8")]
    fn a_tile_past_the_limit_is_refused() {
        CookToom::new(Size::new(4, 6));
    }
}
