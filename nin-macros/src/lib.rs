//! The compiler behind [`nin!`](https://docs.rs/nin): a pipeline of `spec` (words with spans),
//! `shape` (checks), `net` (the plain representation), `plan` (algorithms and memory), `winograd`
//! (transforms) and `emit` (Rust code). This file alone names `proc_macro`.

mod net;
mod winograd;
