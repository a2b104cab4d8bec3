//! How numbers are kept in memory; arithmetic is in `f32`, whatever they are kept as.

use super::{Kernel, Simd};
use half::{bf16, f16};

/// The formats that numbers are kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// IEEE single precision.
    F32,
    /// IEEE half precision: 11 bits of significand, magnitudes up to 65504.
    F16,
    /// The upper half of an `f32`: 8 bits of significand, the magnitudes of `f32`.
    Bf16,
}

impl Format {
    /// Bytes of a number.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }
}

/// A number as it is kept in memory: `f32`, [`f16`](struct@half::f16) or [`bf16`].
///
/// Narrowing rounds to nearest, ties to even; what is beyond the largest number becomes infinite.
///
/// # Safety
/// Every pattern of bits is a number of this type, one or more of them fill the place of an `f32` and need
/// no stricter alignment, and [`FORMAT`](Self::FORMAT) is [`Format::F32`] only for `f32`.
pub unsafe trait Element:
    Copy + Send + Sync + PartialEq + core::fmt::Debug + 'static
{
    /// The format.
    const FORMAT: Format;
    /// What people call it.
    const NAME: &'static str;

    /// Rounds to this format.
    fn from_f32(x: f32) -> Self;

    /// The same number as an `f32`.
    fn to_f32(self) -> f32;

    /// The bytes of a number, the lowest first.
    fn to_le_bytes(self) -> impl AsRef<[u8]>;

    /// Reads and widens [`Simd::LANES`] values.
    ///
    /// # Safety
    /// `p` must be valid for reading that many values.
    unsafe fn load<S: Simd>(s: S, p: *const Self) -> S::V;

    /// Rounds and writes [`Simd::LANES`] values.
    ///
    /// # Safety
    /// `p` must be valid for writing that many values.
    unsafe fn store<S: Simd>(s: S, p: *mut Self, v: S::V);
}

/// Implements [`Element`] by a type's conversions and the vector layer's loads and stores.
macro_rules! element {
    ($type:ident, $format:ident, $load:ident, $store:ident, $from:expr, $to:expr) => {
        // SAFETY: numbers of 32 or 16 bits, all of which have a meaning.
        unsafe impl Element for $type {
            const FORMAT: Format = Format::$format;
            const NAME: &'static str = stringify!($type);

            #[inline(always)]
            fn from_f32(x: f32) -> Self {
                $from(x)
            }

            #[inline(always)]
            fn to_f32(self) -> f32 {
                $to(self)
            }

            fn to_le_bytes(self) -> impl AsRef<[u8]> {
                <$type>::to_le_bytes(self)
            }

            #[inline(always)]
            unsafe fn load<S: Simd>(s: S, p: *const Self) -> S::V {
                // SAFETY: the caller's promise.
                unsafe { s.$load(p) }
            }

            #[inline(always)]
            unsafe fn store<S: Simd>(s: S, p: *mut Self, v: S::V) {
                // SAFETY: the caller's promise.
                unsafe { s.$store(p, v) }
            }
        }
    };
}

element!(f32, F32, load, store, core::convert::identity, core::convert::identity);
element!(f16, F16, load_f16, store_f16, f16::from_f32, f16::to_f32);
element!(bf16, Bf16, load_bf16, store_bf16, bf16::from_f32, bf16::to_f32);

/// Memory as numbers of type `T`.
#[must_use]
pub fn kept<T: Element>(memory: &[f32]) -> &[T] {
    let len = size_of_val(memory) / size_of::<T>();
    // SAFETY: the same bytes, by the promises of `Element`.
    unsafe { core::slice::from_raw_parts(memory.as_ptr().cast(), len) }
}

/// Memory as numbers of type `T`, to be written.
#[must_use]
pub fn kept_mut<T: Element>(memory: &mut [f32]) -> &mut [T] {
    let len = size_of_val(memory) / size_of::<T>();
    // SAFETY: the same bytes, by the promises of `Element`.
    unsafe { core::slice::from_raw_parts_mut(memory.as_mut_ptr().cast(), len) }
}

/// Numbers that are kept as `f32`, as what they are.
pub(crate) fn as_f32<T: Element>(values: &[T]) -> Option<&[f32]> {
    let wide = T::FORMAT == Format::F32;
    // SAFETY: `Element` promises that this format is `f32`'s alone.
    wide.then(|| unsafe { core::slice::from_raw_parts(values.as_ptr().cast(), values.len()) })
}

/// [`as_f32`], to be written.
pub(crate) fn as_f32_mut<T: Element>(values: &mut [T]) -> Option<&mut [f32]> {
    let wide = T::FORMAT == Format::F32;
    // SAFETY: as for `as_f32`.
    wide.then(|| unsafe {
        core::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), values.len())
    })
}

/// Copies numbers from one format to another.
///
/// # Panics
/// If the slices differ in length.
#[inline(always)]
pub(crate) fn convert<S: Simd, A: Element, B: Element>(s: S, from: &[A], to: &mut [B]) {
    assert_eq!(from.len(), to.len(), "as many numbers as places");
    let whole = from.len() / S::LANES * S::LANES;
    for i in (0..whole).step_by(S::LANES) {
        // SAFETY: both slices have a register's length from `i` on.
        unsafe { B::store(s, to.as_mut_ptr().add(i), A::load(s, from.as_ptr().add(i))) };
    }
    for (to, from) in to[whole..].iter_mut().zip(&from[whole..]) {
        *to = B::from_f32(from.to_f32());
    }
}

/// [`convert`] as a kernel.
pub(crate) struct Convert<'a, A, B> {
    pub(crate) from: &'a [A],
    pub(crate) to: &'a mut [B],
}

impl<A: Element, B: Element> Kernel for Convert<'_, A, B> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        convert(s, self.from, self.to);
    }
}
