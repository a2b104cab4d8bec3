//! Parameters in `f32` beside those of a net that keeps them narrow: steps of training are often
//! smaller than what such a number can show.

use crate::simd::{Convert, Element, Format, Kernel, PANEL, Simd, as_f32_mut};
use crate::{Buffer, Context, DisjointMut};

/// The masters of a trainer; none for a net that keeps `f32` itself.
pub(crate) struct Masters(Buffer);

impl Masters {
    /// How many there are beside `params` parameters that are kept as `T`.
    pub(crate) const fn len<T: Element>(params: usize) -> usize {
        if matches!(T::FORMAT, Format::F32) { 0 } else { params }
    }

    /// Masters that follow the first parameters they see.
    #[cfg(feature = "alloc")]
    pub(crate) fn new<T: Element>(params: usize) -> Self {
        Self(Buffer::zeros(Self::len::<T>(params)))
    }

    /// Lets `update` change the parameters in `f32`.
    ///
    /// A parameter that is not what its master rounds to was set by somebody else – the net is
    /// another one, or was written to –, and the master follows it.
    pub(crate) fn update<T: Element>(
        &mut self,
        cx: &Context,
        params: &mut [T],
        update: impl FnOnce(&mut [f32]),
    ) {
        if let Some(params) = as_f32_mut(params) {
            return update(params);
        }
        let masters = &mut *self.0;
        for_each_chunk(cx, masters, params, |masters, params| {
            cx.isa().run(Follow { masters, params });
        });
        update(masters);
        for_each_chunk(cx, masters, params, |masters, params| {
            cx.isa().run(Convert { from: masters, to: params });
        });
    }
}

/// Calls `f` for chunks of both, on all threads.
fn for_each_chunk<T: Element>(
    cx: &Context,
    masters: &mut [f32],
    params: &mut [T],
    f: impl Fn(&mut [f32], &mut [T]) + Sync,
) {
    /// 32 KiB of masters.
    const CHUNK: usize = 8192;
    let len = params.len();
    assert_eq!(masters.len(), len, "each parameter has its master");
    let (masters, params) = (DisjointMut::new(masters), DisjointMut::new(params));
    cx.for_each(len.div_ceil(CHUNK), 2 * len, |task| {
        let range = task * CHUNK..len.min((task + 1) * CHUNK);
        // SAFETY: tasks have different ranges of both.
        unsafe { f(masters.part(range.clone()), params.part(range)) };
    });
}

/// Masters that do not round to their parameters become these.
struct Follow<'a, T> {
    masters: &'a mut [f32],
    params: &'a [T],
}

impl<T: Element> Kernel for Follow<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut rounded = [T::from_f32(0.0); PANEL];
        let registers = self.masters.chunks_exact_mut(S::LANES);
        for (masters, params) in registers.zip(self.params.chunks_exact(S::LANES)) {
            // SAFETY: each is a register's length, and a panel is no shorter.
            unsafe {
                let master = s.load(masters.as_ptr());
                T::store(s, rounded.as_mut_ptr(), master);
                let same = s.eq(T::load(s, rounded.as_ptr()), T::load(s, params.as_ptr()));
                let param = T::load(s, params.as_ptr());
                s.store(masters.as_mut_ptr(), s.select(same, master, param));
            }
        }
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;
    use crate::simd::Isa;
    use half::f16;
    use std::vec;

    #[test]
    fn steps_too_small_for_a_half_add_up_and_writes_from_elsewhere_are_followed() {
        for isa in Isa::available() {
            let cx = Context::sequential(isa);
            let mut params = vec![f16::ONE; 32];
            let mut masters = Masters::new::<f16>(32);
            // Halves above 1 are 2⁻¹⁰ apart.
            for _ in 0..16 {
                masters.update(&cx, &mut params, |masters| {
                    masters.iter_mut().for_each(|master| *master += 1.0 / 8192.0);
                });
            }
            assert!(params.iter().all(|&p| p == f16::from_f32(1.0 + 2.0 / 1024.0)), "{params:?}");
            params[5] = f16::from_f32(-3.0);
            masters.update(&cx, &mut params, |masters| masters[5] += 1.0);
            assert_eq!(params[5], f16::from_f32(-2.0));
            assert_eq!(params[4], f16::from_f32(1.0 + 2.0 / 1024.0));
        }
    }
}
