//! The product against plain sums in `f64`, on every instruction set, for the shapes that its
//! callers use.

use super::*;
use crate::simd::{PANEL, padded};

fn values(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// `C`, m × n, of `A` with rows that are `a_row` apart and `B` in panels of k × 16.
fn product(
    isa: Isa,
    (a, a_row): (&[f32], usize),
    b: &[f32],
    (m, k, panels): (usize, usize, usize),
    finish: Finish<f32>,
    has_zeros: bool,
) -> Vec<f32> {
    let n = panels * PANEL;
    let mut c = vec![f32::NAN; m * n];
    let gemm = Gemm {
        rows: (1, m),
        panels,
        sum: [Axis::ONCE, Axis::ONCE, Axis { count: k, a: 1, b: PANEL }],
        a: a.as_ptr(),
        a_rows: (0, a_row),
        b: b.as_ptr(),
        b_panel: k * PANEL,
        c: c.as_mut_ptr(),
        output: Output { outer: 0, row: n, panel: PANEL },
        finish,
        ahead: Ahead::NOTHING,
        column_sums: core::ptr::null_mut(),
        turns: false,
        c_is_near: false,
        has_zeros,
    };
    // SAFETY: the buffers have the lengths that the strides address.
    unsafe {
        match finish.step {
            Step::Gate => gemm.run_gated(isa),
            _ => gemm.run(isa),
        }
    }
    c
}

/// `A` as (rows, k), `B` in panels of k × 16, `C` as (rows, columns), with each way to finish.
fn check_plain(isa: Isa, m: usize, panels: usize, k: usize) {
    let n = panels * PANEL;
    let (a, b, bias, gate) = (values(m * k, 1), values(n * k, 2), values(n, 3), values(m * n, 9));
    /// What a sum becomes, given its bias and its gate.
    type Finished = fn(f64, f64, f32) -> f64;
    let finishes: [(_, Finished); 4] = [
        (Finish::NOTHING, |sum, _, _| sum),
        (Finish::bias(bias.as_ptr(), false), |sum, bias, _| sum + bias),
        (Finish::bias(bias.as_ptr(), true), |sum, bias, _| (sum + bias).max(0.0)),
        (Finish::gate(gate.as_ptr()), |sum, _, gate| if gate > 0.0 { sum } else { 0.0 }),
    ];
    for (finish, finished) in finishes {
        let c = product(isa, (&a, k), &b, (m, k, panels), finish, false);
        for i in 0..m {
            for j in 0..n {
                let products = (0..k).map(|x| {
                    f64::from(a[i * k + x]) * f64::from(b[(j / PANEL * k + x) * PANEL + j % PANEL])
                });
                let want = finished(products.sum(), f64::from(bias[j]), gate[i * n + j]);
                let got = f64::from(c[i * n + j]);
                assert!(
                    (got - want).abs() < 1e-5 * k as f64,
                    "{} {m}×{k}×{n}, {finish:?}: {got} {want}",
                    isa.name()
                );
            }
        }
    }
}

#[test]
fn the_plain_product_agrees_with_f64_however_it_is_finished() {
    for isa in Isa::available() {
        for m in [1, 2, 5, 6, 7, 12, 13, 25, 49] {
            for (panels, k) in [(1, 1), (1, 7), (2, 16), (3, 33), (5, 96), (4, 150)] {
                check_plain(isa, m, panels, k);
            }
        }
    }
}

/// `C (panels, m, PANEL) += Aᵀ·B` with `A` as (k, m) and `B` as (k, n), and the sums of `B`'s columns, as the gradients
/// of weights and bias have it.
fn check_transposed(isa: Isa, m: usize, panels: usize, k: usize, turns: bool) {
    let n = panels * PANEL;
    let (a, b) = (values(k * m, 4), values(k * n, 5));
    let (start, start_sums) = (values(m * n, 6), values(n, 8));
    let (mut c, mut column_sums) = (start.clone(), start_sums.clone());
    let gemm = Gemm {
        rows: (1, m),
        panels,
        sum: [Axis::ONCE, Axis::ONCE, Axis { count: k, a: m, b: n }],
        a: a.as_ptr(),
        a_rows: (0, 1),
        b: b.as_ptr(),
        b_panel: PANEL,
        c: c.as_mut_ptr(),
        output: Output { outer: 0, row: PANEL, panel: m * PANEL },
        finish: Finish::ACCUMULATE,
        ahead: Ahead::NOTHING,
        column_sums: column_sums.as_mut_ptr(),
        turns,
        c_is_near: false,
        has_zeros: false,
    };
    // SAFETY: the buffers have the lengths that the strides address.
    unsafe { gemm.run_transposed(isa) };
    let check = |got: f32, want: f64, at: (usize, usize)| {
        let error = (f64::from(got) - want).abs();
        assert!(error < 1e-5 * k as f64, "{} {m}×{k}×{n} {at:?}: {got} {want}", isa.name());
    };
    for j in 0..n {
        for i in 0..m {
            let products = (0..k).map(|x| f64::from(a[x * m + i]) * f64::from(b[x * n + j]));
            let at = (j / PANEL * m + i) * PANEL + j % PANEL;
            check(c[at], f64::from(start[at]) + products.sum::<f64>(), (i, j));
        }
        let column: f64 = (0..k).map(|x| f64::from(b[x * n + j])).sum();
        check(column_sums[j], f64::from(start_sums[j]) + column, (m, j));
    }
}

#[test]
fn a_transposed_operand_accumulates_and_columns_are_summed() {
    for isa in Isa::available() {
        // Among them numbers of rows that every instruction set's tiles divide, and one row alone.
        for (m, k) in [(1, 7), (3, 5), (6, 17), (9, 33), (16, 40), (18, 16), (20, 9), (11, 90)] {
            for panels in 1..=4 {
                check_transposed(isa, m, panels, k, false);
            }
            for panels in 5..=8 {
                check_transposed(isa, m, panels, k, true);
            }
        }
    }
}

/// Three and four panels at a time take AVX-512 to be computed, but not to be shared out.
#[cfg(target_arch = "x86_64")]
#[test]
fn tiles_have_all_rows_and_wide_ones_have_enough() {
    type S = crate::simd::Avx512;
    for (panels, rows) in (1..10).flat_map(|panels| (0..200).map(move |rows| (panels, rows))) {
        let width = width::<S>(panels, rows, false);
        let most = S::TILE_ROWS[width - 1];
        let tiles = tiles(rows, most);
        assert_eq!(tiles.iter().map(|(count, height)| count * height).sum::<usize>(), rows);
        for (_, height) in tiles.into_iter().filter(|(count, _)| *count > 0) {
            assert!(height <= most, "{rows} rows of {panels} panels");
            assert!(width == 1 || height >= LEAST_WIDE, "{rows} rows of {panels} panels");
        }
    }
}

/// Whichever triple of panels they start with, tiles that turn back are as wide as those of all panels, and so of the same
/// rows.
#[cfg(target_arch = "x86_64")]
#[test]
fn tiles_that_turn_back_are_the_same_from_every_triple_on() {
    type S = crate::simd::Avx512;
    for (panels, rows) in (5..30).flat_map(|panels| (1..20).map(move |rows| (panels, rows))) {
        let mut starts = vec![0];
        while let Some(start) = starts.last().filter(|start| **start < panels) {
            starts.push(start + width::<S>(panels - start, rows, true));
        }
        for triple in (3..panels - 1).step_by(3) {
            assert!(starts.contains(&triple), "{rows} rows of {panels} panels: {starts:?}");
        }
    }
}

/// The bits of `A·B` by tiles that look for zeros or by those that do not; `A` has whole panels a row.
fn bits(
    isa: Isa,
    a: &[f32],
    b: &[f32],
    (m, k, panels): (usize, usize, usize),
    zeros: bool,
) -> [Vec<u32>; 2] {
    let n = panels * PANEL;
    let (bias, gate) = (values(n, 3), values(m * n, 9));
    [Finish::bias(bias.as_ptr(), true), Finish::gate(gate.as_ptr())].map(|finish| {
        let c = product(isa, (a, padded(k)), b, (m, k, panels), finish, zeros);
        c.iter().map(|x| x.to_bits()).collect()
    })
}

/// `A` (m × padded k) whose values are zero where `is_zero(row, column)`, and whose padding is.
fn with_zeros(m: usize, k: usize, is_zero: impl Fn(usize, usize) -> bool) -> Vec<f32> {
    let mut a = values(m * padded(k), 7);
    for (i, row) in a.chunks_exact_mut(padded(k)).enumerate() {
        for (j, value) in row.iter_mut().enumerate() {
            if j >= k || is_zero(i, j) {
                *value = 0.0;
            }
        }
    }
    a
}

/// Numbers without a pattern.
fn hash(i: usize, j: usize) -> usize {
    (((i * 31 + j) * 2_654_435_761) >> 7) % 101
}

#[test]
fn products_of_zeros_are_left_out_to_the_same_bits() {
    // More rows than a block has, more products than are looked at together, and few of both.
    let shapes = [
        (5, 96, 3),
        (16, 70, 2),
        (61, 33, 4),
        (97, 150, 7),
        (700, 96, 6),
        (40, 1100, 5),
        (130, 2000, 2),
        (17, 8192, 2),
        (9, 9000, 2),
    ];
    for isa in Isa::available() {
        for (m, k, panels) in shapes {
            let b = values(k * panels * PANEL, 2);
            let patterns: [&dyn Fn(usize, usize) -> bool; 6] = [
                &|_, _| false,
                &|_, _| true,
                &|i, j| hash(i / 10, j) < 50,
                &|i, j| hash(i, j) < 95,
                &|i, j| i > 200 || hash(i / 48, j) < 70,
                &|i, j| i != m - 1 || j != k - 1,
            ];
            for (number, pattern) in patterns.into_iter().enumerate() {
                let a = with_zeros(m, k, pattern);
                let [all, some] =
                    [false, true].map(|zeros| bits(isa, &a, &b, (m, k, panels), zeros));
                assert!(all == some, "{} {m}×{k}×{panels}, pattern {number}", isa.name());
            }
        }
    }
}

/// What is not a number is no zero, and what a zero would be multiplied by is not read.
#[test]
fn only_products_of_zeros_are_left_out() {
    let (m, k, panels) = (48, 96, 3);
    for isa in Isa::available().filter(|isa| *isa != Isa::SCALAR) {
        let mut a = with_zeros(m, k, |_, j| j % 3 == 0);
        let mut b = values(k * panels * PANEL, 2);
        for row in b.chunks_exact_mut(3 * PANEL) {
            row[..PANEL].fill(f32::NAN);
        }
        let is_nan = |bits: &u32| f32::from_bits(*bits).is_nan();
        let [biased, gated] = bits(isa, &a, &b, (m, k, panels), true);
        assert!(!biased.iter().chain(&gated).any(is_nan), "{}", isa.name());
        a[17 * k + 1] = f32::NAN;
        let [biased, _] = bits(isa, &a, &b, (m, k, panels), true);
        let rows: Vec<bool> =
            biased.chunks(panels * PANEL).map(|row| row.iter().all(is_nan)).collect();
        assert_eq!(rows, (0..m).map(|i| i == 17).collect::<Vec<_>>(), "{}", isa.name());
    }
}
