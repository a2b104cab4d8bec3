//! AVX2 with FMA, F16C and POPCNT, and AVX-512F.

use super::{Simd, Vector};
use core::arch::x86_64::*;
use core::ops::{Add, Mul, Sub};
use half::{bf16, f16};

/// The token for AVX2, FMA, F16C and POPCNT.
#[derive(Clone, Copy)]
pub struct Avx2(());

/// The token for AVX-512F.
#[derive(Clone, Copy)]
pub struct Avx512(());

impl Avx2 {
    /// # Safety
    /// The processor must have AVX2, FMA and F16C.
    #[inline(always)]
    pub(super) unsafe fn new() -> Self {
        Self(())
    }
}

impl Avx512 {
    /// # Safety
    /// The processor must have AVX-512F.
    #[inline(always)]
    pub(super) unsafe fn new() -> Self {
        Self(())
    }
}

/// Eight floats in a `ymm` register.
#[derive(Clone, Copy)]
pub struct F32x8(__m256);

/// Sixteen floats in a `zmm` register.
#[derive(Clone, Copy)]
pub struct F32x16(__m512);

/// Implements the arithmetic of one register type by its intrinsics.
macro_rules! vector {
    ($vector:ident, $add:ident, $sub:ident, $mul:ident, $fma:ident, $set1:ident) => {
        impl Add for $vector {
            type Output = Self;
            #[inline(always)]
            fn add(self, b: Self) -> Self {
                // SAFETY: a value of this type exists only where the instructions do.
                Self(unsafe { $add(self.0, b.0) })
            }
        }

        impl Sub for $vector {
            type Output = Self;
            #[inline(always)]
            fn sub(self, b: Self) -> Self {
                // SAFETY: a value of this type exists only where the instructions do.
                Self(unsafe { $sub(self.0, b.0) })
            }
        }

        impl Mul for $vector {
            type Output = Self;
            #[inline(always)]
            fn mul(self, b: Self) -> Self {
                // SAFETY: a value of this type exists only where the instructions do.
                Self(unsafe { $mul(self.0, b.0) })
            }
        }

        impl Vector for $vector {
            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                // SAFETY: a value of this type exists only where the instructions do.
                Self(unsafe { $fma(self.0, a.0, b.0) })
            }

            #[inline(always)]
            fn scale(self, c: f32) -> Self {
                // SAFETY: a value of this type exists only where the instructions do.
                self * Self(unsafe { $set1(c) })
            }

            #[inline(always)]
            fn scale_add(self, c: f32, b: Self) -> Self {
                // SAFETY: a value of this type exists only where the instructions do.
                self.mul_add(Self(unsafe { $set1(c) }), b)
            }
        }
    };
}

vector!(F32x8, _mm256_add_ps, _mm256_sub_ps, _mm256_mul_ps, _mm256_fmadd_ps, _mm256_set1_ps);
vector!(F32x16, _mm512_add_ps, _mm512_sub_ps, _mm512_mul_ps, _mm512_fmadd_ps, _mm512_set1_ps);

impl Simd for Avx2 {
    type V = F32x8;
    type Mask = __m256;
    const LANES: usize = 8;
    const REGISTERS: usize = 16;
    // 12 sums, two vectors of weights and one broadcast fill 15 of 16 registers.
    const TILE_ROWS: &'static [usize] = &[6];
    const SKIP_ROWS: usize = 6;
    const UNROLL: usize = 8;

    #[inline(always)]
    fn splat(self, x: f32) -> F32x8 {
        // SAFETY: the token exists only where the instructions do; so below.
        F32x8(unsafe { _mm256_set1_ps(x) })
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> F32x8 {
        // SAFETY: the caller vouches for eight values.
        F32x8(unsafe { _mm256_loadu_ps(p) })
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: F32x8) {
        // SAFETY: the caller vouches for eight values.
        unsafe { _mm256_storeu_ps(p, v.0) }
    }

    #[inline(always)]
    unsafe fn store_past_caches(self, p: *mut f32, v: F32x8) {
        // SAFETY: the caller vouches for eight values and their alignment.
        unsafe { _mm256_stream_ps(p, v.0) }
    }

    #[inline(always)]
    unsafe fn load_f16(self, p: *const f16) -> F32x8 {
        // SAFETY: the caller vouches for eight values of 16 bits.
        F32x8(unsafe { _mm256_cvtph_ps(_mm_loadu_si128(p.cast())) })
    }

    #[inline(always)]
    unsafe fn store_f16(self, p: *mut f16, v: F32x8) {
        // SAFETY: the caller vouches for eight values of 16 bits.
        unsafe { _mm_storeu_si128(p.cast(), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(v.0)) }
    }

    #[inline(always)]
    unsafe fn load_bf16(self, p: *const bf16) -> F32x8 {
        // SAFETY: the caller vouches for eight values of 16 bits.
        unsafe {
            let bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(p.cast()));
            F32x8(_mm256_castsi256_ps(_mm256_slli_epi32::<16>(bits)))
        }
    }

    #[inline(always)]
    unsafe fn store_bf16(self, p: *mut bf16, v: F32x8) {
        // SAFETY: the caller vouches for eight values of 16 bits.
        unsafe {
            let bits = _mm256_castps_si256(v.0);
            let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
            let half = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
            let rounded = _mm256_castsi256_ps(_mm256_add_epi32(bits, half));
            let quiet = _mm256_or_si256(bits, _mm256_set1_epi32(1 << 22));
            let nan = self.is_nan(v);
            let result = _mm256_blendv_ps(rounded, _mm256_castsi256_ps(quiet), nan);
            let upper = _mm256_srli_epi32::<16>(_mm256_castps_si256(result));
            // Packing works within the register's halves.
            let packed = _mm256_packus_epi32(upper, upper);
            let packed = _mm256_permute4x64_epi64::<0b1000>(packed);
            _mm_storeu_si128(p.cast(), _mm256_castsi256_si128(packed));
        }
    }

    #[inline(always)]
    fn relu(self, v: F32x8) -> F32x8 {
        // `maxps` gives its second operand where either is NaN.
        // SAFETY: the token exists only where the instructions do.
        F32x8(unsafe { _mm256_max_ps(_mm256_setzero_ps(), v.0) })
    }

    #[inline(always)]
    fn max(self, a: F32x8, b: F32x8) -> F32x8 {
        // SAFETY: the token exists only where the instructions do.
        F32x8(unsafe { _mm256_max_ps(a.0, b.0) })
    }

    #[inline(always)]
    fn div(self, a: F32x8, b: F32x8) -> F32x8 {
        // SAFETY: the token exists only where the instructions do.
        F32x8(unsafe { _mm256_div_ps(a.0, b.0) })
    }

    #[inline(always)]
    fn sqrt(self, v: F32x8) -> F32x8 {
        // SAFETY: the token exists only where the instructions do.
        F32x8(unsafe { _mm256_sqrt_ps(v.0) })
    }

    #[inline(always)]
    fn not_le(self, a: F32x8, b: F32x8) -> __m256 {
        // SAFETY: the token exists only where the instructions do.
        unsafe { _mm256_cmp_ps::<_CMP_NLE_UQ>(a.0, b.0) }
    }

    #[inline(always)]
    fn eq(self, a: F32x8, b: F32x8) -> __m256 {
        // SAFETY: the token exists only where the instructions do.
        unsafe { _mm256_cmp_ps::<_CMP_EQ_OQ>(a.0, b.0) }
    }

    #[inline(always)]
    fn unordered(self, a: F32x8, b: F32x8) -> __m256 {
        // SAFETY: the token exists only where the instructions do.
        unsafe { _mm256_cmp_ps::<_CMP_UNORD_Q>(a.0, b.0) }
    }

    #[inline(always)]
    fn any(self, mask: __m256) -> bool {
        // SAFETY: the token exists only where the instructions do.
        unsafe { _mm256_movemask_ps(mask) != 0 }
    }

    #[inline(always)]
    fn or(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token exists only where the instructions do.
        unsafe { _mm256_or_ps(a, b) }
    }

    #[inline(always)]
    fn select(self, mask: __m256, a: F32x8, b: F32x8) -> F32x8 {
        // SAFETY: the token exists only where the instructions do.
        F32x8(unsafe { _mm256_blendv_ps(b.0, a.0, mask) })
    }

    #[inline(always)]
    fn nonzero(self, v: F32x8) -> u32 {
        // SAFETY: the token exists only where the instructions do.
        unsafe {
            let nonzero = _mm256_cmp_ps::<_CMP_NEQ_UQ>(v.0, _mm256_setzero_ps());
            _mm256_movemask_ps(nonzero) as u32
        }
    }

    #[inline(always)]
    fn or_bits(self, a: F32x8, b: F32x8) -> F32x8 {
        // SAFETY: the token exists only where the instructions do.
        F32x8(unsafe { _mm256_or_ps(a.0, b.0) })
    }

    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
        // SAFETY: the caller vouches for eight rows of eight.
        unsafe {
            let mut rows = [_mm256_setzero_ps(); 8];
            for (i, row) in rows.iter_mut().enumerate() {
                *row = _mm256_loadu_ps(from.add(i * from_row));
            }
            let mut pairs = rows;
            for i in (0..8).step_by(2) {
                pairs[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
                pairs[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
            }
            // Register `i` then has columns `i % 4` and `i % 4 + 4` of four rows.
            let mut fours = pairs;
            for i in (0..8).step_by(4) {
                for j in 0..2 {
                    let (a, b) = (pairs[i + j], pairs[i + j + 2]);
                    fours[i + 2 * j] = _mm256_shuffle_ps::<0b01_00_01_00>(a, b);
                    fours[i + 2 * j + 1] = _mm256_shuffle_ps::<0b11_10_11_10>(a, b);
                }
            }
            for i in 0..4 {
                let (a, b) = (fours[i], fours[i + 4]);
                _mm256_storeu_ps(to.add(i * to_row), _mm256_permute2f128_ps::<0x20>(a, b));
                _mm256_storeu_ps(to.add((i + 4) * to_row), _mm256_permute2f128_ps::<0x31>(a, b));
            }
        }
    }
}

impl Simd for Avx512 {
    type V = F32x16;
    type Mask = __mmask16;
    const LANES: usize = 16;
    const REGISTERS: usize = 32;
    // At most 24 sums, beside the vectors of weights and a broadcast. Of 27 some did not stay in registers where the
    // loop is written out. Wide tiles load less for each multiplication; but compiled for size, where no loop over their
    // vectors is written out, their sums would not be in registers at all, and they would be half of a program.
    const TILE_ROWS: &'static [usize] = if cfg!(for_size) { &[8] } else { &[8, 10, 8, 6] };
    const SKIP_ROWS: usize = 8;
    const UNROLL: usize = 2;
    const TALL: usize = 20;

    #[inline(always)]
    fn splat(self, x: f32) -> F32x16 {
        // SAFETY: the token exists only where the instructions do; so below.
        F32x16(unsafe { _mm512_set1_ps(x) })
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> F32x16 {
        // SAFETY: the caller vouches for sixteen values.
        F32x16(unsafe { _mm512_loadu_ps(p) })
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: F32x16) {
        // SAFETY: the caller vouches for sixteen values.
        unsafe { _mm512_storeu_ps(p, v.0) }
    }

    #[inline(always)]
    unsafe fn store_past_caches(self, p: *mut f32, v: F32x16) {
        // SAFETY: the caller vouches for sixteen values and their alignment.
        unsafe { _mm512_stream_ps(p, v.0) }
    }

    #[inline(always)]
    unsafe fn load_f16(self, p: *const f16) -> F32x16 {
        // SAFETY: the caller vouches for sixteen values of 16 bits.
        F32x16(unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(p.cast())) })
    }

    #[inline(always)]
    unsafe fn store_f16(self, p: *mut f16, v: F32x16) {
        // SAFETY: the caller vouches for sixteen values of 16 bits.
        unsafe { _mm256_storeu_si256(p.cast(), _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(v.0)) }
    }

    #[inline(always)]
    unsafe fn load_bf16(self, p: *const bf16) -> F32x16 {
        // SAFETY: the caller vouches for sixteen values of 16 bits.
        unsafe {
            let bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256(p.cast()));
            F32x16(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(bits)))
        }
    }

    #[inline(always)]
    unsafe fn store_bf16(self, p: *mut bf16, v: F32x16) {
        // SAFETY: the caller vouches for sixteen values of 16 bits.
        unsafe {
            let bits = _mm512_castps_si512(v.0);
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let half = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
            let rounded = _mm512_add_epi32(bits, half);
            let quiet = _mm512_or_si512(bits, _mm512_set1_epi32(1 << 22));
            let result = _mm512_mask_blend_epi32(self.is_nan(v), rounded, quiet);
            let upper = _mm512_srli_epi32::<16>(result);
            _mm256_storeu_si256(p.cast(), _mm512_cvtepi32_epi16(upper));
        }
    }

    #[inline(always)]
    fn gate(self, gate: F32x16, v: F32x16) -> F32x16 {
        // For each class of numbers four bits: 8 makes zero, 0 keeps `v`. Zeros come third, negative infinity fifth,
        // negative numbers seventh.
        // SAFETY: the token exists only where the instructions do.
        F32x16(unsafe { _mm512_fixupimm_ps::<0>(v.0, gate.0, _mm512_set1_epi32(0x0808_0800)) })
    }

    #[inline(always)]
    fn once_known(self, v: &mut F32x16, p: *const f32) -> *const f32 {
        #[inline]
        #[target_feature(enable = "avx512f")]
        #[expect(clippy::pointers_in_nomem_asm_block, reason = "there is no instruction")]
        fn pass(v: &mut __m512, mut p: *const f32) -> *const f32 {
            // SAFETY: it does nothing.
            unsafe {
                core::arch::asm!(
                    "/* {0} {1} */",
                    inout(reg) p,
                    inout(zmm_reg) *v,
                    options(pure, nomem, nostack, preserves_flags)
                );
            }
            p
        }
        // SAFETY: the token exists only where the instructions do.
        unsafe { pass(&mut v.0, p) }
    }

    #[inline(always)]
    fn relu(self, v: F32x16) -> F32x16 {
        // `maxps` gives its second operand where either is NaN.
        // SAFETY: the token exists only where the instructions do.
        F32x16(unsafe { _mm512_max_ps(_mm512_setzero_ps(), v.0) })
    }

    #[inline(always)]
    fn max(self, a: F32x16, b: F32x16) -> F32x16 {
        // SAFETY: the token exists only where the instructions do.
        F32x16(unsafe { _mm512_max_ps(a.0, b.0) })
    }

    #[inline(always)]
    fn div(self, a: F32x16, b: F32x16) -> F32x16 {
        // SAFETY: the token exists only where the instructions do.
        F32x16(unsafe { _mm512_div_ps(a.0, b.0) })
    }

    #[inline(always)]
    fn sqrt(self, v: F32x16) -> F32x16 {
        // SAFETY: the token exists only where the instructions do.
        F32x16(unsafe { _mm512_sqrt_ps(v.0) })
    }

    #[inline(always)]
    fn not_le(self, a: F32x16, b: F32x16) -> __mmask16 {
        // SAFETY: the token exists only where the instructions do.
        unsafe { _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(a.0, b.0) }
    }

    #[inline(always)]
    fn eq(self, a: F32x16, b: F32x16) -> __mmask16 {
        // SAFETY: the token exists only where the instructions do.
        unsafe { _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a.0, b.0) }
    }

    #[inline(always)]
    fn unordered(self, a: F32x16, b: F32x16) -> __mmask16 {
        // SAFETY: the token exists only where the instructions do.
        unsafe { _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a.0, b.0) }
    }

    #[inline(always)]
    fn any(self, mask: __mmask16) -> bool {
        mask != 0
    }

    #[inline(always)]
    fn or(self, a: __mmask16, b: __mmask16) -> __mmask16 {
        a | b
    }

    #[inline(always)]
    fn select(self, mask: __mmask16, a: F32x16, b: F32x16) -> F32x16 {
        // SAFETY: the token exists only where the instructions do.
        F32x16(unsafe { _mm512_mask_blend_ps(mask, b.0, a.0) })
    }

    #[inline(always)]
    fn nonzero(self, v: F32x16) -> u32 {
        // SAFETY: the token exists only where the instructions do.
        unsafe { _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(v.0, _mm512_setzero_ps()).into() }
    }

    #[inline(always)]
    fn or_bits(self, a: F32x16, b: F32x16) -> F32x16 {
        // SAFETY: the token exists only where the instructions do.
        unsafe {
            let (a, b) = (_mm512_castps_si512(a.0), _mm512_castps_si512(b.0));
            F32x16(_mm512_castsi512_ps(_mm512_or_si512(a, b)))
        }
    }

    #[inline(always)]
    unsafe fn store_steps(self, bits: u32, gap: u16, to: *mut u16) -> u16 {
        // SAFETY: the caller vouches for sixteen numbers.
        unsafe {
            let all = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            let ones = _mm512_maskz_compress_epi32(bits as __mmask16, all);
            let before = _mm512_set1_epi32(-i32::from(gap));
            let steps = _mm512_sub_epi32(ones, _mm512_alignr_epi32::<15>(ones, before));
            _mm256_storeu_si256(to.cast(), _mm512_cvtepi32_epi16(steps));
        }
        bits.checked_ilog2().map_or(gap + 16, |last| 16 - last as u16)
    }

    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
        // SAFETY: the caller vouches for sixteen rows of sixteen.
        unsafe {
            let mut rows = [_mm512_setzero_ps(); 16];
            for (i, row) in rows.iter_mut().enumerate() {
                *row = _mm512_loadu_ps(from.add(i * from_row));
            }
            let mut pairs = rows;
            for i in (0..16).step_by(2) {
                pairs[i] = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
                pairs[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
            }
            // Quarter `q` of register `i` then has column `4q + i % 4` of four rows.
            let mut fours = pairs;
            for i in (0..16).step_by(4) {
                for j in 0..2 {
                    let (a, b) = (pairs[i + j], pairs[i + j + 2]);
                    fours[i + 2 * j] = _mm512_shuffle_ps::<0b01_00_01_00>(a, b);
                    fours[i + 2 * j + 1] = _mm512_shuffle_ps::<0b11_10_11_10>(a, b);
                }
            }
            for i in 0..4 {
                let [a, b, c, d] = [fours[i], fours[i + 4], fours[i + 8], fours[i + 12]];
                // Quarters 0 and 1, and 2 and 3, of eight rows each.
                let low = _mm512_shuffle_f32x4::<0b01_00_01_00>(a, b);
                let high = _mm512_shuffle_f32x4::<0b11_10_11_10>(a, b);
                let low_after = _mm512_shuffle_f32x4::<0b01_00_01_00>(c, d);
                let high_after = _mm512_shuffle_f32x4::<0b11_10_11_10>(c, d);
                for (at, half, after) in [(0, low, low_after), (8, high, high_after)] {
                    let even = _mm512_shuffle_f32x4::<0b10_00_10_00>(half, after);
                    let odd = _mm512_shuffle_f32x4::<0b11_01_11_01>(half, after);
                    _mm512_storeu_ps(to.add((i + at) * to_row), even);
                    _mm512_storeu_ps(to.add((i + at + 4) * to_row), odd);
                }
            }
        }
    }
}
