//! The drivers of the operations, each with its forward and backward pass side by side.
//!
//! Activations are `(n, h, w, padded(c))`; padded channels are zero and stay zero.

pub mod conv;
pub mod dropout;
pub mod global_avg_pool;
pub mod pool;
pub mod relu;
