use super::*;
use crate::reference::{self, Tensor, assert_close, from_nhwc, to_nhwc};
use crate::simd::Isa;
use std::vec;
use std::vec::Vec;

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

#[test]
fn means_and_gradients_agree_with_the_reference_on_every_instruction_set() {
    for shape @ [n, c, h, w] in
        [[1, 10, 5, 5], [3, 1, 1, 1], [2, 17, 3, 7], [1, 100, 8, 8], [2, 16, 60, 50]]
    {
        let x = Tensor::sample(shape, 1).relu();
        let dlogits = Tensor::sample([1, 1, n, c], 2).data;
        let narrow: Vec<f32> = dlogits.iter().map(|&d| d as f32).collect();
        let want = reference::global_avg_pool_gradient(&dlogits, shape);
        for isa in Isa::available() {
            let cx = Context::sequential(isa);
            let flat = to_nhwc(&x);
            let mut logits = vec![f32::NAN; n * c];
            global_avg_pool_forward(&cx, n, (c, h, w), &flat, &mut logits);
            assert_close(isa.name(), &wide(&logits), &reference::global_avg_pool(&x), 1e-6);
            for (gate, want) in [(false, &want), (true, &want.gate(&x))] {
                let mut dx = vec![f32::NAN; flat.len()];
                global_avg_pool_backward(&cx, n, (c, h, w), gate, &flat, &narrow, &mut dx);
                assert_close(isa.name(), &from_nhwc(shape, &dx).data, &want.data, 1e-7);
            }
        }
    }
}

#[test]
fn a_nan_reaches_its_own_logit_only() {
    let mut x = Tensor::sample([1, 20, 3, 3], 3);
    x[[0, 18, 1, 2]] = f64::NAN;
    for isa in Isa::available() {
        let mut logits = [0.0; 20];
        let cx = Context::sequential(isa);
        global_avg_pool_forward(&cx, 1, (20, 3, 3), &to_nhwc(&x), &mut logits);
        assert!((0..20).all(|k| logits[k].is_nan() == (k == 18)), "{logits:?}");
    }
}

#[test]
#[should_panic(expected = "logits are n × 10")]
fn a_buffer_of_another_length_is_refused() {
    let cx = Context::sequential(Isa::SCALAR);
    global_avg_pool_forward(&cx, 1, (10, 2, 2), &[0.0; 64], &mut [0.0; 16]);
}
