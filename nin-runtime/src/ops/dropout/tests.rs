use super::*;
use crate::simd::Isa;
use std::vec;
use std::vec::Vec;

/// The masked ones of `n` images.
fn mask(cx: &Context, dropout: &Dropout, n: usize, len: usize) -> Vec<f32> {
    let mut x = vec![1.0; n * len];
    dropout_forward(cx, n, dropout, &mut x);
    x
}

fn scalar() -> Context {
    Context::sequential(Isa::SCALAR)
}

#[test]
fn the_share_of_dropped_elements_is_p_and_the_rest_is_scaled() {
    for p in [0.1, 0.5, 0.75] {
        let values = mask(&scalar(), &Dropout::new(p, 1, 2, 3), 4, 25_000);
        let kept = 1.0 / (1.0 - p);
        assert!(values.iter().all(|&v| v == 0.0 || (v - kept).abs() < 1e-6));
        let dropped = values.iter().filter(|&&v| v == 0.0).count() as f32 / 1e5;
        // Five standard deviations are at most 0.008.
        assert!((dropped - p).abs() < 0.008, "{dropped} of {p}");
    }
}

#[test]
fn a_probability_of_zero_changes_nothing() {
    let mut x: Vec<f32> =
        (0..1000u32).map(|i| f32::from_bits(i.wrapping_mul(0x9e37_79b9))).collect();
    let before: Vec<u32> = x.iter().map(|v| v.to_bits()).collect();
    dropout_forward(&scalar(), 10, &Dropout::new(0.0, 1, 2, 3), &mut x);
    let same = |(v, bits): (&f32, u32)| v.is_nan() || v.to_bits() == bits;
    assert!(x.iter().zip(before).all(same));
}

#[test]
fn masks_differ_by_seed_layer_step_and_image_and_are_not_shifted_copies() {
    let len = 4096;
    let masks: Vec<Vec<f32>> = [(1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2)]
        .into_iter()
        .flat_map(|(seed, layer, step)| {
            let both = mask(&scalar(), &Dropout::new(0.5, seed, layer, step), 2, len);
            [both[..len].to_vec(), both[len..].to_vec()]
        })
        .collect();
    for i in 0..masks.len() {
        for j in 0..masks.len() {
            for shift in 0..8 {
                if (i, shift) == (j, 0) {
                    continue;
                }
                let pairs = masks[i].iter().zip(&masks[j][shift..]);
                let equal = pairs.filter(|(a, b)| a == b).count() as f64 / (len - shift) as f64;
                // Six standard deviations are 0.047.
                assert!((equal - 0.5).abs() < 0.047, "{i} and {j} shifted by {shift}: {equal}");
            }
        }
    }
}

#[test]
fn backward_uses_the_mask_of_forward_on_every_instruction_set() {
    let dropout = Dropout::new(0.3, 7, 1, 9);
    let expected = mask(&scalar(), &dropout, 3, 1000);
    for isa in Isa::available() {
        let cx = Context::sequential(isa);
        assert_eq!(mask(&cx, &dropout, 3, 1000), expected, "{}", isa.name());
        let mut dx = vec![2.0; 3000];
        dropout_backward(&cx, 3, &dropout, None, &mut dx);
        assert!(dx.iter().zip(&expected).all(|(d, m)| *d == 2.0 * m));
    }
}

#[test]
fn the_gate_is_as_good_from_the_input_as_from_the_output() {
    let dropout = Dropout::new(0.5, 7, 1, 9);
    let input: Vec<f32> = (0..64).map(|i| if i % 3 == 0 { 0.0 } else { 1.5 }).collect();
    let mut output = input.clone();
    dropout_forward(&scalar(), 2, &dropout, &mut output);
    let [from_input, from_output] = [&input, &output].map(|gate| {
        let mut dx = vec![1.0; 64];
        dropout_backward(&scalar(), 2, &dropout, Some(gate), &mut dx);
        dx
    });
    assert_eq!(from_input, from_output);
    let mask = mask(&scalar(), &dropout, 2, 32);
    let want: Vec<f32> =
        mask.iter().zip(&input).map(|(&m, &x)| if x > 0.0 { m } else { 0.0 }).collect();
    assert_eq!(from_input, want);
}

#[cfg(feature = "parallel")]
#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let dropout = Dropout::new(0.5, 1, 2, 3);
    let expected = mask(&scalar(), &dropout, 7, 10_000);
    for threads in [1, 2, 5] {
        let cx = crate::Threads::new(threads).install(Context::current);
        assert_eq!(mask(&cx, &dropout, 7, 10_000), expected);
    }
}
