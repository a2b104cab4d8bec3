//! What nets do, in one program: to compile a net takes longer than to test it, and these tests share theirs.

#[cfg(feature = "parallel")]
mod bits;
mod denormals;
mod diverged;
#[path = "../nets/mod.rs"]
mod nets;
mod parity;
#[cfg(feature = "parallel")]
mod storage;
