//! Images: planar arrays of a size that the type states, and the views that cost no copy.

use crate::{Error, Result};
#[cfg(feature = "alloc")]
use alloc::boxed::Box;
use core::fmt;
use core::ops::{Index, IndexMut};

#[cfg(feature = "ndarray")]
mod ndarray;
#[cfg(all(test, feature = "std"))]
mod tests;

/// One image: `C` channels of `H` rows of `W` columns, planar as PyTorch's `(C, H, W)`.
///
/// It has the layout of `[[[f32; W]; H]; C]`, so that a flat buffer is seen as an image, or as a
/// slice of images, without a copy. An image can be large: most constructors build it in place on the
/// heap (feature `alloc`); [`new`](Self::new) makes the value of a `static`. Functions that take many images take a slice of anything that borrows as an image:
/// `&[Image<…>]`, `&[&Image<…>]` and `&[Box<Image<…>>]` all do.
///
/// ```
/// use nin_runtime::Image;
///
/// let image: Box<Image<1, 2, 3>> = Image::from_fn(|_c, y, x| (10 * y + x) as f32);
/// assert_eq!(image.as_slice(), [0.0, 1.0, 2.0, 10.0, 11.0, 12.0]);
/// assert_eq!(image[(0, 1, 2)], 12.0);
///
/// let dataset = vec![0.0; 60 * 6];
/// let images: &[Image<1, 2, 3>] = Image::slice_from(&dataset)?;
/// assert_eq!(images.len(), 60);
/// # Ok::<(), nin_runtime::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq)]
#[repr(transparent)]
pub struct Image<const C: usize, const H: usize, const W: usize>([[[f32; W]; H]; C]);

// SAFETY: the type is transparent over arrays of `f32`, of which all-zero bits are a value.
unsafe impl<const C: usize, const H: usize, const W: usize> bytemuck::Zeroable for Image<C, H, W> {}
// SAFETY: transparent over arrays of `f32`: any bits are a value and there is no padding.
unsafe impl<const C: usize, const H: usize, const W: usize> bytemuck::Pod for Image<C, H, W> {}

impl<const C: usize, const H: usize, const W: usize> AsRef<[f32]> for Image<C, H, W> {
    fn as_ref(&self) -> &[f32] {
        self.as_slice()
    }
}

impl<const C: usize, const H: usize, const W: usize> Image<C, H, W> {
    /// Values in one image.
    pub const LEN: usize = {
        assert!(C > 0 && H > 0 && W > 0, "an image has at least one channel, row and column");
        C * H * W
    };

    /// The image with these pixels.
    #[must_use]
    pub const fn new(pixels: [[[f32; W]; H]; C]) -> Self {
        Self(pixels)
    }

    /// An image of zeros.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn zeros() -> Box<Self> {
        const { assert!(Self::LEN > 0) };
        bytemuck::zeroed_box()
    }

    /// The image whose value at channel `c`, row `y`, column `x` is `f(c, y, x)`; `f` is called in
    /// the order of memory.
    #[cfg(feature = "alloc")]
    pub fn from_fn(mut f: impl FnMut(usize, usize, usize) -> f32) -> Box<Self> {
        let mut image = Self::zeros();
        for (c, plane) in image.0.iter_mut().enumerate() {
            for (y, row) in plane.iter_mut().enumerate() {
                for (x, value) in row.iter_mut().enumerate() {
                    *value = f(c, y, x);
                }
            }
        }
        image
    }

    /// The image of planar bytes, with 0 to 255 as 0.0 to 1.0.
    ///
    /// # Errors
    /// [`Error::Length`] if there are not [`LEN`](Self::LEN) bytes.
    #[cfg(feature = "alloc")]
    pub fn from_bytes(bytes: &[u8]) -> Result<Box<Self>> {
        check_length::<C, H, W>(bytes.len())?;
        let mut image = Self::zeros();
        for (value, &byte) in image.as_mut_slice().iter_mut().zip(bytes) {
            *value = f32::from(byte) / 255.0;
        }
        Ok(image)
    }

    /// A flat buffer in `(C, H, W)` order, seen as an image.
    ///
    /// # Errors
    /// [`Error::Length`] if there are not [`LEN`](Self::LEN) values.
    pub fn from_slice(values: &[f32]) -> Result<&Self> {
        check_length::<C, H, W>(values.len())?;
        Ok(&bytemuck::cast_slice(values)[0])
    }

    /// A flat buffer in `(C, H, W)` order, seen as an image that can be written.
    ///
    /// # Errors
    /// [`Error::Length`] if there are not [`LEN`](Self::LEN) values.
    pub fn from_mut_slice(values: &mut [f32]) -> Result<&mut Self> {
        check_length::<C, H, W>(values.len())?;
        Ok(&mut bytemuck::cast_slice_mut(values)[0])
    }

    /// A flat buffer in `(n, C, H, W)` order, a whole data set say, seen as `n` images.
    ///
    /// # Errors
    /// [`Error::Length`] if the number of values is no multiple of [`LEN`](Self::LEN).
    pub fn slice_from(values: &[f32]) -> Result<&[Self]> {
        check_multiple::<C, H, W>(values.len())?;
        Ok(bytemuck::cast_slice(values))
    }

    /// A flat buffer in `(n, C, H, W)` order, seen as `n` images that can be written.
    ///
    /// # Errors
    /// [`Error::Length`] if the number of values is no multiple of [`LEN`](Self::LEN).
    pub fn mut_slice_from(values: &mut [f32]) -> Result<&mut [Self]> {
        check_multiple::<C, H, W>(values.len())?;
        Ok(bytemuck::cast_slice_mut(values))
    }

    /// The values in `(C, H, W)` order.
    #[must_use]
    pub fn as_slice(&self) -> &[f32] {
        self.0.as_flattened().as_flattened()
    }

    /// The values in `(C, H, W)` order, to be written.
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        self.0.as_flattened_mut().as_flattened_mut()
    }

    /// A nested array, seen as an image.
    #[must_use]
    pub fn from_array(pixels: &[[[f32; W]; H]; C]) -> &Self {
        bytemuck::cast_ref(pixels)
    }

    /// The image as a nested array: `[c][y][x]`.
    #[must_use]
    pub const fn as_array(&self) -> &[[[f32; W]; H]; C] {
        &self.0
    }

    /// The image as a nested array that can be written: `[c][y][x]`.
    #[must_use]
    pub const fn as_mut_array(&mut self) -> &mut [[[f32; W]; H]; C] {
        &mut self.0
    }
}

fn check_length<const C: usize, const H: usize, const W: usize>(got: usize) -> Result<()> {
    if got == Image::<C, H, W>::LEN {
        return Ok(());
    }
    Err(Error::Length { image: [C, H, W], many: false, got })
}

fn check_multiple<const C: usize, const H: usize, const W: usize>(got: usize) -> Result<()> {
    if got.is_multiple_of(Image::<C, H, W>::LEN) {
        return Ok(());
    }
    Err(Error::Length { image: [C, H, W], many: true, got })
}

/// The size without the values, which are too many to read.
impl<const C: usize, const H: usize, const W: usize> fmt::Debug for Image<C, H, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image<{C}, {H}, {W}>")
    }
}

/// The value at (channel, row, column).
impl<const C: usize, const H: usize, const W: usize> Index<(usize, usize, usize)>
    for Image<C, H, W>
{
    type Output = f32;
    fn index(&self, (c, y, x): (usize, usize, usize)) -> &f32 {
        &self.0[c][y][x]
    }
}

impl<const C: usize, const H: usize, const W: usize> IndexMut<(usize, usize, usize)>
    for Image<C, H, W>
{
    fn index_mut(&mut self, (c, y, x): (usize, usize, usize)) -> &mut f32 {
        &mut self.0[c][y][x]
    }
}

impl<const C: usize, const H: usize, const W: usize> From<[[[f32; W]; H]; C]> for Image<C, H, W> {
    fn from(pixels: [[[f32; W]; H]; C]) -> Self {
        Self(pixels)
    }
}

impl<const C: usize, const H: usize, const W: usize> From<Image<C, H, W>> for [[[f32; W]; H]; C] {
    fn from(image: Image<C, H, W>) -> Self {
        image.0
    }
}

impl<'a, const C: usize, const H: usize, const W: usize> From<&'a [[[f32; W]; H]; C]>
    for &'a Image<C, H, W>
{
    fn from(pixels: &'a [[[f32; W]; H]; C]) -> Self {
        Image::from_array(pixels)
    }
}

impl<'a, const C: usize, const H: usize, const W: usize> From<&'a Image<C, H, W>>
    for &'a [[[f32; W]; H]; C]
{
    fn from(image: &'a Image<C, H, W>) -> Self {
        image.as_array()
    }
}

impl<'a, const C: usize, const H: usize, const W: usize> TryFrom<&'a [f32]> for &'a Image<C, H, W> {
    type Error = Error;
    fn try_from(values: &'a [f32]) -> Result<Self> {
        Image::from_slice(values)
    }
}
