//! The functions that `core` lacks, in `f64`: the same bits on every machine, with and without `std`.

/// e to the power of `x`; results below 10⁻³⁰⁰ are zero.
pub(crate) fn exp(x: f64) -> f64 {
    const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    if x.is_nan() {
        return x;
    }
    if x < -690.0 {
        return 0.0;
    }
    if x > 709.0 {
        return f64::INFINITY;
    }
    // x = k · ln 2 + r with |r| ≤ ln 2 / 2, where fourteen terms of Taylor's series suffice.
    let k = (x * core::f64::consts::LOG2_E + if x < 0.0 { -0.5 } else { 0.5 }) as i64;
    let r = (x - k as f64 * LN_2_HIGH) - k as f64 * LN_2_LOW;
    let series = (1..14).rev().fold(1.0, |sum, n| 1.0 + sum * r / f64::from(n));
    series * f64::from_bits(((1023 + k) as u64) << 52)
}

/// The natural logarithm of a positive, normal `x`; NaN for NaN.
pub(crate) fn ln(x: f64) -> f64 {
    if x.is_nan() || x == f64::INFINITY {
        return x;
    }
    debug_assert!(x >= f64::MIN_POSITIVE);
    // x = m · 2ᵏ with m in [√½, √2); with t = (m - 1) / (m + 1), ln m = 2 (t + t³/3 + t⁵/5 + …).
    let mut k = (x.to_bits() >> 52) as i64 - 1023;
    let mut m = f64::from_bits((x.to_bits() & ((1 << 52) - 1)) | (1023 << 52));
    if m > core::f64::consts::SQRT_2 {
        m *= 0.5;
        k += 1;
    }
    let t = (m - 1.0) / (m + 1.0);
    let series = (0..12).rev().fold(0.0, |sum, n| sum * t * t + 1.0 / f64::from(2 * n + 1));
    k as f64 * core::f64::consts::LN_2 + 2.0 * t * series
}

/// The square root, by Heron's iteration; NaN below zero.
pub(crate) fn sqrt(x: f64) -> f64 {
    if x < 0.0 {
        return f64::NAN;
    }
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    // Halving the exponent gives a start within a factor of two; six steps reach f64's precision.
    let mut root = f64::from_bits((x.to_bits() >> 1) + (1023 << 51));
    for _ in 0..6 {
        root = 0.5 * (root + x / root);
    }
    root
}

#[cfg(all(test, feature = "std"))]
mod tests {
    fn close(got: f64, want: f64) -> bool {
        got == want || (got.is_nan() && want.is_nan()) || (got / want - 1.0).abs() < 1e-15
    }

    #[test]
    fn functions_agree_with_the_standard_librarys() {
        for i in -6_900..7_000 {
            let x = f64::from(i) * 0.1 + 0.0137;
            let (got, want) = (super::exp(x), x.exp());
            assert!(close(got, want), "exp({x}) = {got}, not {want}");
            let x = x.exp();
            if x.is_normal() {
                let error = (super::ln(x) - x.ln()).abs();
                assert!(error <= 4e-16 * x.ln().abs().max(1.0), "ln({x}) is off by {error}");
                assert!(close(super::sqrt(x), x.sqrt()), "sqrt({x})");
            }
        }
    }

    #[test]
    fn special_values_are_kept() {
        for x in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -1e4] {
            assert!(close(super::exp(x), x.exp()), "exp({x})");
        }
        for x in [f64::NAN, f64::INFINITY, 1.0] {
            assert!(close(super::ln(x), x.ln()), "ln({x})");
        }
        for x in [f64::NAN, f64::INFINITY, 0.0, -1.0] {
            assert!(close(super::sqrt(x), x.sqrt()), "sqrt({x})");
        }
    }
}
