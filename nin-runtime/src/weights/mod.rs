//! Weights as `.safetensors`, under the names and layouts of PyTorch's `state_dict()`.
//!
//! A file is checked whole – names, shapes, types, offsets, length – before the first weight is
//! written, and it is streamed: loading takes no memory beyond the arena but one small chunk.

#[cfg(feature = "std")]
mod file;
mod header;
#[cfg(test)]
mod tests;

use alloc::string::String;

use half::{bf16, f16};

use crate::{Error, ParamInfo, Result};
use header::{Format, Stored};

#[cfg(feature = "std")]
pub use file::{load, save};

/// Bytes that are read and decoded at a time; a multiple of every format's element.
const CHUNK: usize = 16 * 1024;

/// Reads the weights of a net from the bytes of a `.safetensors` file into `arena`.
///
/// # Errors
/// [`Error::Weights`] if the bytes are no such file or hold other tensors than `table` lists; then
/// `arena` is as it was.
pub fn from_bytes(bytes: &[u8], table: &[ParamInfo], arena: &mut [f32]) -> Result<()> {
    let fail = |problem| Error::Weights { path: String::from("weights in memory"), problem };
    let (prefix, rest) = bytes.split_first_chunk().ok_or_else(|| fail(header::no_prefix()))?;
    let length = header::length(*prefix, rest.len() as u64, table.len()).map_err(fail)?;
    let (header, mut data) = rest.split_at(length);
    let stored = header::check(header, data.len() as u64, table).map_err(fail)?;
    fill(&stored, table, arena, |chunk| {
        let (head, tail) = data.split_at(chunk.len());
        chunk.copy_from_slice(head);
        data = tail;
        Ok(())
    })
}

/// Decodes the tensors `stored` into the arena; `read` fills a chunk with the next bytes of data.
fn fill(
    stored: &[Stored],
    table: &[ParamInfo],
    arena: &mut [f32],
    mut read: impl FnMut(&mut [u8]) -> Result<()>,
) -> Result<()> {
    let mut chunk = [0; CHUNK];
    for tensor in stored {
        let mut places = table[tensor.param].indices();
        let mut left = tensor.bytes;
        while left > 0 {
            let chunk = &mut chunk[..left.min(CHUNK)];
            read(chunk)?;
            decode(tensor.format, chunk, |value| {
                if let Some(place) = places.next() {
                    arena[place] = value;
                }
            });
            left -= chunk.len();
        }
    }
    Ok(())
}

/// Hands each little-endian element of `bytes` to `store`, widened to `f32`.
fn decode(format: Format, bytes: &[u8], store: impl FnMut(f32)) {
    match format {
        Format::F32 => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).for_each(store),
        Format::F16 => {
            bytes.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).for_each(store);
        }
        Format::Bf16 => {
            bytes.as_chunks().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).for_each(store);
        }
    }
}
