//! Weights as `.safetensors`, under the names and layouts of PyTorch's `state_dict()`.
//!
//! A file is checked whole – names, shapes, types, offsets, length – before the first weight is
//! written, and it is streamed: loading takes no memory beyond the arena but one small chunk. A file
//! that is part of the program was checked by the compiler, so that no parser is.

#[cfg(feature = "std")]
mod file;
#[cfg(feature = "alloc")]
mod header;
mod pretrained;
#[cfg(all(test, feature = "std"))]
mod tests;

use half::{bf16, f16};

use crate::ParamInfo;
#[cfg(feature = "alloc")]
use crate::{Error, Result};

#[cfg(feature = "std")]
pub use file::{load, save};
pub use pretrained::Pretrained;

/// The element types that load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 half precision.
    F16,
    /// The upper half of single precision.
    Bf16,
}

impl Format {
    /// Bytes of an element.
    const fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }
}

/// A tensor of a file that has been checked. The data of tensors follow one another without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its place in the table of parameters.
    pub param: usize,
    /// Its element type.
    pub format: Format,
}

impl Stored {
    /// The length of its data.
    const fn bytes(self, table: &[ParamInfo]) -> usize {
        table[self.param].len() * self.format.size()
    }
}

/// Reads the weights of a net from the bytes of a `.safetensors` file into `arena`.
///
/// # Errors
/// [`Error::Weights`] if the bytes are no such file or hold other tensors than `table` lists; then
/// `arena` is as it was.
#[cfg(feature = "alloc")]
pub fn from_bytes(bytes: &[u8], table: &[ParamInfo], arena: &mut [f32]) -> Result<()> {
    let fail = |problem| Error::Weights { path: "weights in memory".into(), problem };
    let (prefix, rest) = bytes.split_first_chunk().ok_or_else(|| fail(header::no_prefix()))?;
    let length = header::length(*prefix, rest.len() as u64, table.len()).map_err(fail)?;
    let (header, data) = rest.split_at(length);
    let stored = header::check(header, data.len() as u64, table).map_err(fail)?;
    unpack(data, &stored, table, arena);
    Ok(())
}

/// Decodes the data of the tensors `stored` into the arena.
fn unpack(mut data: &[u8], stored: &[Stored], table: &[ParamInfo], arena: &mut [f32]) {
    for tensor in stored {
        let (bytes, rest) = data.split_at(tensor.bytes(table));
        decode(tensor.format, bytes, table[tensor.param].indices(), arena);
        data = rest;
    }
}

/// Widens each little-endian element of `bytes` to `f32`, and stores it in its place in the arena.
fn decode(format: Format, bytes: &[u8], places: impl Iterator<Item = usize>, arena: &mut [f32]) {
    let store = |(value, place): (f32, usize)| arena[place] = value;
    match format {
        Format::F32 => elements(bytes, f32::from_le_bytes).zip(places).for_each(store),
        Format::F16 => {
            elements(bytes, |b| f16::from_le_bytes(b).to_f32()).zip(places).for_each(store)
        }
        Format::Bf16 => {
            elements(bytes, |b| bf16::from_le_bytes(b).to_f32()).zip(places).for_each(store)
        }
    }
}

/// The elements of `N` bytes.
fn elements<const N: usize>(bytes: &[u8], widen: fn([u8; N]) -> f32) -> impl Iterator<Item = f32> {
    bytes.as_chunks().0.iter().map(move |bytes| widen(*bytes))
}
