use super::*;
use crate::Order;
use alloc::vec;
use alloc::vec::Vec;

#[test]
fn the_generator_gives_the_numbers_of_its_reference_implementation() {
    // From https://prng.di.unimi.it/splitmix64.c with the state 1234567.
    let mut rng = Rng::new(1_234_567);
    let expected = [
        6_457_827_717_110_365_317,
        3_203_168_211_198_807_973,
        9_817_491_932_198_370_423,
        4_593_380_528_125_082_431,
        16_408_922_859_458_223_821,
    ];
    assert_eq!([(); 5].map(|()| rng.next_u64()), expected);
}

#[test]
fn uniform_numbers_fill_the_unit_interval_evenly() {
    let mut rng = Rng::new(1);
    let mut counts = [0; 10];
    for _ in 0..100_000 {
        let u = rng.uniform();
        assert!((0.0..1.0).contains(&u));
        counts[(u * 10.0) as usize] += 1;
    }
    // Six standard deviations of a count.
    assert!(counts.iter().all(|&n: &i32| (n - 10_000).abs() < 570), "{counts:?}");
}

#[test]
fn a_shuffle_is_a_permutation_that_depends_on_the_seed() {
    let shuffled = |seed| {
        let mut items: Vec<usize> = (0..100).collect();
        Rng::new(seed).shuffle(&mut items);
        items
    };
    let mut sorted = shuffled(1);
    assert_eq!(shuffled(1), sorted);
    assert_ne!(shuffled(2), sorted);
    sorted.sort_unstable();
    assert!(sorted.into_iter().eq(0..100));
}

const fn weight(offset: usize, order: Order) -> ParamInfo {
    ParamInfo { name: "weight", shape: &[20, 3, 5, 5], offset, order }
}
const BIAS: ParamInfo =
    ParamInfo { name: "bias", shape: &[20], offset: 2400, order: Order::ChannelsLast };

#[test]
fn weights_are_uniform_within_pytorchs_bounds_and_all_else_is_zero() {
    // From `torch.nn.init`: xavier √(6 / (75 + 500)), kaiming √2 · √(3 / 75).
    for (init, bound) in [(Init::XavierUniform, 0.102_151), (Init::KaimingUniform, 0.282_843)] {
        let weight = weight(0, Order::ChannelsLast);
        let mut arena = vec![1.0; 2432];
        init.fill(&[weight, BIAS], 3, &mut arena);
        let mut weights: Vec<f32> = (0..weight.len()).map(|i| arena[weight.index(i)]).collect();
        weights.sort_by(f32::total_cmp);
        assert!(weights[0] > -bound && weights[0] < -0.99 * bound);
        assert!(weights[1499] < bound && weights[1499] > 0.99 * bound);
        assert!(weights[750].abs() < 0.1 * bound);
        assert_eq!(arena.iter().filter(|&&v| v != 0.0).count(), weights.len());
    }
}

#[test]
fn weights_do_not_depend_on_the_layout_of_the_arena() {
    let fill = |order| {
        let info = weight(16, order);
        let mut arena = vec![0.0; 2432];
        Init::default().fill(&[info], 7, &mut arena);
        (0..info.len()).map(|i| arena[info.index(i)]).collect::<Vec<_>>()
    };
    assert_eq!(fill(Order::ChannelsLast), fill(Order::Planar));
}
