//! Exact fractions, as small as Cook–Toom needs.

use std::fmt;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A fraction in lowest terms with a positive denominator.
///
/// The transforms of tiles up to 8 stay within a few digits; arithmetic that would leave `i128`
/// panics rather than wraps.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Rational {
    num: i128,
    den: i128,
}

impl Rational {
    pub(crate) const ZERO: Self = Self::integer(0);
    pub(crate) const ONE: Self = Self::integer(1);

    pub(crate) const fn integer(num: i128) -> Self {
        Self { num, den: 1 }
    }

    /// `num / den`, reduced. Panics if `den` is 0.
    pub(crate) fn new(num: i128, den: i128) -> Self {
        assert!(den != 0, "a fraction's denominator is 0");
        let gcd = gcd(num, den) * den.signum();
        Self { num: num / gcd, den: den / gcd }
    }

    pub(crate) fn numerator(self) -> i128 {
        self.num
    }

    pub(crate) fn denominator(self) -> i128 {
        self.den
    }

    pub(crate) fn is_zero(self) -> bool {
        self.num == 0
    }

    /// Whether the denominator is a power of two, so that a float of enough digits is exact.
    pub(crate) fn is_dyadic(self) -> bool {
        self.den.count_ones() == 1
    }

    pub(crate) fn abs(self) -> Self {
        Self { num: self.num.abs(), den: self.den }
    }

    pub(crate) fn pow(self, exponent: usize) -> Self {
        (0..exponent).fold(Self::ONE, |power, _| power * self)
    }

    pub(crate) fn to_f64(self) -> f64 {
        self.num as f64 / self.den as f64
    }
}

/// The greatest common divisor, positive unless both are 0.
fn gcd(a: i128, b: i128) -> i128 {
    let (mut a, mut b) = (a.abs(), b.abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn product(a: i128, b: i128) -> i128 {
    a.checked_mul(b).expect("a transform's coefficients fit i128")
}

impl Add for Rational {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let num = product(self.num, other.den).checked_add(product(other.num, self.den));
        Self::new(num.expect("a transform's coefficients fit i128"), product(self.den, other.den))
    }
}

impl Sub for Rational {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Rational {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self::new(product(self.num, other.num), product(self.den, other.den))
    }
}

impl Div for Rational {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        Self::new(product(self.num, other.den), product(self.den, other.num))
    }
}

impl Neg for Rational {
    type Output = Self;

    fn neg(self) -> Self {
        Self { num: -self.num, den: self.den }
    }
}

impl fmt::Display for Rational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.den == 1 {
            write!(f, "{}", self.num)
        } else {
            write!(f, "{}/{}", self.num, self.den)
        }
    }
}

impl fmt::Debug for Rational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn q(num: i128, den: i128) -> Rational {
        Rational::new(num, den)
    }

    #[test]
    fn fractions_are_kept_in_lowest_terms_with_a_positive_denominator() {
        assert_eq!(q(6, -4), q(-3, 2));
        assert_eq!(q(0, -7), Rational::ZERO);
        assert_eq!(q(21, 4).to_string(), "21/4");
        assert_eq!(q(-8, 4).to_string(), "-2");
    }

    #[test]
    fn arithmetic_is_exact() {
        assert_eq!(q(1, 3) + q(1, 6), q(1, 2));
        assert_eq!(q(1, 3) - q(1, 2), q(-1, 6));
        assert_eq!(q(2, 3) * q(9, 4), q(3, 2));
        assert_eq!(q(2, 3) / q(-4, 9), q(-3, 2));
        assert_eq!(q(-1, 2).pow(3), q(-1, 8));
        assert_eq!(q(-5, 2).pow(0), Rational::ONE);
        assert_eq!(q(-5, 4).to_f64(), -1.25);
    }

    #[test]
    #[should_panic(expected = "fit i128")]
    fn overflow_panics() {
        let _ = Rational::integer(i128::MAX) + Rational::ONE;
    }

    #[test]
    #[should_panic(expected = "denominator is 0")]
    fn division_by_zero_panics() {
        let _ = Rational::ONE / Rational::ZERO;
    }
}
