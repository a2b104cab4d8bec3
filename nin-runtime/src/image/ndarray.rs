//! Images from and to `ndarray`'s views.

use super::Image;
use crate::{Error, Result};
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use ndarray::{ArrayView3, ArrayView4, ArrayViewMut3, Axis};

impl<const C: usize, const H: usize, const W: usize> Image<C, H, W> {
    /// The image as an array of shape `[C, H, W]`.
    #[must_use]
    pub fn view(&self) -> ArrayView3<'_, f32> {
        ArrayView3::from_shape((C, H, W), self.as_slice()).expect("the type states the shape")
    }

    /// The image as an array of shape `[C, H, W]` that can be written.
    #[must_use]
    pub fn view_mut(&mut self) -> ArrayViewMut3<'_, f32> {
        ArrayViewMut3::from_shape((C, H, W), self.as_mut_slice())
            .expect("the type states the shape")
    }

    /// Copies an array of shape `[n, C, H, W]`, of any strides, into `n` images.
    ///
    /// # Errors
    /// [`Error::Shape`] if the last three axes have other lengths.
    pub fn from_batch_view(batch: &ArrayView4<'_, f32>) -> Result<Vec<Box<Self>>> {
        check_batch::<C, H, W>(batch)?;
        batch.axis_iter(Axis(0)).map(Box::try_from).collect()
    }

    /// An array of shape `[n, C, H, W]` in row-major order, seen as `n` images without a copy.
    ///
    /// # Errors
    /// [`Error::Shape`] if the last three axes have other lengths, or the array is not contiguous
    /// in row-major order; [`from_batch_view`](Self::from_batch_view) takes any order.
    pub fn slice_from_view<'a>(batch: &ArrayView4<'a, f32>) -> Result<&'a [Self]> {
        check_batch::<C, H, W>(batch)?;
        let values = batch.to_slice().ok_or_else(|| Error::Shape {
            expected: format!("[n, {C}, {H}, {W}], contiguous in row-major order"),
            got: format!("{:?} with strides {:?}", batch.shape(), batch.strides()),
        })?;
        Self::slice_from(values)
    }
}

fn check_batch<const C: usize, const H: usize, const W: usize>(
    batch: &ArrayView4<'_, f32>,
) -> Result<()> {
    if batch.shape()[1..] == [C, H, W] {
        return Ok(());
    }
    Err(Error::Shape {
        expected: format!("[n, {C}, {H}, {W}]"),
        got: format!("{:?}", batch.shape()),
    })
}

/// Copies an array of any strides.
///
/// Fails with [`Error::Shape`] if the array has another shape than `[C, H, W]`.
impl<const C: usize, const H: usize, const W: usize> TryFrom<ArrayView3<'_, f32>>
    for Box<Image<C, H, W>>
{
    type Error = Error;
    fn try_from(array: ArrayView3<'_, f32>) -> Result<Self> {
        if array.shape() != [C, H, W] {
            return Err(Error::Shape {
                expected: format!("{:?}", [C, H, W]),
                got: format!("{:?}", array.shape()),
            });
        }
        let mut image = Image::zeros();
        image.view_mut().assign(&array);
        Ok(image)
    }
}
