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
use crate::simd::{Element, Format};
#[cfg(feature = "alloc")]
use crate::{Error, Result};
#[cfg(feature = "alloc")]
use alloc::string::ToString;

#[cfg(feature = "std")]
pub use file::{load, save};
pub use pretrained::Pretrained;

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
/// [`Error::Weights`] if the bytes are no such file or hold other tensors than `table` lists – then
/// `arena` is as it was –, or a number that is too large for a `T`.
#[cfg(feature = "alloc")]
pub fn from_bytes<T: Element>(bytes: &[u8], table: &[ParamInfo], arena: &mut [T]) -> Result<()> {
    let fail = |problem| Error::Weights { path: "weights in memory".into(), problem };
    let (prefix, rest) = bytes.split_first_chunk().ok_or_else(|| fail(header::no_prefix()))?;
    let length = header::length(*prefix, rest.len() as u64, table.len()).map_err(fail)?;
    let (header, data) = rest.split_at(length);
    let stored = header::check(header, data.len() as u64, table).map_err(fail)?;
    unpack(data, &stored, table, arena).map_err(|problem| fail(problem.to_string()))
}

/// A number that the net's parameters cannot hold.
#[derive(Debug, thiserror::Error)]
#[error("tensor `{tensor}` holds {value}, which is too large for {format}")]
struct TooLarge {
    tensor: &'static str,
    value: f32,
    format: &'static str,
}

/// Decodes the data of the tensors `stored` into the arena.
fn unpack<T: Element>(
    mut data: &[u8],
    stored: &[Stored],
    table: &[ParamInfo],
    arena: &mut [T],
) -> core::result::Result<(), TooLarge> {
    for tensor in stored {
        let (bytes, rest) = data.split_at(tensor.bytes(table));
        let param = &table[tensor.param];
        decode(tensor.format, bytes, param, param.indices(), arena)?;
        data = rest;
    }
    Ok(())
}

/// Stores each little-endian element of `bytes`, which are some of `param`, in its place in the arena.
fn decode<T: Element>(
    format: Format,
    bytes: &[u8],
    param: &ParamInfo,
    places: impl Iterator<Item = usize>,
    arena: &mut [T],
) -> core::result::Result<(), TooLarge> {
    let store = |(value, place): (f32, usize)| {
        arena[place] = T::from_f32(value);
        if arena[place].to_f32().is_finite() || !value.is_finite() {
            return Ok(());
        }
        Err(TooLarge { tensor: param.name, value, format: T::NAME })
    };
    match format {
        Format::F32 => elements(bytes, f32::from_le_bytes).zip(places).try_for_each(store),
        Format::F16 => {
            elements(bytes, |b| f16::from_le_bytes(b).to_f32()).zip(places).try_for_each(store)
        }
        Format::Bf16 => {
            elements(bytes, |b| bf16::from_le_bytes(b).to_f32()).zip(places).try_for_each(store)
        }
    }
}

/// The elements of `N` bytes.
fn elements<const N: usize>(bytes: &[u8], widen: fn([u8; N]) -> f32) -> impl Iterator<Item = f32> {
    bytes.as_chunks().0.iter().map(move |bytes| widen(*bytes))
}
