//! An ahead-of-time compiler for Network-in-Network models.

pub use nin_macros::nin;
