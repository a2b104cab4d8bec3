//! Whether weights fit the range of f16.

use std::path::Path;

use super::header::Tensor;
use crate::net::Format;

/// From this magnitude on a number is rounded to infinity.
const TOO_LARGE: f32 = 65520.0;

/// The first weight of a file, which ends with `data` bytes of tensors, that f16 cannot hold.
pub(super) fn check_f16<'a>(
    path: &Path,
    data: u64,
    tensors: impl Iterator<Item = (&'a Tensor, Format)>,
) -> Result<(), String> {
    let file = std::fs::read(path).map_err(|error| error.to_string())?;
    let start = file.len().saturating_sub(usize::try_from(data).unwrap_or(usize::MAX));
    for (Tensor { name, bytes: (from, to), .. }, format) in tensors {
        let bytes = file.get(start + from..start + to).unwrap_or_default();
        let beyond = |value: &f32| value.is_finite() && value.abs() >= TOO_LARGE;
        let widen = |upper: &[u8; 2]| f32::from_bits(u32::from(u16::from_le_bytes(*upper)) << 16);
        let found = match format {
            Format::F32 => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).find(beyond),
            Format::Bf16 => bytes.as_chunks().0.iter().map(widen).find(beyond),
            Format::F16 => None,
        };
        if let Some(value) = found {
            return Err(format!("`{name}` holds {value}, which is too large for f16"));
        }
    }
    Ok(())
}
