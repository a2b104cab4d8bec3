//! An ahead-of-time compiler for Network-in-Network models.
