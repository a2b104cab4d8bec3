//! No bytes make the reader of weights panic, and what it refuses it leaves alone.

#![no_main]

use libfuzzer_sys::fuzz_target;
use nin_runtime::{Order, ParamInfo, weights};

const TABLE: &[ParamInfo] = &[
    ParamInfo { name: "0.0.weight", shape: &[5, 2, 3, 2], offset: 0, order: Order::Planar },
    ParamInfo { name: "0.0.bias", shape: &[5], offset: 192, order: Order::Planar },
    ParamInfo {
        name: "2.0.weight",
        shape: &[17, 5, 1, 1],
        offset: 208,
        order: Order::ChannelsLast,
    },
    ParamInfo { name: "2.0.bias", shape: &[17], offset: 368, order: Order::ChannelsLast },
];

/// A value that no file of the corpus holds.
const UNTOUCHED: u32 = 0x7fc0_1234;

fuzz_target!(|bytes: &[u8]| {
    let mut arena = [f32::from_bits(UNTOUCHED); 400];
    if weights::from_bytes(bytes, TABLE, &mut arena).is_err() {
        assert!(arena.iter().all(|weight| weight.to_bits() == UNTOUCHED));
    }
});
