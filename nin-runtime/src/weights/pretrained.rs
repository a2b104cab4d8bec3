//! Weights that are part of the program.

use super::{Stored, unpack};
use crate::ParamInfo;
use crate::simd::Element;

/// A `.safetensors` file that the compiler has read, for the net whose parameters `table` lists.
pub struct Pretrained {
    data: &'static [u8],
    stored: &'static [Stored],
    table: &'static [ParamInfo],
}

impl Pretrained {
    /// The file's bytes and its tensors in the order of their data; those of another file do not
    /// compile.
    #[must_use]
    pub const fn new(
        file: &'static [u8],
        stored: &'static [Stored],
        table: &'static [ParamInfo],
    ) -> Self {
        let Some((prefix, rest)) = file.split_first_chunk() else { panic!("no safetensors file") };
        let (_, data) = rest.split_at(u64::from_le_bytes(*prefix) as usize);
        let (mut bytes, mut i) = (0, 0);
        while i < stored.len() {
            bytes += stored[i].bytes(table);
            i += 1;
        }
        assert!(bytes == data.len() && i == table.len(), "the file that the compiler has read");
        Self { data, stored, table }
    }

    /// Decodes the weights into `arena`.
    ///
    /// # Panics
    /// If the arena is not that of the net, or a weight is too large for a `T`.
    pub fn unpack<T: Element>(&self, arena: &mut [T]) {
        if let Err(problem) = unpack(self.data, self.stored, self.table, arena) {
            panic!("{problem}");
        }
    }
}
