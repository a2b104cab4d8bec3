//! An ahead-of-time compiler for Network-in-Network models.
//!
//! [`nin!`] reads a spec and generates a net: statically shaped forward and backward code, linked
//! against a small CPU runtime. There is no model file to parse and nothing is allocated after the
//! start.
//!
//! ```
//! use nin::prelude::*;
//!
//! nin! {
//!     /// Tells ten kinds of 28 × 28 images apart.
//!     pub TinyNin<
//!         input(1, 28, 28),
//!         block(16, kernel = 5, padding = 2),
//!         max_pool(3, stride = 2),
//!         block(10, kernel = 3, padding = 1),
//!         global_avg_pool,
//!     >
//! }
//!
//! let net = TinyNin::new(42);
//! let image: Box<Image<1, 28, 28>> = Image::from_fn(|_c, y, x| ((x + y) % 2) as f32);
//! let logits: [f32; 10] = net.forward(&image, &mut TinyNin::scratch());
//! assert!(logits.iter().all(|z| z.is_finite()));
//! ```

#![cfg_attr(not(feature = "std"), no_std)]

pub use nin_macros::nin;
#[cfg(feature = "parallel")]
pub use nin_runtime::Threads;
#[cfg(feature = "datasets")]
pub use nin_runtime::datasets;
pub use nin_runtime::layers::LayerInfo;
#[cfg(feature = "alloc")]
pub use nin_runtime::network::BatchScratch;
pub use nin_runtime::network::{ReadAs, Scratch};
pub use nin_runtime::trainer::Trainer;
pub use nin_runtime::{
    Adam, AnyOptimizer, Buffer, Error, Image, Init, Optimizer, Order, ParamInfo, Result, Rng, Room,
    Sgd, bf16, f16,
};

/// What a program that uses nets needs in scope.
pub mod prelude {
    pub use crate::{Adam, Image, Init, Sgd, nin};
}

/// What generated code names; not for people.
#[doc(hidden)]
pub mod __rt {
    pub use core::clone::Clone;
    pub use core::convert::{AsRef, Into};
    pub use core::fmt;
    pub use core::marker::{Copy, Sync};
    pub use core::ops::FnOnce;
    pub use core::option::Option::{self, None, Some};
    pub use nin_runtime::layers::{Conv, LayerInfo, Pool};
    pub use nin_runtime::network::*;
    pub use nin_runtime::ops::conv::winograd::{Ragged, Tiles, Transform};
    pub use nin_runtime::ops::conv::{Forward, InputGradient, Pointwise, Source, WeightGradient};
    pub use nin_runtime::ops::dropout::*;
    pub use nin_runtime::ops::global_avg_pool::*;
    pub use nin_runtime::ops::pool::*;
    pub use nin_runtime::ops::relu::gate;
    pub use nin_runtime::simd::{Format, PANEL, Vector, kept_mut};
    pub use nin_runtime::trainer::{LANES, Loss, Pass, Trainable, Trainer, of_lane};
    pub use nin_runtime::weights::{Pretrained, Stored};
    pub use nin_runtime::{
        AnyOptimizer, Buffer, Context, Image, Init, Optimizer, Order, ParamInfo, Result, Room,
        bf16, f16, if_alloc, if_std,
    };
    #[cfg(feature = "std")]
    pub use std::path::Path;

    #[cfg(feature = "alloc")]
    pub use alloc::vec::Vec;
    #[cfg(feature = "alloc")]
    extern crate alloc;
}

/// The examples of the README, which are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
