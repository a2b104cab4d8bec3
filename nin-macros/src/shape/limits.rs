//! What a machine can address.

use super::layers::{Cost, padded};
use super::{Pass, offers};
use crate::diag::Error;
use crate::net::{ConvParams, Shape};
use crate::source::Loc;
use crate::spec::{Element, Kind};

/// The bytes that a process can address on the 64-bit machines of today.
const ADDRESSABLE: u128 = 1 << 47;

impl Pass<'_> {
    /// Parameters and multiply-adds of a convolution; none if they are too many.
    pub(super) fn cost(
        &mut self,
        element: &Element,
        kernel: [u64; 2],
        input: Shape,
        output: Shape,
    ) -> Option<Cost> {
        let big = |n: usize| n as u128;
        let taps = u128::from(kernel[0]) * u128::from(kernel[1]) * big(input.c);
        let weight_len = taps.saturating_mul(big(padded(output.c)));
        let arena = u128::from(self.arena) + weight_len + big(padded(output.c));
        let macs = taps.saturating_mul(big(output.c))
            * big(output.h).saturating_mul(big(output.w)).min(1 << 62);
        let total = self.layers.iter().map(|layer| u128::from(layer.macs)).sum::<u128>() + macs;
        if arena.saturating_mul(4) > ADDRESSABLE || total > u128::from(u64::MAX) {
            let [rows, columns] = kernel;
            let formula = format!(
                "{rows}·{columns} weights for each of {}·{} pairs of channels, {} in all so \
                    far, where 128 TiB (2⁴⁷ bytes) can be addressed",
                input.c,
                output.c,
                memory(arena.saturating_mul(4))
            );
            let what = "the net has more parameters than a machine can address";
            let error = Error::new(widths_at(element), what)
                .because("shapes", self.trail.to(&element.call.name.value))
                .because("formula", formula);
            self.too_big(element, error);
            return None;
        }
        let weight_len = usize::try_from(weight_len).ok()?;
        let weight = usize::try_from(self.arena).ok()?;
        let (bias, bias_len) = (weight + weight_len, padded(output.c));
        self.arena = u64::try_from(arena).ok()?;
        Some(Cost {
            params: usize::try_from(taps * big(output.c)).ok()? + output.c,
            macs: u64::try_from(macs).ok()?,
            place: ConvParams { weight, weight_len, bias, bias_len },
        })
    }

    /// One image's activations must be addressable too.
    pub(super) fn fits_memory(&mut self, element: &Element) {
        let Some(shape) = self.shape() else { return };
        let bytes = 4 * (padded(shape.c) as u128) * (shape.h as u128) * (shape.w as u128);
        if bytes <= ADDRESSABLE {
            return;
        }
        let error = Error::new(element.at, "one image is more than a machine can address here")
            .because("shapes", self.trail.to_here())
            .because(
                "formula",
                format!(
                    "{shape} values are {}, where 128 TiB (2⁴⁷ bytes) can be addressed",
                    memory(bytes)
                ),
            );
        self.too_big(element, error);
    }

    /// Offers smaller numbers. What follows is not judged.
    fn too_big(&mut self, element: &Element, mut error: Error) {
        error.offers = match &element.kind {
            Kind::Input([channels, ..]) => offers::smaller_input(element, channels.as_ref()),
            _ => offers::smaller(self.source, element),
        };
        self.errors.push(error);
        self.flow = [None; 3];
    }
}

/// Where the widths of a convolution are written.
fn widths_at(element: &Element) -> Loc {
    let (Kind::Block(convs) | Kind::Conv(convs)) = &element.kind else { return element.at };
    match &convs.widths[..] {
        [first, .., last] => first.at.to(last.at),
        [only] => only.at,
        [] => element.at,
    }
}

/// Bytes in the largest unit that leaves a whole number.
fn memory(bytes: u128) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB"];
    let power = (bytes.max(1).ilog2() / 10).min(7);
    format!("{} {}", bytes >> (10 * power), units[power as usize])
}
