//! Which layers inference computes as one: a convolution by direct sums and the pointwise layers after it.
//!
//! What lies between them then stays in the near caches, and threads meet once. Training needs it for the way back.

use super::{ConvChoice, Method};

/// For each layer, how many pointwise layers after it are computed with it. The first `alone` layers see images
/// alone, so that none of them is computed with a later one.
pub(super) fn mlps(convs: &[Option<ConvChoice>], alone: usize) -> Vec<usize> {
    let in_blocks = |i: usize| {
        let conv = convs[i].as_ref()?;
        matches!(conv.forward, Method::Direct | Method::Rowwise(_)).then_some(conv)
    };
    let mut next = vec![0; convs.len()];
    let mut i = 0;
    while i < convs.len() {
        let end = if i < alone { alone } else { convs.len() };
        let follows = |&i: &usize| in_blocks(i).is_some_and(|conv| conv.geometry.is_pointwise());
        if in_blocks(i).is_some() {
            next[i] = (i + 1..end).take_while(follows).count();
        }
        i += 1 + next[i];
    }
    next
}
