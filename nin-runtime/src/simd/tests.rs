//! Every operation on every instruction set of this machine against plain Rust.

use super::*;
use alloc::{vec, vec::Vec};
use half::{bf16, f16};

/// Applies all operations lane by lane to two inputs of one register.
struct AllOperations<'a> {
    a: &'a [f32; PANEL],
    b: &'a [f32; PANEL],
}

impl Kernel for AllOperations<'_> {
    type Output = Vec<(&'static str, Vec<f32>)>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Self::Output {
        let lanes = |v: S::V| {
            let mut out = vec![0.0; S::LANES];
            // SAFETY: `out` holds one register.
            unsafe { s.store(out.as_mut_ptr(), v) };
            out
        };
        // SAFETY: a panel is at least one register.
        let (a, b) = unsafe { (s.load(self.a.as_ptr()), s.load(self.b.as_ptr())) };
        let one = s.splat(1.0);
        let zero = s.splat(0.0);
        let mut halves = [f16::ZERO; PANEL];
        // SAFETY: a panel is at least one register.
        unsafe { s.store_f16(halves.as_mut_ptr(), a) };
        vec![
            ("add", lanes(a + b)),
            ("sub", lanes(a - b)),
            ("mul", lanes(a * b)),
            ("mul_add", lanes(a.mul_add(b, one))),
            ("scale", lanes(a.scale(3.0))),
            ("scale_add", lanes(a.scale_add(3.0, b))),
            ("relu", lanes(s.relu(a))),
            ("max", lanes(s.select(s.is_nan(a), zero, s.max(a, b)))),
            ("div", lanes(s.div(a, b))),
            ("sqrt", lanes(s.sqrt(a))),
            ("not_le", lanes(s.select(s.not_le(a, b), one, zero))),
            ("eq", lanes(s.select(s.eq(a, b), one, zero))),
            ("nan", lanes(s.select(s.is_nan(a), one, zero))),
            ("unordered", lanes(s.select(s.unordered(a, b), one, zero))),
            ("or", lanes(s.select(s.or(s.is_nan(a), s.eq(a, b)), one, zero))),
            ("gate", lanes(s.gate(a, b))),
            // SAFETY: a panel is at least one register.
            ("f16", lanes(unsafe { s.load_f16(halves.as_ptr()) })),
        ]
    }
}

fn expected(name: &str, a: f32, b: f32) -> f32 {
    let truth = |t: bool| if t { 1.0 } else { 0.0 };
    match name {
        "add" => a + b,
        "sub" => a - b,
        "mul" => a * b,
        "mul_add" => a.mul_add(b, 1.0),
        "scale" => a * 3.0,
        "scale_add" => a.mul_add(3.0, b),
        "relu" => {
            if a < 0.0 {
                0.0
            } else {
                a
            }
        }
        "div" => a / b,
        "sqrt" => a.sqrt(),
        "not_le" => truth(a > b || a.is_nan() || b.is_nan()),
        "eq" => truth(a == b),
        // Where only `a` is NaN, either may come out.
        "max" if a.is_nan() => 0.0,
        "max" if b.is_nan() => f32::NAN,
        "max" => a.max(b),
        "unordered" => truth(a.is_nan() || b.is_nan()),
        "nan" => truth(a.is_nan()),
        "or" => truth(a.is_nan() || a == b),
        "gate" => {
            if a <= 0.0 {
                0.0
            } else {
                b
            }
        }
        "f16" => f16::from_f32(a).to_f32(),
        _ => unreachable!(),
    }
}

#[test]
fn every_operation_agrees_with_plain_rust_on_every_instruction_set() {
    let interesting = [
        0.0,
        -0.0,
        1.0,
        -1.5,
        3.0,
        f32::NAN,
        f32::INFINITY,
        1e-3,
        -7.25,
        65504.0,
        f32::NEG_INFINITY,
    ];
    for isa in Isa::available() {
        for i in 0..interesting.len() {
            for j in 0..interesting.len() {
                let a = core::array::from_fn(|k| interesting[(i + k) % interesting.len()]);
                let b = core::array::from_fn(|k| interesting[(j + 3 * k) % interesting.len()]);
                for (name, lanes) in isa.run(AllOperations { a: &a, b: &b }) {
                    for (lane, &got) in lanes.iter().enumerate() {
                        let want = expected(name, a[lane], b[lane]);
                        let fused = name == "mul_add" || name == "scale_add";
                        let near = fused && (got - want).abs() <= want.abs() * 1e-6;
                        let same = got == want || (got.is_nan() && want.is_nan()) || near;
                        assert!(
                            same,
                            "{} {name}({}, {}) = {got}, not {want}",
                            isa.name(),
                            a[lane],
                            b[lane]
                        );
                    }
                }
            }
        }
    }
}

/// How many of a panel's registers have a positive lane.
struct PositiveRegisters<'a>(&'a [f32; PANEL]);

impl Kernel for PositiveRegisters<'_> {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> usize {
        let zero = s.splat(0.0);
        let registers = self.0.chunks_exact(S::LANES);
        // SAFETY: each chunk is one register.
        registers.filter(|lanes| s.any(s.not_le(unsafe { s.load(lanes.as_ptr()) }, zero))).count()
    }
}

#[test]
fn a_mask_with_one_true_lane_counts_as_any() {
    for isa in Isa::available() {
        assert_eq!(isa.run(PositiveRegisters(&[0.0; PANEL])), 0);
        for lane in 0..PANEL {
            let mut panel = [0.0; PANEL];
            panel[lane] = 1.0;
            assert_eq!(isa.run(PositiveRegisters(&panel)), 1, "{} lane {lane}", isa.name());
        }
    }
}

/// The bits that [`Simd::nonzero`] gives for a panel.
struct Nonzero<'a>(&'a [f32; PANEL]);

impl Kernel for Nonzero<'_> {
    type Output = u32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> u32 {
        let registers = self.0.chunks_exact(S::LANES).enumerate();
        registers.fold(0, |bits, (i, lanes)| {
            // SAFETY: each chunk is one register.
            bits | s.nonzero(unsafe { s.load(lanes.as_ptr()) }) << (i * S::LANES)
        })
    }
}

/// The bits of a panel that are set in either of two.
struct OrBits<'a>(&'a [f32; PANEL], &'a [f32; PANEL]);

impl Kernel for OrBits<'_> {
    type Output = [u32; PANEL];

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> [u32; PANEL] {
        let mut either = [0.0; PANEL];
        for i in (0..PANEL).step_by(S::LANES) {
            // SAFETY: a panel is whole registers.
            unsafe {
                let (a, b) = (s.load(self.0[i..].as_ptr()), s.load(self.1[i..].as_ptr()));
                s.store(either[i..].as_mut_ptr(), s.or_bits(a, b));
            }
        }
        either.map(f32::to_bits)
    }
}

#[test]
fn bits_of_either_are_set() {
    let bits = |factor: u32| core::array::from_fn(|i| (i as u32 + 1).wrapping_mul(factor));
    let (a, b): ([u32; PANEL], [u32; PANEL]) = (bits(0x9e37_79b9), bits(0x85eb_ca6b));
    for isa in Isa::available() {
        let either = isa.run(OrBits(&a.map(f32::from_bits), &b.map(f32::from_bits)));
        assert_eq!(either, core::array::from_fn(|i| a[i] | b[i]), "{}", isa.name());
    }
}

#[test]
fn what_is_not_zero_has_its_bit_set() {
    for isa in Isa::available() {
        for pattern in 0..=u16::MAX {
            let panel = core::array::from_fn(|i| match (pattern >> i & 1 == 1, i) {
                (true, 3) => f32::NAN,
                (true, _) => i as f32 - 20.0,
                (false, _) => [0.0, -0.0][i % 2],
            });
            assert_eq!(isa.run(Nonzero(&panel)), u32::from(pattern), "{} {pattern:b}", isa.name());
        }
    }
}

/// The steps that [`Simd::store_steps`] gives for the bits of a panel, register by register.
struct OneSteps {
    bits: u32,
    gap: u16,
}

impl Kernel for OneSteps {
    type Output = Vec<u16>;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Vec<u16> {
        let mut steps = vec![];
        let mut gap = self.gap;
        for first in (0..PANEL).step_by(S::LANES) {
            let bits = self.bits >> first & ((1 << S::LANES) - 1);
            let mut some = [0; PANEL];
            // SAFETY: there is room for the steps of a register.
            gap = unsafe { s.store_steps(bits, gap, some.as_mut_ptr()) };
            steps.extend_from_slice(&some[..bits.count_ones() as usize]);
        }
        // The last one leads to the bit behind the panel.
        steps.push(gap);
        steps
    }
}

#[test]
fn steps_lead_from_one_to_one() {
    for isa in Isa::available() {
        for bits in (0..=u16::MAX).map(u32::from) {
            let gap = bits as u16 % 7;
            let mut at = -i32::from(gap);
            let steps = isa.run(OneSteps { bits, gap });
            let places = steps.into_iter().map(|step| {
                at += i32::from(step);
                at
            });
            let ones = (0..16).filter(|i| bits >> i & 1 == 1).chain([16]);
            assert!(places.eq(ones), "{} {bits:b}", isa.name());
        }
    }
}

/// Transposes a square of [`PANEL`] rows, whose rows are `from_row` and `to_row` apart.
struct Transpose<'a> {
    from: &'a [f32],
    from_row: usize,
    to: &'a mut [f32],
    to_row: usize,
}

impl Kernel for Transpose<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for i in (0..PANEL).step_by(S::LANES) {
            for j in (0..PANEL).step_by(S::LANES) {
                let from = self.from[i * self.from_row + j..].as_ptr();
                let to = self.to[j * self.to_row + i..].as_mut_ptr();
                // SAFETY: both squares have the rows that are read and written.
                unsafe { s.transpose(from, self.from_row, to, self.to_row) };
            }
        }
    }
}

#[test]
fn a_square_is_transposed() {
    for isa in Isa::available() {
        let (from_row, to_row) = (PANEL + 3, PANEL + 1);
        let from: Vec<f32> = (0..PANEL * from_row).map(|i| i as f32).collect();
        let mut to = vec![f32::NAN; PANEL * to_row];
        isa.run(Transpose { from: &from, from_row, to: &mut to, to_row });
        for (j, row) in to.chunks(to_row).enumerate() {
            for (i, &value) in row[..PANEL].iter().enumerate() {
                assert_eq!(value, from[i * from_row + j], "{} ({j}, {i})", isa.name());
            }
            assert!(row[PANEL].is_nan(), "{}: nothing else is written", isa.name());
        }
    }
}

/// Numbers after a way through another format: narrowed into it, and widened again.
fn through<T: Element>(isa: Isa, values: &[f32]) -> Vec<f32> {
    let mut narrow = vec![T::from_f32(0.0); values.len()];
    isa.run(Convert { from: values, to: &mut narrow });
    let mut wide = vec![f32::NAN; values.len()];
    isa.run(Convert { from: &narrow, to: &mut wide });
    wide
}

fn check_conversions<T: Element>(all: impl Fn(u16) -> T) {
    // Every number of the format, the places halfway between neighbours, and those beside them.
    let exact: Vec<f32> = (0..=u16::MAX).map(|bits| all(bits).to_f32()).collect();
    let between = exact.windows(2).flat_map(|pair| {
        let middle = 0.5 * (pair[0] + pair[1]);
        [middle, middle.next_up(), middle.next_down()]
    });
    let mut values: Vec<f32> = exact.iter().copied().chain(between).collect();
    values.extend([1e-40, 1e38, f32::MAX, f32::MIN, 65519.9, 65520.0]);
    let want: Vec<f32> = values.iter().map(|&x| T::from_f32(x).to_f32()).collect();
    let bits = |x: f32| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() };
    assert!(exact.iter().zip(&want).all(|(a, b)| bits(*a) == bits(*b)), "exact numbers stay");
    for isa in Isa::available() {
        for ((x, want), got) in values.iter().zip(&want).zip(through::<T>(isa, &values)) {
            assert_eq!(bits(got), bits(*want), "{} {} of {x}: {got}, {want}", isa.name(), T::NAME);
        }
    }
}

#[test]
fn every_half_keeps_its_value_and_all_else_is_rounded_to_nearest_even() {
    check_conversions::<f32>(f32::from);
    check_conversions::<f16>(f16::from_bits);
    check_conversions::<bf16>(bf16::from_bits);
}

#[cfg(feature = "std")]
#[test]
fn denormals_are_flushed_only_while_the_guard_lives_even_if_a_panic_ends_it() {
    let half = |x: f32| std::hint::black_box(x) * std::hint::black_box(0.5);
    assert!(half(f32::MIN_POSITIVE) > 0.0);
    {
        let _guard = FlushDenormals::new();
        if cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
            assert_eq!(half(f32::MIN_POSITIVE), 0.0);
        }
    }
    assert!(half(f32::MIN_POSITIVE) > 0.0);
    let unwound = std::panic::catch_unwind(|| {
        let _guard = FlushDenormals::new();
        panic!("a kernel panics");
    });
    assert!(unwound.is_err() && half(f32::MIN_POSITIVE) > 0.0);
}
