//! How much a transform magnifies rounding errors.
//!
//! For independent inputs and weights of unit variance, the product at point i has the variance
//! ‖Gᵢ‖²·‖Bᵢ‖², and a relative rounding error in it reaches output j times Aᵀⱼᵢ, while the output
//! itself has the variance r. The ratio of the two is the amplification; in two dimensions, that of
//! the rows times that of the columns. Measured errors follow it over the whole range of tiles.

use super::cook_toom::{CookToom, Size};
use super::rational::Rational;

/// The relative rms error to expect of a two-dimensional convolution in f32 whose rows and columns
/// are computed by the given F(m, r), and that sums over `channels`.
///
/// The transforms add one rounding, and each of the sums over channels is a chain whose error grows
/// with the root of its length. Measured against f64, on rectified normal inputs and normal weights:
///
/// | F(m×m, r×r) | 2, 3 | 3, 3 | 4, 3 | 5, 3 | 6, 3 | 2, 5 | 3, 5 | 4, 5 | 2, 7 |
/// |---|---|---|---|---|---|---|---|---|---|
/// | 16 channels, 1e-7 | 1.3 | 2.3 | 3.9 | 7.5 | 16.5 | 4.4 | 8.0 | 16.1 | 20.3 |
/// | 96 channels, 1e-7 | 2.7 | 4.0 | 7.5 | 15.7 | 30.8 | 8.7 | 14.6 | 28.7 | 39.5 |
/// | direct sums, 96 channels, 1e-7 | 3.8 | 3.8 | 3.8 | 3.8 | 3.8 | 6.3 | 6.3 | 6.3 | 8.9 |
pub(crate) fn relative_error(rows: Size, columns: Size, channels: usize) -> f64 {
    let roundoff = f64::from(f32::EPSILON) / 2.0;
    let sum = (1.0 + channels as f64 / 16.0).sqrt();
    let [rows, columns] = [rows, columns].map(|size| amplification(&CookToom::new(size)));
    roundoff * sum * rows * columns
}

/// How many times larger the transform makes a relative rounding error of its products.
pub(super) fn amplification(transform: &CookToom) -> f64 {
    let CookToom { m, r, at, g, bt, .. } = transform;
    let square = |values: &[Rational]| values.iter().map(|c| c.to_f64().powi(2)).sum::<f64>();
    let columns = at.transpose();
    let noise: f64 =
        (0..m + r - 1).map(|i| square(columns.row(i)) * square(g.row(i)) * square(bt.row(i))).sum();
    (noise / (m * r) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::super::cook_toom::tests::{pairs, sizes};
    use super::super::program::{Program, tests::Number};
    use super::super::{Map, Transform};
    use super::*;

    /// Knuth's linear congruential generator, for data that is the same on every machine.
    struct Random(u64);

    impl Random {
        fn uniform(&mut self) -> f32 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.0 >> 40) as f32 / (1 << 24) as f32
        }

        fn normal(&mut self) -> f32 {
            (0..12).map(|_| self.uniform()).sum::<f32>() - 6.0
        }
    }

    /// The program over the rows of a square tile, then over its columns.
    fn two_dimensional<N: Number>(program: &Program, tile: &[N]) -> Vec<N> {
        let size = program.outputs.len();
        let rows: Vec<Vec<N>> = tile.chunks(program.inputs).map(|row| program.run(row)).collect();
        let columns: Vec<Vec<N>> = (0..size)
            .map(|j| program.run(&rows.iter().map(|row| row[j]).collect::<Vec<_>>()))
            .collect();
        (0..size * size).map(|i| columns[i % size][i / size]).collect()
    }

    /// Relative rms errors of f32 results of F(m×m, r×r) and of direct sums.
    fn measure(m: usize, r: usize, channels: usize, tiles: usize) -> (f64, f64) {
        let (t, transform) = (m + r - 1, Transform::new(Size::new(m, r)));
        let mut random = Random(42);
        let (mut by_winograd, mut by_direct, mut power) = (0.0, 0.0, 0.0);
        for _ in 0..tiles {
            let mut products = vec![0.0f32; t * t];
            let mut direct = vec![0.0f32; m * m];
            let mut exact = vec![0.0f64; m * m];
            for _ in 0..channels {
                let x: Vec<f32> = (0..t * t).map(|_| random.normal().max(0.0)).collect();
                let w: Vec<f32> = (0..r * r).map(|_| random.normal()).collect();
                let v = two_dimensional(transform.program(Map::Input), &x);
                let u = two_dimensional(transform.program(Map::Weight), &w);
                for (sum, (u, v)) in products.iter_mut().zip(u.iter().zip(&v)) {
                    *sum = u.mul_add(*v, *sum);
                }
                for (o, k) in (0..m * m).flat_map(|o| (0..r * r).map(move |k| (o, k))) {
                    let x = x[(o / m + k / r) * t + o % m + k % r];
                    direct[o] = x.mul_add(w[k], direct[o]);
                    exact[o] += f64::from(x) * f64::from(w[k]);
                }
            }
            let y = two_dimensional(transform.program(Map::Output), &products);
            for o in 0..m * m {
                by_winograd += (f64::from(y[o]) - exact[o]).powi(2);
                by_direct += (f64::from(direct[o]) - exact[o]).powi(2);
                power += exact[o].powi(2);
            }
        }
        ((by_winograd / power).sqrt(), (by_direct / power).sqrt())
    }

    #[test]
    fn measured_errors_are_as_estimated() {
        let sizes =
            [(2, 2), (2, 3), (3, 3), (4, 3), (5, 3), (6, 3), (2, 5), (3, 5), (4, 5), (2, 7)];
        for (m, r) in sizes {
            for channels in [16, 96] {
                let tiles = (40_000 / (m * m * channels)).max(24);
                let (error, direct) = measure(m, r, channels, tiles);
                let estimate = relative_error(Size::new(m, r), Size::new(m, r), channels);
                println!(
                    "F({m}×{m}, {r}×{r}) over {channels}: {error:.2e}, estimated {estimate:.2e}, \
                     direct {direct:.2e}"
                );
                assert!((0.75..1.33).contains(&(error / estimate)));
            }
        }
    }

    /// The budget of tests on real layers: no transform is more than ten times as far off as the
    /// direct sums that it replaces.
    #[test]
    fn no_tile_of_common_kernels_exceeds_the_error_budget() {
        for (m, r) in [(4, 3), (6, 3), (4, 5), (2, 7)] {
            let (error, direct) = measure(m, r, 96, 16);
            assert!(
                error < 5e-6 && error < 10.0 * direct,
                "F({m}, {r}): {error:.2e}, {direct:.2e}"
            );
        }
    }

    #[test]
    fn direct_sums_amplify_nothing() {
        assert_eq!(amplification(&CookToom::new(Size::new(1, 5))), 1.0);
        assert_eq!(amplification(&CookToom::new(Size::new(6, 1))), 1.0);
    }

    #[test]
    fn chosen_points_are_no_worse_than_the_customary_ones() {
        let customary = [(0, 1), (1, 1), (-1, 1), (2, 1), (-2, 1), (1, 2), (-1, 2)];
        let customary = customary.map(|(num, den)| Rational::new(num, den));
        for size in sizes().filter(|size| size.m > 1 && size.r > 1) {
            let usual = CookToom::at_points(size.m, size.r, customary[..size.tile() - 1].to_vec());
            let (usual, chosen) = (amplification(&usual), amplification(&CookToom::new(size)));
            assert!(chosen <= usual * 1.000_001, "{size:?}: {chosen} > {usual}");
        }
    }

    #[test]
    fn the_smaller_of_two_that_share_points_amplifies_hardly_more_than_the_larger() {
        for sizes in pairs() {
            let [whole, edge] = sizes.map(|size| amplification(&CookToom::new(size)));
            assert!(edge <= 1.05 * whole, "{sizes:?}: {edge} > {whole}");
        }
    }
}
