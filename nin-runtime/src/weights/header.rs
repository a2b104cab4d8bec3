//! The header of a `.safetensors` file: eight bytes of length, then JSON that says of each tensor
//! its type, its shape and the range of its bytes in the data that follow.

use alloc::{format, string::String, vec, vec::Vec};
use core::fmt;

use safetensors::{Dtype, tensor::TensorInfo};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::Stored;
use crate::ParamInfo;
use crate::simd::Format;

/// The bytes of the length before the header.
pub(super) const PREFIX: usize = 8;

/// What a header may take: this, and as much again for each tensor of the net. Parsing needs a few
/// times as much memory, so a header that no writer makes is refused before it is read.
const HEADER_BASE: u64 = 1 << 20;
const HEADER_PER_TENSOR: u64 = 1 << 10;

/// The types that load, under the format's names.
const TYPES: [(Dtype, Format); 3] =
    [(Dtype::F32, Format::F32), (Dtype::F16, Format::F16), (Dtype::BF16, Format::Bf16)];

/// What is wrong with a file that ends before the length of its header.
pub(super) fn no_prefix() -> String {
    String::from("not a safetensors file: it ends before the 8 bytes of its header's length")
}

/// The header's length, from the file's first bytes and the number of bytes that follow them.
pub(super) fn length(prefix: [u8; PREFIX], rest: u64, tensors: usize) -> Result<usize, String> {
    let length = u64::from_le_bytes(prefix);
    let limit = HEADER_BASE + HEADER_PER_TENSOR * tensors as u64;
    if length > rest {
        return Err(format!(
            "truncated, or not a safetensors file: a header of {length} bytes is announced, {rest} follow"
        ));
    }
    if length > limit {
        return Err(format!(
            "the header has {length} bytes, expected at most {limit} for {tensors} tensors"
        ));
    }
    usize::try_from(length).map_err(|_| format!("the header has {length} bytes"))
}

/// Checks that the header describes exactly the tensors of `table` in `data` bytes, and gives them in
/// the order of their data.
pub(super) fn check(header: &[u8], data: u64, table: &[ParamInfo]) -> Result<Vec<Stored>, String> {
    let Tensors(mut tensors) =
        serde_json::from_slice(header).map_err(|e| format!("the header is malformed: {e}"))?;
    tensors.sort_by_key(|(_, info)| info.data_offsets);
    let mut seen = vec![false; table.len()];
    let mut stored = Vec::with_capacity(table.len());
    let mut end = 0;
    for (name, info) in &tensors {
        let tensor = check_tensor(name, info, end, table)?;
        if core::mem::replace(&mut seen[tensor.param], true) {
            return Err(format!("tensor `{name}` appears twice"));
        }
        end += tensor.bytes(table);
        stored.push(tensor);
    }
    if let Some((param, _)) = table.iter().zip(&seen).find(|(_, seen)| !**seen) {
        let ParamInfo { name, shape, .. } = param;
        return Err(format!("tensor `{name}` of shape {shape:?} is missing"));
    }
    match data.cmp(&(end as u64)) {
        core::cmp::Ordering::Less => {
            Err(format!("truncated: {data} bytes of weights, expected {end}"))
        }
        core::cmp::Ordering::Equal => Ok(stored),
        core::cmp::Ordering::Greater => {
            Err(format!("trailing bytes: {data} bytes of weights, expected {end}"))
        }
    }
}

/// Checks one tensor, whose data should start where those before it end.
fn check_tensor(
    name: &str,
    info: &TensorInfo,
    start: usize,
    table: &[ParamInfo],
) -> Result<Stored, String> {
    let TensorInfo { dtype, shape, data_offsets: (from, to) } = info;
    let Some(param) = table.iter().position(|param| param.name == name) else {
        return Err(format!(
            "unexpected tensor `{name}` of shape {shape:?}: the net has none such"
        ));
    };
    let expected = table[param].shape;
    if shape != expected {
        return Err(format!("tensor `{name}` has shape {shape:?}, expected {expected:?}"));
    }
    let Some((_, format)) = TYPES.into_iter().find(|(known, _)| known == dtype) else {
        return Err(format!("tensor `{name}` has type {dtype}, expected F32, F16 or BF16"));
    };
    let tensor = Stored { param, format };
    let end = start + tensor.bytes(table);
    if (*from, *to) != (start, end) {
        return Err(format!(
            "tensor `{name}` stands at bytes {from}..{to} of the data, expected {start}..{end}"
        ));
    }
    Ok(tensor)
}

/// The tensors of a header as they stand there, duplicates included. `safetensors`' own reader keeps
/// the header in memory more than once and would drop the first of two tensors of one name.
struct Tensors(Vec<(String, TensorInfo)>);

impl<'de> Deserialize<'de> for Tensors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Tensors;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tensors, A::Error> {
                let mut tensors = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        tensors.push((name, map.next_value()?));
                    }
                }
                Ok(Tensors(tensors))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// The prefix and header of a file with the tensors of `table` in this format, in the table's order. The
/// metadata is what PyTorch's own writers put there.
#[cfg(feature = "std")]
pub(super) fn write(table: &[ParamInfo], format: Format) -> Vec<u8> {
    let known = TYPES.into_iter().find(|(_, known)| *known == format);
    let dtype = known.map_or(Dtype::F32, |(dtype, _)| dtype);
    let mut end = 0;
    let tensors = table.iter().map(|param| {
        let start = end;
        end += param.len() * format.size();
        let shape = param.shape.to_vec();
        (param.name.to_string(), TensorInfo { dtype, shape, data_offsets: (start, end) })
    });
    let metadata = [(String::from("format"), String::from("pt"))].into_iter().collect();
    let metadata = safetensors::tensor::Metadata::new(Some(metadata), tensors.collect())
        .expect("offsets that follow from the shapes are in order");
    let json = serde_json::to_vec(&metadata).expect("names, shapes and offsets are always JSON");
    // The data start at a multiple of eight bytes, so that they can be mapped as floats.
    let length = json.len().next_multiple_of(PREFIX);
    let mut header = (length as u64).to_le_bytes().to_vec();
    header.extend(json);
    header.resize(PREFIX + length, b' ');
    header
}
