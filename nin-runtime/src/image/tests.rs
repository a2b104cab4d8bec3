use super::Image;
use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::borrow::Borrow;

type Small = Image<2, 3, 4>;

fn counting() -> Box<Small> {
    Image::from_fn(|c, y, x| (100 * c + 10 * y + x) as f32)
}

#[test]
fn an_image_is_planar_and_indexed_by_channel_row_and_column() {
    let image = counting();
    assert_eq!(image.as_slice()[..5], [0.0, 1.0, 2.0, 3.0, 10.0]);
    assert_eq!(image[(1, 2, 3)], 123.0);
    assert_eq!(image.as_slice()[23], 123.0);
    assert_eq!(image.as_array()[1][2][3], 123.0);
}

#[test]
fn a_written_value_is_read_back_through_every_view() {
    let mut image = Small::zeros();
    image[(1, 0, 0)] = 1.0;
    image.as_mut_array()[1][0][1] = 2.0;
    image.as_mut_slice()[14] = 3.0;
    assert_eq!(image.as_array()[1][0], [1.0, 2.0, 3.0, 0.0]);
}

#[test]
fn a_flat_buffer_is_seen_as_images_in_place() {
    let mut values: Vec<f32> = (0..72).map(|i| i as f32).collect();
    let images = Small::slice_from(&values).unwrap();
    assert_eq!(images.len(), 3);
    assert_eq!(images[2][(0, 0, 0)], 48.0);
    assert!(core::ptr::eq(images[0].as_slice().as_ptr(), values.as_ptr()));
    assert!(Small::slice_from(&[]).unwrap().is_empty());

    Small::mut_slice_from(&mut values).unwrap()[1][(0, 0, 0)] = -1.0;
    Small::from_mut_slice(&mut values[48..]).unwrap()[(0, 0, 1)] = -2.0;
    assert_eq!((values[24], values[49]), (-1.0, -2.0));
}

#[test]
fn a_length_that_does_not_fit_is_an_error_that_says_both() {
    let values = [0.0; 23];
    let message = |error: crate::Error| error.to_string();
    assert_eq!(
        message(Small::from_slice(&values).unwrap_err()),
        "expected 2×3×4 = 24 values, got 23"
    );
    assert_eq!(
        message(Small::slice_from(&values).unwrap_err()),
        "expected a multiple of 2×3×4 = 24 values, got 23"
    );
    assert_eq!(
        message(Small::from_bytes(&[0; 25]).unwrap_err()),
        "expected 2×3×4 = 24 values, got 25"
    );
    assert!(<&Small>::try_from(&values[..]).is_err());
}

#[test]
fn bytes_become_values_from_zero_to_one() {
    let image = Image::<1, 1, 3>::from_bytes(&[0, 51, 255]).unwrap();
    assert_eq!(image.as_slice(), [0.0, 0.2, 1.0]);
}

#[test]
fn nested_arrays_convert_both_ways() {
    let array = [[[1.0, 2.0], [3.0, 4.0]]];
    let image: &Image<1, 2, 2> = (&array).into();
    let back: &[[[f32; 2]; 2]; 1] = image.into();
    assert!(core::ptr::eq(back, &raw const array));
    let owned = Image::from(array);
    assert_eq!(&owned, image);
    assert_eq!(<[[[f32; 2]; 2]; 1]>::from(owned), array);
}

fn sum<I: Borrow<Small>>(images: &[I]) -> f32 {
    images.iter().flat_map(|image| image.borrow().as_slice()).sum()
}

#[test]
fn many_images_come_as_a_slice_of_anything_that_borrows_as_one() {
    let (a, b) = (counting(), counting());
    let expected = 2.0 * a.as_slice().iter().sum::<f32>();
    let flat: Vec<f32> = a.as_slice().iter().chain(b.as_slice()).copied().collect();
    assert_eq!(sum(Small::slice_from(&flat).unwrap()), expected);
    assert_eq!(sum(&[&*a, &*b]), expected);
    assert_eq!(sum(&[a, b]), expected);
}

#[test]
fn an_image_larger_than_the_stack_is_built_and_cloned_on_the_heap() {
    type Large = Image<16, 1024, 1024>;
    std::thread::Builder::new()
        .stack_size(128 * 1024)
        .spawn(|| {
            let image: Box<Large> = Image::from_fn(|c, _, x| (c + x) as f32);
            let copy = image.clone();
            assert_eq!(copy[(15, 7, 1000)], 1015.0);
        })
        .unwrap()
        .join()
        .unwrap();
}

#[cfg(feature = "ndarray")]
mod arrays {
    use super::*;
    use ndarray::{Array3, Array4};

    #[test]
    fn views_convert_both_ways_whatever_their_strides() {
        let image = counting();
        assert_eq!(image.view()[[1, 2, 3]], 123.0);
        let channels_last: Array3<f32> =
            Array3::from_shape_fn((3, 4, 2), |(y, x, c)| (100 * c + 10 * y + x) as f32);
        let view = channels_last.view().permuted_axes([2, 0, 1]);
        assert_eq!(Box::<Small>::try_from(view).unwrap(), image);
    }

    #[test]
    fn a_batch_is_seen_in_place_if_contiguous_and_copied_otherwise() {
        let batch = Array4::from_shape_fn((5, 2, 3, 4), |(n, c, y, x)| {
            (1000 * n + 100 * c + 10 * y + x) as f32
        });
        let images = Small::slice_from_view(&batch.view()).unwrap();
        assert_eq!(images[4][(1, 2, 3)], 4123.0);
        let reversed = batch.slice(ndarray::s![..;-1, .., .., ..]);
        let copies = Small::from_batch_view(&reversed).unwrap();
        assert_eq!(copies[0][(1, 2, 3)], 4123.0);
        assert_eq!(
            Small::slice_from_view(&reversed).unwrap_err().to_string(),
            "expected an array of shape [n, 2, 3, 4], contiguous in row-major order, \
             got [5, 2, 3, 4] with strides [-24, 12, 4, 1]"
        );
    }

    #[test]
    fn a_shape_that_does_not_fit_is_an_error_that_says_both() {
        let array = Array3::<f32>::zeros((2, 4, 3));
        assert_eq!(
            Box::<Small>::try_from(array.view()).unwrap_err().to_string(),
            "expected an array of shape [2, 3, 4], got [2, 4, 3]"
        );
        let batch = Array4::<f32>::zeros((5, 1, 3, 4));
        assert_eq!(
            Small::from_batch_view(&batch.view()).unwrap_err().to_string(),
            "expected an array of shape [n, 2, 3, 4], got [5, 1, 3, 4]"
        );
    }
}
